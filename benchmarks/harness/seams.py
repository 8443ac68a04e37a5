"""Steps of mean luma and of sharpness where parts of a video are joined."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from harness.hard_clips import grain
from vinr_cli.events import Event, PartDone
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest

SIZE = (320, 180)
"""(width, height) of the videos."""
KINDS = ("pan", "noise", "still")
_NOISE = 2.5
"""Standard deviation of a camera's noise, in code values."""
_PERIOD = 120
"""Frames in which the disc crosses the picture."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seams:
    """Steps from frame to frame of what encoding changed, in code values.

    Attributes:
        luma: (greatest at a seam, 99th percentile of all in one part) of mean luma.
        sharp: The same of the mean difference of neighbouring pixels.
        count: Number of seams.
    """

    luma: tuple[float, float]
    sharp: tuple[float, float]
    count: int

    @property
    def show(self) -> bool:
        """Whether a seam is more than the encoder does anyway."""
        return self.luma[0] > self.luma[1] or self.sharp[0] > self.sharp[1]


def write_video(path: Path, kind: str, frames: int) -> Path:
    """One of the videos, lossless, at 25 frames/s."""
    width, height = SIZE
    texture, disc = grain(1, 2 * width + 200, 2 * height + 200), grain(2, width, height)
    dice = np.random.default_rng(5)
    rows, columns = np.mgrid[:height, :width]
    with av.open(path, "w") as container:
        video = cast(Any, container.add_stream("ffv1", rate=25))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            moves = kind != "still"
            x, y = (110 + 50 * np.sin(number / 40) * moves, 90 + 30 * np.cos(number / 55) * moves)
            picture = _between(texture, x, y)
            middle = width * (0.2 + 0.6 * (number / _PERIOD % 1))
            inside = (columns - middle) ** 2 + (rows - height / 2) ** 2 < (height / 5) ** 2
            picture = np.where(inside[..., None], disc, picture)
            if kind != "pan":
                picture = picture + dice.normal(0, _NOISE, (height, width, 1))
            pixels = np.clip(picture, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


def _between(texture: NDArray[Any], x: float, y: float) -> NDArray[Any]:
    """The part of a texture from a place between its pixels on."""
    left, top = int(x), int(y)
    piece = texture[top : top + SIZE[1] + 1, left : left + SIZE[0] + 1]
    piece = piece[:, :-1] * (1 - (x - left)) + piece[:, 1:] * (x - left)
    found: NDArray[Any] = piece[:-1] * (1 - (y - top)) + piece[1:] * (y - top)
    return found


def measure(
    folder: Path, kind: str, *, frames: int, part_frames: int, multiply: int, model: str = "default"
) -> Seams:
    """Run a video through the program in one part and in many, and compare.

    Args:
        folder: Where everything is written.
        kind: Which video.
        frames: Its length.
        part_frames: Output frames of a part.
        multiply: `--fps-mult`; 1 makes every frame the source's own, so that no network is used.
        model: Its weights.
    """
    spec = JobSpec(
        write_video(folder / f"{kind}.mkv", kind, frames), folder / f"{kind}-exact.mkv",
        model=model, device="cpu", scene_threshold=None, part_frames=0,
        rate=RateRequest(RateKind.MULTIPLY, Fraction(multiply)), encode=EncodeOptions(codec="ffv1"),
    )  # fmt: skip
    run_upscale(spec)
    lossy = replace(spec, encode=EncodeOptions(codec="h264"))
    run_upscale(replace(lossy, output=folder / f"{kind}-one.mkv"))
    lengths: list[int] = []

    def hear(event: Event) -> None:
        if isinstance(event, PartDone):
            lengths.append(event.frames)

    many = replace(lossy, output=folder / f"{kind}-many.mkv", part_frames=part_frames)
    run_upscale(many, hear)
    exact, one, parts = (
        _traits(folder / f"{kind}-{name}.mkv") for name in ("exact", "one", "many")
    )
    seams = [place - 1 for place in list(accumulate(lengths))[:-1]]
    steps = [np.abs(np.diff(value - exact, axis=1)) for value in (one, parts)]
    luma, sharp = (
        (float(steps[1][k][seams].max()), float(np.percentile(steps[0][k], 99))) for k in (0, 1)
    )
    return Seams(luma, sharp, len(seams))


def _traits(path: Path) -> Values:
    """(2, frames): mean luma, and mean difference of neighbours in a line, in code values."""
    found: list[tuple[float, float]] = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray()[: SIZE[1]].astype(np.float64)
            found.append((luma.mean(), np.abs(np.diff(luma, axis=1)).mean()))
    return np.array(found).T
