"""Inject faults into a running program and write down what became of it.

``python benchmarks/faults.py`` prints a table: the fault, the last thing that the program said, its
exit code, and what was lost, judged by giving the same command again without the fault and by
opening and decoding the output. A row that is not as promised is marked, and then the exit code is
1. ``--write`` makes docs/faults.md of the table.
"""

import argparse
import gc
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import odd_clips
from fuzz import make_weights
from kill_resume import write_clip

from vinr_cli.media.ffmpeg import find_ffmpeg
from vinr_cli.media.mux import decode_all
from vinr_cli.media.probe import probe
from vinr_cli.media.sound import find_damage
from vinr_cli.plan.job import EncodeOptions

FRAMES, PART = 120, 40
"""Source frames of the job, and output frames of a part; twice as many frames come out."""
LIMIT_SECONDS = 120.0
DOCUMENT = Path(__file__).parents[1] / "docs" / "faults.md"
HEAD = """# Faults

What happens when something goes wrong, written by `python benchmarks/faults.py --write`. Each row
is a fault in a running `vinr`. After a failure the same command is given again without the fault;
then the output is opened and every frame and all sound decoded. "Nothing" means that the finished
file has all of it; frames that are kept were not made again. A row that is not so is marked.
{where}
| fault | what the program says | exit code | what is lost |
|---|---|---|---|
"""

