"""A job that can be disturbed, and how a run of it ended."""

import gc
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions

FRAMES, PART = 120, 40
"""Source frames of the job, and output frames of a part; twice as many frames come out."""
LIMIT_SECONDS = 120.0
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
SLOW = """
import time
from vinr_cli.engine.renderer import PairRenderer
whole = PairRenderer.render_all
def slowly(self, times):
    time.sleep({})
    return whole(self, times)
PairRenderer.render_all = slowly
"""
"""Slows a run down: `SLOW.format(seconds a pair)`."""


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
        process = self.start(prelude=SLOW.format(pause))
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


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    fault: str
    words: str
    code: int
    lost: str
    wrong: str


def misbehaved(ran: Ran, code: int, said: str) -> str:
    """What is wrong with how a run ended; empty if nothing is."""
    if "Traceback" in ran.said or "a bug in vinr" in ran.said:
        return "an exception that nobody foresaw"
    if ran.code != code:
        return f"exit code {ran.code}, promised {code}"
    return "" if said in ran.said else f"does not say {said!r}"
