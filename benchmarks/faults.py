"""Inject faults into a running program and write down what became of it.

``python benchmarks/faults.py`` prints a table: the fault, the last thing that the program said, its
exit code, and what was lost, judged by giving the same command again without the fault. A row whose
exit code or loss is not as promised is marked, and then the exit code is 1.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
from fuzz import make_weights
from kill_resume import write_clip

from vinr_cli.media.encoders import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions

FRAMES, PART = 120, 40
"""Source frames of the job, and output frames of a part; twice as many frames come out."""

_MAIN = "import sys\nfrom vinr_cli.cli.app import main\n{prelude}\nsys.exit(main(sys.argv[1:]))\n"
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
        """The last line of substance."""
        lines = [line for line in self.said.splitlines() if line and line != "vinr: interrupted"]
        return lines[-1] if lines else ""


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
        self.work = folder / "out.mp4.vinr"
        self.wrong = ""

    def command(self, *extra: str, prelude: str = "") -> list[str]:
        """The job's command line."""
        start = [sys.executable, "-c", _MAIN.format(prelude=prelude), "upscale", str(self.source)]
        start += ["-o", str(self.output), "--fps-mult", "2", "--model", str(self.model)]
        return [*start, "--device", "cpu", "--part-frames", str(PART), *extra]

    def run(self, *extra: str, prelude: str = "", **variables: str) -> Ran:
        """Run the job to its end."""
        result = subprocess.run(
            self.command(*extra, prelude=prelude),
            env=os.environ | {"OMP_NUM_THREADS": "1"} | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=180,
            check=False,
        )
        return Ran(result.returncode, result.stderr)

    def signalled(self, *signals: signal.Signals, parts: int = 1, pause: float = 0.02) -> Ran:
        """Run, a pair each `pause` s, until some parts are finished; then send signals."""
        process = subprocess.Popen(
            self.command(prelude=_SLOW.format(pause)),
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while process.poll() is None and len(self.records()) < parts:
            time.sleep(0.02)
        for number in signals:
            process.send_signal(number)
            time.sleep(0.5)
        return Ran(process.wait(timeout=60), process.communicate()[1])

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


def _out_of_memory(at: int, *, always: bool) -> str:
    """Memory runs out at the n-th time that a pair is rendered, once or from then on."""
    return f"""
import torch
from vinr_cli.engine.infer import PairRenderer
begin, count = PairRenderer.__init__, [0]
def init(self, model, *given, **named):
    whole = model.render
    def greedy(*given, **named):
        count[0] += 1
        if count[0] {">=" if always else "=="} {at}:
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


def _after_kill(harm: Callable[[Bench], object], *extra: str) -> Callable[[Bench], Ran]:
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
    with subprocess.Popen(
        bench.command(prelude=_SLOW.format(0.02)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        while first.poll() is None and not bench.records():
            time.sleep(0.02)
        second = bench.run()
        if first.wait(timeout=120) != 0:
            bench.wrong = "the first run was disturbed"
        bench.output.unlink(missing_ok=True)
    return second


def _names(bench: Bench) -> Ran:
    odd = bench.folder / os.fsdecode(b"-o 100%d 'x\" \xff.mp4")
    odd.write_bytes(bench.source.read_bytes())
    bench.source = odd
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
    """

    name: str
    code: int
    act: Callable[[Bench], Ran]
    again: bool = True
    keeps: bool = False


CASES = (
    Case("kill -9 while frames are made", -9, lambda b: b.signalled(signal.SIGKILL), keeps=True),
    Case("Ctrl-C once", 130, lambda b: b.signalled(signal.SIGINT), keeps=True),
    Case("Ctrl-C twice", 130,
         lambda b: b.signalled(signal.SIGINT, signal.SIGINT, pause=1.0), keeps=True),
    Case("SIGTERM", 130, lambda b: b.signalled(signal.SIGTERM), keeps=True),
    Case("encoder dies", 5, _encoder("dies"), keeps=True),
    Case("encoder is killed", 5, _encoder("is killed"), keeps=True),
    Case("encoder hangs", 5, _encoder("hangs"), keeps=True),
    Case("encoder fails at its end", 5, _encoder("fails late"), keeps=True),
    Case("encoder loses frames", 5, _encoder("loses frames"), keeps=True),
    Case("encoder fills its messages", 0, _encoder("fills its messages"), again=False),
    Case("work folder full", 4, lambda b: b.run(prelude=_QUOTA.format(3000))),
    Case("output folder full", 4, lambda b: b.run(prelude=_QUOTA.format(16000)), keeps=True),
    Case("read error midway", 3, lambda b: b.run(prelude=_READ_ERROR), keeps=True),
    Case("a source frame is damaged", 9, _decode_error(), again=False),
    Case("the same, --strict", 3, _decode_error("--strict"), again=False, keeps=True),
    Case("NaN from the network", 1, lambda b: b.run(prelude=_NOT_A_NUMBER), keeps=True),
    Case("out of memory, first pair", 0, lambda b: b.run(prelude=_out_of_memory(1, always=False)),
         again=False),
    Case("out of memory, in the middle", 0,
         lambda b: b.run(prelude=_out_of_memory(60, always=False)), again=False),
    Case("out of memory for good", 7, lambda b: b.run(prelude=_out_of_memory(90, always=True)),
         keeps=True),
    Case("job.json torn", 0, _after_kill(lambda b: _half(b.work / "job.json")), again=False),
    Case("a record torn", 0, _after_kill(lambda b: _half(b.records()[0])), again=False),
    Case("a part half written", 0,
         _after_kill(lambda b: _half(b.records()[0].with_suffix(".mp4"))), again=False),
    Case("options changed", 4, _after_kill(lambda b: None, "--crf", "33"), keeps=True),
    Case("input changed", 4, _after_kill(_change_input), again=False, keeps=True),
    Case("two runs on one output", 4, _two_runs),
    Case("broken locale, odd names", 0, _names, again=False),
)  # fmt: skip
"""Every fault of the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    fault: str
    words: str
    code: int
    lost: str
    wrong: str


def run_case(case: Case, folder: Path, source: Path, model: Path) -> Row:
    """Inject a fault, then see what the same command makes of what is left."""
    folder.mkdir()
    bench = Bench(folder, source, model)
    ran = case.act(bench)
    kept = bench.kept() if case.keeps else 0
    wrong = [bench.wrong] if bench.wrong else []
    if ran.code != case.code:
        wrong.append(f"exit code {ran.code}, promised {case.code}")
    if "Traceback" in ran.said or "a bug in vinr" in ran.said:
        wrong.append("an exception that nobody foresaw")
    if case.keeps and not kept:
        wrong.append("no part is kept")
    if case.code not in (0, 9) and bench.output.exists():
        wrong.append("a file has the final name")
    lost = f"nothing; {kept} of {2 * FRAMES} frames kept" if case.keeps else "nothing"
    if case.code == 9:
        lost = "1 source frame, concealed and told"
    if case.again:
        again = bench.run()
        if again.code != 0:
            wrong.append(f"the same command then ends with {again.code}: {again.words}")
    if (case.again or case.code in (0, 9)) and _frames(bench.output) != 2 * FRAMES:
        wrong.append("the output is not whole")
    return Row(case.name, ran.words, ran.code, lost, "; ".join(wrong))


def _frames(path: Path) -> int:
    if not path.exists():
        return 0
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))


def main() -> int:
    """Print the table; 1 if a row is not as promised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="vinr-faults-") as name:
        folder = Path(name)
        source = write_clip(folder / "source.mp4", FRAMES)
        model = make_weights(folder / "tiny.safetensors")
        print("| fault | what happened | exit code | lost |\n|---|---|---|---|")
        for number, case in enumerate(CASES):
            if given.only in case.name:
                row = run_case(case, folder / str(number), source, model)
                rows.append(row)
                words = row.words.replace(name, "").replace("|", "/")
                mark = f" **{row.wrong}**" if row.wrong else ""
                print(f"| {row.fault} | {words} | {row.code} | {row.lost}{mark} |", flush=True)
    bad = sum(1 for row in rows if row.wrong)
    print(f"\n{len(rows)} faults, {bad} not as promised")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