_FAKE = """#!{python}
import os, subprocess, sys, time
real = {real!r}
if "pipe:0" not in sys.argv:
    os.execv(real, [real, *sys.argv[1:]])
mark = {mark!r}
with open(mark, "a") as file:
    file.write("x")
if os.path.getsize(mark) < {turn}:  # the fault comes with a later part
    os.execv(real, [real, *sys.argv[1:]])
{act}
"""
_ENCODERS = {
    "dies": 'sys.stdin.buffer.read(9000); print("boom", file=sys.stderr); sys.exit(1)',
    "is killed": "sys.stdin.buffer.read(9000); os.kill(os.getpid(), 9)",
    "hangs": "time.sleep(600)",
    "fails late": (
        'code = subprocess.run([real, *sys.argv[1:]]).returncode; print("late", file=sys.stderr); '
        "sys.exit(1)"
    ),
    "loses frames": (
        "a = sys.argv[1:]; sys.exit(subprocess.run([real, *a[:-1], '-frames:v', '7', a[-1]],"
        " stdin=sys.stdin).returncode)"
    ),
    "fills its messages": (
        "sys.stderr.write('noise\\n' * 500000); os.execv(real, [real, *sys.argv[1:]])"
    ),
}


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended: its exit code and all that it said."""

    code: int
    said: str

    @property
    def words(self) -> str:
        """The line of substance: the error, else the last note."""
        lines = [line for line in self.said.splitlines() if line and line != "vinr: interrupted"]
        errors = [line for line in lines if line.startswith("vinr: error")]
        return (errors or lines[-1:] or [""])[0]

    def line(self, said: str) -> str:
        """The first line with these words; without words, that of substance."""
        told = [line for line in self.said.splitlines() if said and said in line]
        return told[0] if told else self.words


class Child:
    """The program in a fork of this process, which has loaded everything already.

    Args:
        arguments: Its command line.
        folder: Where it runs, and where the files with what it says are.
        prelude: Python that it runs before.
        variables: Of its environment.
        notes: Where the file with what it says is; its own folder if not given.
    """

    def __init__(
        self, arguments: list[str], folder: Path, prelude: str, variables: dict[str, str],
        notes: Path | None = None,
    ) -> None:  # fmt: skip
        self._words = Path(tempfile.mkstemp(dir=notes or folder, prefix="said-")[1])
        self._code: int | None = None
        # The child has none of this process's threads: it must not free what waits for them.
        gc.collect()
        gc.freeze()
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                os.chdir(folder)
                os.environ.update(variables)
                # A shell ignores it for what it runs in the background.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                with self._words.open("wb") as said, open(os.devnull, "r+b") as nothing:
                    os.dup2(nothing.fileno(), 0)
                    os.dup2(nothing.fileno(), 1)
                    os.dup2(said.fileno(), 2)
                exec(prelude, {})  # noqa: S102 - the table's own
                from vinr_cli.cli.app import main as program  # noqa: PLC0415

                code = program(arguments)
            finally:
                os._exit(code)
        gc.unfreeze()

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        if self._code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self) -> Ran:
        """Its end; a run that hangs is killed and has no exit code of the table."""
        end = time.monotonic() + LIMIT_SECONDS
        while self.poll() is None:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                end = float("inf")
            time.sleep(0.005)
        said = self._words.read_text(errors="replace")
        self._words.unlink()
        return Ran(-99 if end == float("inf") else self._code or 0, said)


class Bench:
    """A folder with a source, weights and one job.

    Args:
        folder: Where everything happens; one for each case.
        source: The job's input.
        model: Its weights.
    """

    def __init__(self, folder: Path, source: Path, model: Path) -> None:
        self.folder, self.source, self.model = folder, source, model
        self.output = folder / "out.mp4"
        self.wrong = ""
        self.always: tuple[str, ...] = ()

    @property
    def work(self) -> Path:
        """The work folder."""
        return self.output.with_name(f"{self.output.name}.vinr")

    def start(self, *extra: str, prelude: str = "", **variables: str) -> Child:
        """Start the job."""
        command = ["upscale", os.fspath(self.source), "-o", os.fspath(self.output)]
        command += ["--fps-mult", "2", "--model", os.fspath(self.model), "--device", "cpu"]
        command += ["--part-frames", str(PART), *self.always, *extra]
        return Child(command, self.folder, prelude, variables)

    def run(self, *extra: str, prelude: str = "", **variables: str) -> Ran:
        """Run the job to its end."""
        return self.start(*extra, prelude=prelude, **variables).wait()

    def vinr(self, *arguments: str | Path, **variables: str) -> Ran:
        """Run another command."""
        return Child([os.fspath(a) for a in arguments], self.folder, "", variables).wait()

    def signalled(self, *signals: signal.Signals, parts: int = 1, pause: float = 0.02) -> Ran:
        """Run, a pair each `pause` s, until some parts are finished; then send signals."""
        process = self.start(prelude=_SLOW.format(pause))
        while process.poll() is None and len(self.records()) < parts:
            time.sleep(0.01)
        for number in signals:
            process.signal(number)
            time.sleep(0.3)
        return process.wait()

    def partly(self) -> None:
        """Leave the job with some parts finished."""
        self.signalled(signal.SIGKILL, parts=2)

    def fake(self, act: str, turn: int = 3) -> str:
        """An ffmpeg that goes wrong with its n-th part."""
        path = self.folder / "ffmpeg"
        real = str(find_ffmpeg(EncodeOptions()))
        mark = str(self.folder / "turns")
        path.write_text(
            _FAKE.format(python=sys.executable, real=real, mark=mark, turn=turn, act=act)
        )
        path.chmod(0o755)
        return str(path)

    def records(self) -> list[Path]:
        """Records of the finished parts."""
        return sorted(self.work.glob("*-*.json"))

    def kept(self) -> int:
        """Output frames in finished parts."""
        return sum(int(json.loads(path.read_text())["frames"]) for path in self.records())


_SLOW = """
import time
from vinr_cli.engine.infer import PairRenderer
whole = PairRenderer.render_all
def slowly(self, times):
    time.sleep({})
    return whole(self, times)
PairRenderer.render_all = slowly
"""
_QUICK_STALL = "import vinr_cli.media.writer as w; w._STALL_SECONDS = 3.0"
_QUOTA = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
_READ_ERROR = """
import av.error
from vinr_cli.media.reader import FrameReader
whole = FrameReader._packets
def broken(self, *given):
    for count, packet in enumerate(whole(self, *given)):
        if count == 70:
            raise InputError(self._path, "reading failed: Input/output error")
        yield packet
from vinr_cli.errors import InputError
FrameReader._packets = broken
"""
_NOT_A_NUMBER = """
from vinr_cli.engine.infer import PairRenderer
whole, count = PairRenderer.render_all, [0]
def poisoned(self, times):
    for picture in whole(self, times):
        count[0] += 1
        yield picture * float("nan") if count[0] == 50 else picture
PairRenderer.render_all = poisoned
"""


def _out_of_memory(at: int, times: int = 1) -> str:
    """Memory runs out at the n-th time that a pair is rendered, and at the next ones."""
    return f"""
