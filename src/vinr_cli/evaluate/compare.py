"""A network against the truth and against what people use today.

Protocol (`PROTOCOL` says it in words): the truth is reduced in space by an antialiased bicubic
filter rounded to 8 bits, and in time by keeping every m-th frame; each method enlarges and
interpolates back. Input times and inner times are reported apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from vinr_cli.evaluate.clips import read_clip, reduce_frames
from vinr_cli.evaluate.figures import Figures, Judge
from vinr_cli.evaluate.methods import Method, Reduced
from vinr_cli.evaluate.page import Page
from vinr_cli.evaluate.scores import Score
from vinr_cli.evaluate.strips import StripMaker
from vinr_cli.media.measure import Degradation, degrade_telling

PROTOCOL = (
    "PSNR and SSIM of Y (BT.601, studio range) and PSNR of RGB, frames rounded to 8 bits, no "
    "border cropped; SSIM: Gaussian 11x11, sigma 1.5, valid region. Low resolution: antialiased "
    "bicubic, rounded to 8 bits. 'input' are the times of input frames, 'inner' those between, "
    "'all' both. VMAF: models vmaf_v0.6.1 and vmaf_v0.6.1neg (NEG) on 8-bit 4:2:0, mean over "
    "frames. GMSD: deviation of the gradients' likeness, 0 is equal. Sharpness: gradient energy of "
    "Y over the truth's; inner/input: that at inner times over that at input times. Ripple: what Y "
    "varies along the truth's lines, over its contrast across them. Flicker: root mean square "
    "change of Y's error from frame to frame along the true motion, in codes of 8 bits."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked of every method.

    Attributes:
        scale: Spatial factor.
        multiple: Frame-rate factor.
        frames: Frames of the truth to use at most.
        degradation: What the low-resolution clip goes through first; None leaves it clean.
        by_time: Whether each time between two inputs is reported too.
        vmaf: An ffmpeg with libvmaf; None leaves VMAF out.
        flicker: Whether flicker is measured, which needs the truth's motion.
    """

    scale: Fraction = Fraction(4)
    multiple: int = 2
    frames: int = 33
    degradation: Degradation | None = None
    by_time: bool = False
    vmaf: Path | None = None
    flicker: bool = False


def reduce_clip(path: Path, settings: Settings) -> tuple[Tensor, Reduced]:
    """The truth, (T, 3, H, W), uint8, and what methods are given of it.

    Args:
        path: A video, or a folder of PNG frames.
        settings: Scale, frame-rate factor, length and degradation.

    Raises:
        InputError: the clip cannot be read or is too short.
    """
    truth = read_clip(path, settings.frames, settings.scale.numerator)
    truth = truth[: (len(truth) - 1) // settings.multiple * settings.multiple + 1]
    lr_size = (int(truth.shape[2] / settings.scale), int(truth.shape[3] / settings.scale))
    lr = reduce_frames(truth[:: settings.multiple], lr_size)
    if settings.degradation is None:
        return truth, Reduced(lr, clip=path.stem)
    clip = (lr * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    coded, coarseness = degrade_telling(clip, settings.degradation)
    lr = torch.from_numpy(coded.copy()).permute(0, 3, 1, 2) / 255
    return truth, Reduced(lr, coarseness, path.stem)


def score_clip(
    path: Path,
    table: Mapping[str, Method],
    settings: Settings,
    strips: Path | None = None,
    page: Page | None = None,
) -> Iterator[Score]:
    """Every method on one clip.

    Args:
        path: A video, or a folder of PNG frames.
        table: Methods by name.
        settings: Scale, frame-rate factor and length.
        strips: Folder for a picture of truth and methods side by side; None for none.
        page: Gets the cut-outs and the scores of the clip; None for none.

    Yields:
        Scores of each method: at input times, at inner times and at all; with `by_time` at each.

    Raises:
        InputError: the clip or a result cannot be read, or is too short.
        EncoderError: a baseline or VMAF fails.
        OutputError: a strip cannot be written.
    """
    truth, low = reduce_clip(path, settings)
    size = (truth.shape[2], truth.shape[3])
    maker = StripMaker(truth, settings.multiple)
    scores: list[Score] = []
    with Judge(truth, float(settings.scale), settings.vmaf, flicker=settings.flicker) as judge:
        for name, method in table.items():
            maker.begin(name)
            figures = judge.measure(method(low, settings.multiple, size), maker.take)
            scores += _scores(path.stem, name, figures, settings)
    yield from scores
    if strips is not None:
        maker.write(strips / f"{path.stem}.png")
    if page is not None:
        page.add(path.stem, maker, scores)


def _scores(clip: str, method: str, figures: Figures, settings: Settings) -> Iterator[Score]:
    """A method's scores, one for each kind of time."""
    count = len(figures.rippled)
    inner = torch.arange(count) % settings.multiple != 0
    for times, where in _moments(count, settings):
        means = {name: float(column[where].mean()) for name, column in figures.means.items()}
        whole = times == "all"
        yield Score(
            clip=clip,
            method=method,
            times=times,
            frames=int(where.sum()),
            ripple=figures.ripple(where),
            flicker=figures.flicker() if whole else None,
            evenness=figures.evenness(inner) if whole else None,
            **means,
        )


def _moments(count: int, settings: Settings) -> Iterator[tuple[str, Tensor]]:
    """Names of times and which of `count` frames they are; only those that there are."""
    place = torch.arange(count) % settings.multiple
    named = [("input", place == 0), ("inner", place != 0), ("all", place >= 0)]
    if settings.by_time:
        steps = range(1, settings.multiple)
        named += [(str(Fraction(k, settings.multiple)), place == k) for k in steps]
    yield from ((name, where) for name, where in named if bool(where.any()))
