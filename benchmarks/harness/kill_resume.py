"""A job that is killed at random moments and given again each time.

The moments are of three phases: while it starts, while it makes frames, and while it puts the
finished file together.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harness.clips import write_clip
from harness.tiny import make_weights

PHASES = ("start", "frames", "end")
_START_SECONDS = 2.5
"""About how long the program loads before its first frame."""
_FRAMES_SECONDS = 1.5
"""How long a run makes frames at most before it is killed: some parts, in peace."""


@dataclass
class Run:
    """A running job and what it has said."""

    process: "subprocess.Popen[str]"
    working: threading.Event = field(default_factory=threading.Event)
    listener: threading.Thread | None = None

    def listen(self) -> None:
        """Take the events until the process has gone."""
        if self.process.stdout is None:
            return
        with self.process.stdout as lines:
            for line in lines:
                self._take(line)
        self.working.set()

    def wait(self) -> int:
        """Exit code of the process, when it has ended and all was heard."""
        code = self.process.wait()
        if self.listener is not None:
            self.listener.join()
        return code

    def _take(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:  # the line that was being written
            return
        if event["event"] == "progress":
            self.working.set()


@dataclass(frozen=True, slots=True)
class Report:
    """What a series of kills came to.

    Attributes:
        kills: By phase.
        faults: What went wrong, a line each.
        identical: Whether the output has the bytes of the undisturbed run.
        one_job: Whether every kill came before the output had its final name.
        lost: Most output frames that one kill cost.
    """

    kills: Counter[str]
    faults: tuple[str, ...]
    identical: bool
    one_job: bool
    lost: int


class Series:
    """One job that is killed again and again.

    Args:
        folder: Where everything happens.
        frames: Source frames.
        part_frames: Output frames of a part.
    """

    def __init__(self, folder: Path, frames: int, part_frames: int) -> None:
        self.folder = folder
        self.source = write_clip(folder / "in.mp4", frames)
        self.model = make_weights(folder / "tiny.safetensors")
        self.part_frames = part_frames
        self.output = folder / "out.mp4"
        self.work = folder / "out.mp4.vinr"
        self._end_seconds = 0.0  # from the beginning of the finished file to its name, in peace

    def start(self, output: Path) -> Run:
        """Start the job."""
        command = [sys.executable, "-m", "vinr_cli", "upscale", str(self.source), "--json"]
        command += ["--fps-mult", "2", "--model", str(self.model), "-o", str(output)]
        command += ["--device", "cpu", "--part-frames", str(self.part_frames)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        run = Run(process)
        run.listener = threading.Thread(target=run.listen, daemon=True)
        run.listener.start()
        return run

    def finished_parts(self) -> dict[str, tuple[str, int]]:
        """Name of each part that has a record -> (its SHA-256, its frames)."""
        found = {}
        for record in self.work.glob("*-*.json"):
            said = json.loads(record.read_text())
            data = (self.work / said["file"]).read_bytes()
            found[said["file"]] = (hashlib.sha256(data).hexdigest(), said["frames"])
        return found

    def assembling(self, work: Path) -> set[str]:
        """Names of the files that finished parts are being put together in."""
        return {path.name for path in work.glob("whole-*")}

    def wait_for_end(self, run: Run, work: Path, before: set[str]) -> bool:
        """Wait until a run puts the finished file together; False if it ends without."""
        while run.process.poll() is None:
            if self.assembling(work) - before:
                return True
            time.sleep(0.001)
        return False

    def kill_once(self, dice: random.Random, phase: str) -> str:
        """Start, wait for a moment of the phase, kill; returns the phase that it was."""
        left = self.assembling(self.work)  # of runs that were killed in the same phase
        run = self.start(self.output)
        if phase == "start":
            time.sleep(dice.uniform(0.05, _START_SECONDS))
        elif phase == "frames":
            run.working.wait(60)
            time.sleep(dice.uniform(0, _FRAMES_SECONDS))
        elif self.wait_for_end(run, self.work, left):
            time.sleep(dice.uniform(0, 0.5 * self._end_seconds))
        run.process.send_signal(signal.SIGKILL)
        ended = bool(self.assembling(self.work) - left)
        was = "end" if ended else "frames" if run.working.is_set() else "start"
        run.wait()
        return was

    def peaceful(self, calm: Path) -> None:
        """The undisturbed run; measures how long its last step takes."""
        run = self.start(calm)
        self.wait_for_end(run, calm.with_name(f"{calm.name}.vinr"), set())
        begin = time.monotonic()
        while run.process.poll() is None and not calm.exists():
            time.sleep(0.001)
        self._end_seconds = time.monotonic() - begin
        run.wait()

    def run(self, kills: int, seed: int) -> Report:
        """The whole series."""
        dice = random.Random(seed)  # noqa: S311 - not for secrets
        calm = self.folder / "calm.mp4"
        self.peaceful(calm)
        count: Counter[str] = Counter()
        faults: list[str] = []
        before: dict[str, tuple[str, int]] = {}
        ends, largest, one_job = max(1, kills // 8), 0, True
        for number in range(kills):
            last = number >= kills - ends
            wanted = "end" if last else dice.choices(PHASES[:2], (1, 2))[0]
            count[self.kill_once(dice, wanted)] += 1
            if self.output.exists():  # killed behind the rename: then it is the whole file
                one_job = False
                if self.output.read_bytes() != calm.read_bytes():
                    faults.append(f"after kill {number} another file has the final name")
                self.output.unlink()
                before = {}
            after = self.finished_parts()
            faults += [f"kill {number} cost {p}" for p in before if after.get(p) != before[p]]
            before = after
            largest = max([largest, *(frames for _, frames in after.values())])
            done = sum(frames for _, frames in after.values())
            print(f"kill {number + 1} ({wanted}): {done} frames are finished", flush=True)
        final = self.start(self.output)
        if (code := final.wait()) != 0:
            faults.append(f"the last run ends with {code}")
        same = self.output.exists() and self.output.read_bytes() == calm.read_bytes()
        if self.work.exists():
            faults.append("the work folder is left")
        return Report(count, tuple(faults), same, one_job, largest)