import torch
from vinr_cli.engine.infer import PairRenderer
begin, count = PairRenderer.__init__, [0]
def init(self, model, *given, **named):
    whole = model.render
    def greedy(*given, **named):
        count[0] += 1
        if {at} <= count[0] < {at + times}:
            raise torch.OutOfMemoryError("out of memory")
        return whole(*given, **named)
    object.__setattr__(model, "render", greedy)
    begin(self, model, *given, **named)
PairRenderer.__init__ = init
"""


def _damage(bench: Bench, pts: int) -> None:
    """Blank the data of one source frame, in a copy."""
    with av.open(bench.source) as container:
        found = (p for p in container.demux(video=0) if p.pts is not None and p.size)
        packet = sorted(found, key=lambda p: p.pts or 0)[pts]
        place, size = packet.pos or 0, packet.size
    data = bytearray(bench.source.read_bytes())
    data[place : place + size] = bytes(size)
    bench.source = bench.folder / "damaged.mp4"
    bench.source.write_bytes(data)


def _encoder(fault: str) -> Callable[[Bench], Ran]:
    def act(bench: Bench) -> Ran:
        path = bench.fake(_ENCODERS[fault])
        # Its version is the real one's, so the job can go on with the real one.
        return bench.run(prelude=_QUICK_STALL, VINR_FFMPEG=path)

    return act


def after_kill(harm: Callable[[Bench], object], *extra: str) -> Callable[[Bench], Ran]:
    """Kill the job with some parts finished, do harm to what is there, and run it again."""

    def act(bench: Bench) -> Ran:
        bench.partly()
        harm(bench)
        return bench.run(*extra)

    return act


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _decode_error(*extra: str) -> Callable[[Bench], Ran]:
    def act(bench: Bench) -> Ran:
        _damage(bench, 60)
        return bench.run(*extra)

    return act


def _two_runs(bench: Bench) -> Ran:
    first = bench.start(prelude=_SLOW.format(0.02))
    while first.poll() is None and not bench.records():
        time.sleep(0.01)
    second = bench.run()
    if first.wait().code != 0:
        bench.wrong = "the first run was disturbed"
    bench.output.unlink(missing_ok=True)
    return second


def _kill_at(place: str, *, after: bool = False, count: int = 1) -> Callable[[Bench], Ran]:
    """Kill -9 at the n-th call of a function, before it does anything or right after it."""
    module, _, name = place.rpartition(".")
    prelude = f"""
import importlib, os
module = importlib.import_module({module!r})
whole, calls = module.{name}, [0]
def killed(*given, **named):
    calls[0] += 1
    if calls[0] == {count} and not {after}:
        os.kill(os.getpid(), 9)
    found = whole(*given, **named)
    if calls[0] == {count}:
        os.kill(os.getpid(), 9)
    return found
