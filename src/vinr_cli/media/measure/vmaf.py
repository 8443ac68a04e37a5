"""VMAF (Netflix) by ffmpeg's libvmaf filter: how people rate the picture, learned from viewers."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.borders import words_of

MODELS = {"vmaf": "vmaf_v0.6.1", "vmaf_neg": "vmaf_v0.6.1neg"}
"""Models for 1080p on a television, by the names of their scores: the one that is meant where none
is named, and the one that gives nothing for more contrast than the truth's ("no enhancement gain",
for comparing encoders and scalers)."""

SMALLEST = 32
"""Pixels a side below which libvmaf does not work (its features halve the picture four times)."""


def has_vmaf(ffmpeg: Path) -> bool:
    """Whether an ffmpeg was built with libvmaf; False too if it cannot be run."""
    command = [str(ffmpeg), "-hide_banner", "-filters"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True
        )
    except OSError:
        return False
    return any(line.split()[1:2] == ["libvmaf"] for line in done.stdout.splitlines())


class Vmaf:
    """Scores clips against one truth; a context manager that owns a scratch folder.

    Frames lie there as raw RGB, three bytes a pixel, since VMAF compares motion and so needs the
    whole clip. ffmpeg turns both into 8-bit 4:2:0 the same way.

    Args:
        ffmpeg: A binary for which `has_vmaf` holds.
        truth: Frames (H, W, 3), uint8 RGB, of at least `SMALLEST` pixels a side.

    Raises:
        ValueError: smaller frames.
    """

    def __init__(self, ffmpeg: Path, truth: Iterable[NDArray[np.uint8]]) -> None:
        self._ffmpeg = ffmpeg
        self._scratch = TemporaryDirectory(prefix="vinr-vmaf-")
        self._size = (0, 0)
        with self._file("truth.raw") as file:
            for frame in truth:
                self._size = frame.shape[:2]
                if min(self._size) < SMALLEST:
                    self._scratch.cleanup()
                    raise ValueError(f"VMAF needs {SMALLEST} pixels a side, not {self._size}")
                file.write(np.ascontiguousarray(frame).tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scratch.cleanup()

    def scores(self, made: Iterable[NDArray[np.uint8]]) -> dict[str, list[float]]:
        """One score a frame, from 0 to 100, of each of `MODELS`.

        Args:
            made: As many frames as the truth has, of its size, (H, W, 3), uint8 RGB.

        Raises:
            EncoderError: ffmpeg fails, or its log is not what it should be.
        """
        with self._file("made.raw") as file:
            for frame in made:
                file.write(np.ascontiguousarray(frame).tobytes())
        height, width = self._size
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width}x{height}"]
        models = "|".join(f"version={model}\\:name={name}" for name, model in MODELS.items())
        graph = (
            "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];"
            f"[a][b]libvmaf=model='{models}':log_fmt=json:log_path=log.json:n_threads=1"
        )
        command = [str(self._ffmpeg), "-hide_banner", "-loglevel", "error", "-nostdin"]
        command += [*raw, "-i", "made.raw", *raw, "-i", "truth.raw", "-lavfi", graph]
        # Relative names in the scratch folder: no character of its path needs an escape.
        try:
            done = subprocess.run(
                [*command, "-f", "null", "-"],
                cwd=self._scratch.name,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise EncoderError(self._ffmpeg, f"cannot be run: {words_of(error)}") from error
        try:
            log = json.loads((Path(self._scratch.name) / "log.json").read_bytes())
            rows = [frame["metrics"] for frame in log["frames"]]
            return {name: [float(row[name]) for row in rows] for name in MODELS}
        except (OSError, ValueError, KeyError) as error:
            words = done.stderr.decode(errors="replace").strip() or "it wrote no scores"
            raise EncoderError(self._ffmpeg, f"libvmaf failed ({words})") from error

    def _file(self, name: str) -> BinaryIO:
        return (Path(self._scratch.name) / name).open("wb")
