"""Faults in a running program, and what is promised of each.

A fault is judged by giving the same command again without it, and by opening and decoding the
output.
"""

import json
import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av

from harness import odd_clips
from harness.job import FRAMES, SLOW, Bench, Ran, Row, misbehaved
from harness.servers import SERVERS, run_server, run_two_downloads
from vinr_cli.media.join.sound import find_damage
from vinr_cli.media.join.verification import decode_all
from vinr_cli.media.read.describe import probe

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


_QUICK_STALL = "import vinr_cli.media.write.process as w; w._STALL_SECONDS = 3.0"
_QUOTA = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
_READ_ERROR = """
import av.error
from vinr_cli.media.read.reader import FrameReader
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
from vinr_cli.engine.renderer import PairRenderer
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
from vinr_cli.engine.renderer import PairRenderer
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
    first = bench.start(prelude=SLOW.format(0.02))
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


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def _pickle(bench: Bench) -> Ran:
    mark, good = bench.folder / "ran", bench.model
    bench.model = bench.folder / "evil.pth"
    bench.model.write_bytes(pickle.dumps({"state": Evil(mark)}))
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


_UPSCALE, _RENDER = "vinr_cli.jobs.file_job", "vinr_cli.jobs.render"
CASES = (
    Case("kill -9 while it plans", -9, _kill_at(f"{_UPSCALE}.fingerprint")),
    Case("kill -9 while weights are loaded", -9, _kill_at(f"{_RENDER}.load_at")),
    Case("kill -9 while the work folder is opened", -9,
         _kill_at("vinr_cli.jobs.ledger.write_json")),
    Case("kill -9 while frames are made", -9, lambda b: b.signalled(signal.SIGKILL), keeps=True),
    Case("kill -9 between a part's name and its record", -9,
         _kill_at("vinr_cli.jobs.ledger.write_json", count=4), keeps=True),
    Case("kill -9 while parts are joined", -9,
         _kill_at("vinr_cli.media.join.mux._last_ticks"), keeps=True),
    Case("kill -9 while the file is checked", -9,
         _kill_at("vinr_cli.media.join.verification.decode_all"), keeps=True),
    Case("kill -9 before the final name", -9,
         _kill_at(f"{_UPSCALE}.remember", after=True), keeps=True),
    Case("kill -9 between the final name and the clean-up", -9,
         _kill_at("vinr_cli.jobs.finishing.publish", after=True), keeps=True, named=True),
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


def own_rows() -> dict[str, Callable[[Bench], Row]]:
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
    return rows