module.{name} = killed
"""
    return lambda bench: bench.run(prelude=prelude)


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A disk of that size at a folder; False where this system does not let us have one."""
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        yield False
        return
    command = [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", os.fspath(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run([umount, os.fspath(folder)], check=True)


def _full_work(bench: Bench) -> Ran:
    place = bench.folder / "parts"
    with _small_disk(place, "24k") as there:
        quota = "" if there else _QUOTA.format(3000)
        return bench.run("--work-dir", os.fspath(place), prelude=quota)


def _full_output(bench: Bench) -> Ran:
    """The work folder has room, the folder of the output has not."""
    place, parts = bench.folder / "small", bench.folder / "parts"
    bench.always = ("--work-dir", os.fspath(parts))
    output = bench.output
    with _small_disk(place, "24k") as there:
        if there:
            bench.output = place / "out.mp4"
        ran = bench.run(prelude="" if there else _QUOTA.format(16000))
        if bench.output.exists():
            bench.wrong = "a file has the final name on the full disk"
        # On the small disk, with room: what is missing is only the last step.
        made = sum(int(json.loads(p.read_text())["frames"]) for p in parts.glob("*/*-*.json"))
        if made != 2 * FRAMES:
            bench.wrong = f"only {made} frames are kept"
    bench.output = output
    return ran


def _to(output: str) -> Callable[[Bench], Ran]:
    """An output that must not be written."""

    def act(bench: Bench) -> Ran:
        bench.output = Path(output)
        return bench.run("--overwrite")

    return act


def _onto_input(make: Callable[[Path, Path], object] | None) -> Callable[[Bench], Ran]:
    def act(bench: Bench) -> Ran:
        copy = bench.folder / "in.mp4"
        data = bench.source.read_bytes()
        copy.write_bytes(data)
        bench.source, plain = copy, bench.output
        bench.output = copy if make is None else bench.folder / "link.mp4"
        if make is not None:
            make(bench.output, copy)
        ran = bench.run("--overwrite")
        if copy.read_bytes() != data:
            bench.wrong = "the input has changed"
        if make is not None:
            bench.output.unlink()
        bench.output = plain
        return ran

    return act


class _Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def _pickle(bench: Bench) -> Ran:
    mark, good = bench.folder / "ran", bench.model
    bench.model = bench.folder / "evil.pth"
    bench.model.write_bytes(pickle.dumps({"state": _Evil(mark)}))
    ran = bench.run()
    bench.model = good
    if mark.exists():
        bench.wrong = "the pickle ran"
    return ran


def _locale(bench: Bench) -> Ran:
    return bench.run(LC_ALL="xx_XX.nonsense", LANG="C")


def _change_input(bench: Bench) -> None:
    copy = bench.folder / "in.mp4"
    copy.write_bytes(bench.source.read_bytes())
    bench.source = copy


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and what is promised.

    Attributes:
        name: The fault.
        code: Exit code.
        act: Runs the job with it.
        again: Whether the same command without the fault must then finish the job.
        keeps: Whether parts must be left by the failed run.
        named: Whether the final name must be there in spite of a failure.
        lost: What is lost; empty for nothing.
        said: Words that must be told.
    """

    name: str
    code: int
    act: Callable[[Bench], Ran]
    again: bool = True
    keeps: bool = False
    named: bool = False
    lost: str = ""
    said: str = ""


_UPSCALE, _RENDER = "vinr_cli.jobs.upscale", "vinr_cli.jobs.render"
CASES = (
    Case("kill -9 while it plans", -9, _kill_at(f"{_UPSCALE}.fingerprint")),
    Case("kill -9 while weights are loaded", -9, _kill_at(f"{_RENDER}.load_model")),
    Case("kill -9 while the work folder is opened", -9,
         _kill_at("vinr_cli.jobs.manifest.write_json")),
    Case("kill -9 while frames are made", -9, lambda b: b.signalled(signal.SIGKILL), keeps=True),
    Case("kill -9 between a part's name and its record", -9,
         _kill_at("vinr_cli.jobs.manifest.write_json", count=4), keeps=True),
    Case("kill -9 while parts are joined", -9,
         _kill_at("vinr_cli.media.mux._constant_rate"), keeps=True),
    Case("kill -9 while the file is checked", -9,
         _kill_at("vinr_cli.media.mux.decode_all"), keeps=True),
    Case("kill -9 before the final name", -9,
         _kill_at(f"{_UPSCALE}.remember", after=True), keeps=True),
    Case("kill -9 between the final name and the clean-up", -9,
         _kill_at(f"{_UPSCALE}.publish", after=True), keeps=True, named=True),
    Case("Ctrl-C once", 130, lambda b: b.signalled(signal.SIGINT), keeps=True),
    Case("Ctrl-C twice", 130,
         lambda b: b.signalled(signal.SIGINT, signal.SIGINT, pause=0.6), keeps=True),
    Case("SIGTERM", 130, lambda b: b.signalled(signal.SIGTERM), keeps=True),
    Case("job.json torn", 0, after_kill(lambda b: _half(b.work / "job.json")), again=False,
         said="was damaged"),
    Case("a record torn", 0, after_kill(lambda b: _half(b.records()[0])), again=False,
         said="is damaged"),
    Case("a part half written", 0,
         after_kill(lambda b: _half(b.records()[0].with_suffix(".mp4"))), again=False,
         said="is damaged"),
    Case("options changed", 4, after_kill(lambda b: None, "--crf", "33"), keeps=True,
         said="encoder was"),
    Case("input changed", 4, after_kill(_change_input), again=False, keeps=True,
         said="input time was"),
    Case("work folder full", 4, _full_work),
    Case("output folder full", 4, _full_output, lost="nothing; 240 of 240 frames kept"),
    Case("a file cannot grow any more (quota)", 4, lambda b: b.run(prelude=_QUOTA.format(16000)),
         keeps=True),
    Case("read error midway", 3, lambda b: b.run(prelude=_READ_ERROR), keeps=True),
    Case("a source frame is damaged", 9, _decode_error(), again=False,
         lost="it and 10 frames that are decoded from it, concealed and told"),
    Case("the same, --strict", 3, _decode_error("--strict"), again=False, keeps=True),
    Case("encoder dies", 5, _encoder("dies"), keeps=True),
    Case("encoder is killed", 5, _encoder("is killed"), keeps=True),
    Case("encoder hangs", 5, _encoder("hangs"), keeps=True),
    Case("encoder fails at its end", 5, _encoder("fails late"), keeps=True),
    Case("encoder loses frames", 5, _encoder("loses frames"), keeps=True),
    Case("encoder fills its messages", 0, _encoder("fills its messages"), again=False),
    Case("out of memory, first pair", 0, lambda b: b.run(prelude=_out_of_memory(1)), again=False,
         said="looking ahead"),
    Case("out of memory, in the middle", 0, lambda b: b.run(prelude=_out_of_memory(60)),
         again=False, said="looking ahead"),
    Case("out of memory, last pair", 0, lambda b: b.run(prelude=_out_of_memory(FRAMES - 1)),
         again=False, said="looking ahead"),
    Case("out of memory, twice", 0, lambda b: b.run(prelude=_out_of_memory(60, 2)), again=False,
         said="tiles"),
    Case("out of memory for good", 7, lambda b: b.run(prelude=_out_of_memory(90, 1 << 30)),
         keeps=True),
    Case("NaN from the network", 1, lambda b: b.run(prelude=_NOT_A_NUMBER), keeps=True),
    Case("broken locale", 0, _locale, again=False),
    Case("output in a read-only place", 4, _to("/proc/out.mp4")),
    Case("output is a folder that is missing", 4, _to("missing/out.mp4")),
    Case("input = output", 4, _onto_input(None)),
    Case("output is a symbolic link to the input", 4, _onto_input(Path.symlink_to)),
    Case("output is a hard link to the input", 4, _onto_input(Path.hardlink_to)),
    Case("two runs on one output", 4, _two_runs),
    Case("a pickle as weights", 6, _pickle),
)  # fmt: skip
"""Every fault of a running job."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    fault: str
    words: str
    code: int
    lost: str
    wrong: str


def run_case(case: Case, bench: Bench) -> Row:
    """Inject a fault, then see what the same command makes of what is left."""
    ran = case.act(bench)
    kept = bench.kept() if case.keeps else 0
    wrong = [bench.wrong, misbehaved(ran, case.code, case.said)]
    if case.keeps and not kept:
        wrong.append("no part is kept")
    if case.code not in (0, 9) and bench.output.exists() != case.named:
        wrong.append("the final name is " + ("missing" if case.named else "there"))
    lost = case.lost or "nothing"
    if case.keeps and not case.lost:
        lost = f"nothing; {kept} of {2 * FRAMES} frames kept"
    if case.again:
        bench.output = bench.folder / bench.output.name
        again = bench.run()
        known = "an earlier run has finished it" if case.named else f"going on: {kept} of"
        if kept and known not in again.said:
            wrong.append("what was kept is made again")
        if again.code != 0:
            wrong.append(f"the same command then ends with {again.code}: {again.words}")
        if bench.work.exists():
            wrong.append("a work folder is left")
    if case.again or case.code in (0, 9):
        wrong.append(not_whole(bench.output))
    words = ran.line(case.said) if ran.code == 0 else ran.words
    return Row(case.name, words, ran.code, lost, "; ".join(filter(None, wrong)))


def misbehaved(ran: Ran, code: int, said: str) -> str:
    """What is wrong with how a run ended; empty if nothing is."""
    if "Traceback" in ran.said or "a bug in vinr" in ran.said:
        return "an exception that nobody foresaw"
    if ran.code != code:
        return f"exit code {ran.code}, promised {code}"
    return "" if said in ran.said else f"does not say {said!r}"


def not_whole(path: Path) -> str:
    """Open the job's output and decode it; what is wrong with it, empty if nothing is."""
    if not path.exists():
        return "there is no output"
    frames, sounds = decode_all(path), [t for t in probe(path).tracks if t.kind == "audio"]
    if frames != 2 * FRAMES or len(sounds) != 1 or find_damage(path):
        return f"the output is not whole: {frames} frames, {len(sounds)} sound tracks"
    return ""


def run_odd(odd: odd_clips.Odd, bench: Bench) -> Row:
    """Run the program on an odd clip and judge the output."""
    source, output = odd.make(bench.folder), bench.folder / f"out{odd.suffix}"
    ran = bench.vinr(
        "upscale", source, "-o", output, "--model", bench.model, "--device", "cpu", *odd.options
    )
    wrong = [misbehaved(ran, odd.code, odd.said), odd_clips.judge(odd, source, output)]
    return Row(odd.name, ran.line(odd.said), ran.code, odd.lost, "; ".join(filter(None, wrong)))


def run_name(title: str, name: bytes, bench: Bench) -> Row:
    """Run the program on a file with an odd name, given relatively, and into another one."""
    source = Path(os.fsdecode(name))
    (bench.folder / source).write_bytes(bench.source.read_bytes())
    output = Path(os.fsdecode(b"out " + name))
    ran = bench.vinr(
        "upscale", "-o", output, "--fps-mult", "2", "--model", bench.model, "--device", "cpu",
        "--", source,
    )  # fmt: skip
    wrong = [misbehaved(ran, 0, ""), not_whole(bench.folder / output)]
    return Row(title, ran.words, ran.code, "nothing", "; ".join(filter(None, wrong)))


# -- servers that lie ---------------------------------------------------------------------------


_BREAKS = 4
"""The answer of a breaking server that is whole; more than a fetch that gets nowhere may ask."""


class _Server(ThreadingHTTPServer):
    """Serves one file; every request has the server's fault, until it is honest again."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.fault, self.asked = content, "", 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer as the fault says; half of the bytes, the first time, where ranges matter."""
        server, fault = self.server, self.server.fault
        server.asked += 1
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked and fault != "without ranges" else 0
        body, status = server.content[start:], 206 if start else 200
        if fault.isdigit():
            body, status = b"", int(fault)
        if fault == "wrong hash":
            body = bytes(255 - byte for byte in body)
        length = len(body) + (1000 if fault == "wrong length" else 0)
        self.send_response(status)
        if start:
            whole = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        half = fault in ("breaks", "time-out") and server.asked < _BREAKS
        half |= fault == "without ranges" and server.asked == 1
        self.wfile.write(body[: len(body) // 2] if half else body)
        self.wfile.flush()
        if fault == "time-out" and half:
            time.sleep(3)
        self.close_connection = bool(fault)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


SERVERS = {
    "without ranges": (0, "nothing"),
    "breaks": (0, "nothing; no byte came twice"),
    "wrong length": (6, "nothing; what came is kept"),
    "wrong hash": (6, "nothing; the bytes are deleted"),
    "404": (6, "nothing"),
    "503": (6, "nothing"),
    "time-out": (0, "nothing; no byte came twice"),
}
"""Fault of a server of weights -> (exit code, what is lost)."""


def run_server(fault: str, bench: Bench) -> Row:
    """Fetch weights from a server with a fault, then from the same one when it is honest."""
    code, lost = SERVERS[fault]
    content = bench.model.read_bytes()
    with _serving(content) as server:
        fetch = _fetching(bench, server, content)
        server.fault = fault
        ran = fetch()
        server.fault = ""
        wrong = [misbehaved(ran, code, "")]
        if code and fetch().code != 0:
            wrong.append("the same command then fails with an honest server")
    made = bench.vinr("models", "--json", VINR_HOME=os.fspath(bench.folder / "home"))
    if made.code != 0:
        wrong.append("the models cannot be listed")
    return Row(
        f"server of weights: {fault}", ran.words, ran.code, lost, "; ".join(filter(None, wrong))
    )


def run_two_downloads(bench: Bench) -> Row:
    """Fetch the same weights twice at once."""
    content = bench.model.read_bytes()
    with _serving(content) as server:
        fetch = _fetching(bench, server, content)
        rans: list[Ran] = []
        threads = [threading.Thread(target=lambda: rans.append(fetch())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    worst = max(rans, key=lambda ran: ran.code)
    return Row("two downloads of one file at once", worst.words, worst.code, "nothing",
               misbehaved(worst, 0, ""))  # fmt: skip


@contextmanager
def _serving(content: bytes) -> Iterator[_Server]:
    server = _Server(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fetching(bench: Bench, server: _Server, content: bytes) -> Callable[[], Ran]:
    """The command that fetches the weights, as a process of its own: this one has threads."""
    command = [sys.executable, "-m", "vinr_cli", "download-weights", "trial"]
    command += ["--from", f"http://127.0.0.1:{server.server_port}/trial.safetensors"]
    command += ["--sha256", hashlib.sha256(content).hexdigest(), "--tries", "2", "--timeout", "1"]
    home = {"VINR_HOME": os.fspath(bench.folder / "home"), "OMP_NUM_THREADS": "1"}

    def fetch() -> Ran:
        done = subprocess.run(
            command, env=os.environ | home, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=LIMIT_SECONDS,
        )  # fmt: skip
        return Ran(done.returncode, done.stderr + done.stdout)

    return fetch


# -- the table ----------------------------------------------------------------------------------


def all_rows() -> dict[str, Callable[[Bench], Row]]:
    """Every row by its name."""
    rows: dict[str, Callable[[Bench], Row]] = {}
    for case in CASES:
        rows[case.name] = partial(run_case, case)
    for odd in odd_clips.CLIPS:
        rows[odd.name] = partial(run_odd, odd)
    for title, name in odd_clips.NAMES.items():
        rows[title] = partial(run_name, title, name)
    for fault in SERVERS:
        rows[f"server of weights: {fault}"] = partial(run_server, fault)
    rows["two downloads of one file at once"] = run_two_downloads
    sys.modules.setdefault("faults", sys.modules[__name__])  # where this is the program that runs
    import given_faults  # noqa: PLC0415 - it takes what is above

    return rows | given_faults.rows()


def line_of(row: Row, place: str) -> str:
    """A row as Markdown, without what is of this machine or this run."""
    words = row.words.replace(f"{place}/", "").replace(place, "")
    words = words.replace(socket.gethostname(), "HOST").replace(sys.executable, "python")
    for pattern, plain in (
        (r"process \d+", "process N"), (r"127\.0\.0\.1:\d+", "SERVER"), (r"(^|\s)\d+/", r"\1"),
        (r"was [\w-]+ ns, is \w+ ns", "was T, is U"), (r"; made in .*", ""),
        (r"[0-9a-f]{40,}", "…"), (r"\|", "/"), (r"\s+", " "),
    ):  # fmt: skip
        words = re.sub(pattern, plain, words)
    mark = f" **{row.wrong.replace('|', '/')}**" if row.wrong else ""
    code = "killed" if row.code == -signal.SIGKILL else str(row.code)
    words = "" if row.code == -signal.SIGKILL else words.encode("utf-8", "replace").decode()
    return f"| {row.fault} | {words or '(nothing)'} | {code} | {row.lost}{mark} |"


def main() -> int:
    """Print the table; 1 if a row is not as promised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--share", default="1/1", help="i/n: every n-th row, from the i-th on")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name} too")
    given = parser.parse_args()
    first, step = (int(number) for number in given.share.split("/"))
    import vinr_cli.cli.app  # noqa: PLC0415
    import vinr_cli.jobs.render  # noqa: F401, PLC0415 - loaded once, before the forks

    os.environ["OMP_NUM_THREADS"] = "1"
    lines, bad, begin = [], 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vinr-faults-") as name:
        folder = Path(name)
        source = write_clip(folder / "source.mp4", FRAMES)
        model = make_weights(folder / "tiny.safetensors")
        print("| fault | what the program says | exit code | what is lost |\n|---|---|---|---|")
        for number, (title, run) in enumerate(all_rows().items()):
            if given.only not in title or number % step != first - 1:
                continue
            place = folder / str(number)
            place.mkdir()
            row = run(Bench(place, source, model))
            bad += bool(row.wrong)
            lines.append(line_of(row, name))
            print(lines[-1], flush=True)
    end = f"{len(lines)} faults, {bad} not as promised"
    print(f"\n{end}")
    if given.write:
        where = f"\nThis table: {end}; {time.monotonic() - begin:.0f} s.\n"
        DOCUMENT.write_text(HEAD.format(where=where) + "\n".join(lines) + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
