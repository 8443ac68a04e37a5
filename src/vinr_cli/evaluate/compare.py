"""A network against the truth and against what people use today.

Protocol (`PROTOCOL` says it in words): the truth is reduced in space by an antialiased bicubic
filter rounded to 8 bits, and in time by keeping every m-th frame; each method enlarges and
interpolates back. Input times and inner times are reported apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.evaluate.clips import enlarge, read_clip, reduce_frames
from vinr_cli.evaluate.metrics import blockiness, psnr_rgb, psnr_y, sharpness, ssim_y
from vinr_cli.evaluate.strips import StripMaker
from vinr_cli.media.degrade import Degradation, degrade_telling
from vinr_cli.media.filters import filter_frames
from vinr_cli.media.quantizers import Coarseness
from vinr_cli.media.vmaf import SMALLEST, Vmaf
from vinr_cli.model.grid import Grid
from vinr_cli.model.videoinr import Network, Prepared
from vinr_cli.weights.deblock import WEAKEST, plain_of, strength_for
from vinr_cli.weights.load import load_model

PROTOCOL = (
    "PSNR and SSIM of Y (BT.601, studio range) and PSNR of RGB, frames rounded to 8 bits, no "
    "border cropped; SSIM: Gaussian 11x11, sigma 1.5, valid region. Low resolution: antialiased "
    "bicubic, rounded to 8 bits. 'input' are the times of input frames, 'inner' those between, "
    "'all' both. VMAF: model vmaf_v0.6.1 on 8-bit 4:2:0, mean over frames."
)


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """What a method is given.

    Attributes:
        frames: (T, 3, h, w), float32 in [0, 1], the LR frames.
        coarseness: What the codec's decoder tells of its quantizers, as a file would; None for
            frames that went through no codec, as a lossless file.
    """

    frames: Tensor
    coarseness: Coarseness | None = None


Method = Callable[[Reduced, int, tuple[int, int]], Iterator[Tensor]]
"""(LR clip of T frames, m, (H, W)) to the (T - 1)·m + 1 frames (1, 3, H, W), one by one."""

Chooser = Callable[[Coarseness | None, bool], Network]
"""The network for a clip, by what its decoder tells and whether the size stays."""


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
    """

    scale: Fraction = Fraction(4)
    multiple: int = 2
    frames: int = 33
    degradation: Degradation | None = None
    by_time: bool = False
    vmaf: Path | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Means over some frames of one clip.

    Attributes:
        clip: The clip's name.
        method: The method's name.
        times: input, inner or all; or one time between two inputs, such as 3/8.
        frames: Number of frames.
        psnr_y: In dB.
        ssim_y: In [-1, 1].
        psnr_rgb: In dB.
        sharpness: Gradient energy of Y relative to the truth's.
        blockiness: `metrics.blockiness` on the LR grid, relative to the truth's.
        vmaf: From 0 to 100; None where it was not measured.
    """

    clip: str
    method: str
    times: str
    frames: int
    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    sharpness: float
    blockiness: float
    vmaf: float | None = None


def packaged_chooser(name: str, deblock: float | None = None) -> Chooser:
    """The network that `vinr upscale` would use.

    Args:
        name: As `--model` takes it.
        deblock: As `--deblock` takes it; None chooses for each clip.

    Raises:
        VinrError: as `load_model`.
    """
    load = cache(partial(load_model, name))
    load(deblock=deblock)  # what is wrong is told at once

    def choose(told: Coarseness | None, same_size: bool) -> Network:
        if deblock is not None or plain_of(name) is None:
            return load(deblock=deblock)
        if told is None:
            return load(deblock=WEAKEST)
        return load(deblock=strength_for(told.codec, told.quantizer, same_size=same_size))

    return choose


def network_method(choose: Chooser) -> Method:
    """A network, as the program runs it: features and canvases are reused."""

    @torch.inference_mode()
    def frames(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        lr = low.frames
        network = choose(low.coarseness, tuple(lr.shape[-2:]) == size)
        grid = Grid.full((lr.shape[2], lr.shape[3]), size)
        first = network.encode_frame(lr[:1])
        prepared: Prepared | None = None
        for i in range(1, len(lr)):
            second = network.encode_frame(lr[i : i + 1])
            prepared = network.prepare(network.encode_pair(first, second), grid, prepared)
            for k in range(multiple):
                yield network.render(prepared, torch.tensor([k / multiple]))
            first = second
        last = network.prepare(network.encode_pair(first, first), grid)
        yield network.render(last, torch.zeros(1))

    return frames


def blend(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """Bicubic enlargement, and between two frames their mixture."""
    large = enlarge(low.frames, size)
    for i in range(len(large) - 1):
        for k in range(multiple):
            yield torch.lerp(large[i], large[i + 1], k / multiple)[None]
    yield large[-1:]


def minterpolate(ffmpeg: Path, *, enlarge_first: bool) -> Method:
    """Motion-compensated interpolation by ffmpeg, before or after a Lanczos enlargement."""

    def frames(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        lr = low.frames
        rate = Fraction(10)
        between = f"minterpolate=fps={rate * multiple}:mi_mode=mci:mc_mode=aobmc:vsbmc=1:scd=none"
        larger = f"scale={size[1]}:{size[0]}:flags=lanczos+accurate_rnd+full_chroma_int"
        graph = ",".join([larger, between] if enlarge_first else [between, larger])
        # It gives nothing after the last frame but one, so repeat the ends and cut them off.
        source = torch.cat([lr, lr[-1:].expand(3, -1, -1, -1)])
        pixels = (source * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        made = filter_frames(pixels, graph, rate=rate, size=size, ffmpeg=ffmpeg)
        count = (len(lr) - 1) * multiple + 1
        for frame in made[:count]:
            yield torch.from_numpy(frame.copy()).permute(2, 0, 1)[None] / 255

    return frames


def methods(networks: Mapping[str, Chooser], ffmpeg: Path | None) -> dict[str, Method]:
    """Networks and every baseline by name; without ffmpeg only what needs none."""
    table = {name: network_method(choose) for name, choose in networks.items()}
    table["bicubic+blend"] = blend
    if ffmpeg is not None:
        table["lanczos>minterpolate"] = minterpolate(ffmpeg, enlarge_first=True)
        table["minterpolate>lanczos"] = minterpolate(ffmpeg, enlarge_first=False)
    return table


def score_clip(
    path: Path, table: dict[str, Method], settings: Settings, strips: Path | None = None
) -> Iterator[Score]:
    """Every method on one clip.

    Args:
        path: A video, or a folder of PNG frames.
        table: Methods by name.
        settings: Scale, frame-rate factor and length.
        strips: Folder for a picture of truth and methods side by side; None for none.

    Yields:
        Scores of each method: at input times, at inner times and at all; with `by_time` at each.

    Raises:
        InputError: the clip cannot be read or is too short.
        EncoderError: a baseline or VMAF fails.
    """
    whole = settings.scale.numerator
    truth = read_clip(path, settings.frames, whole)
    truth = truth[: (len(truth) - 1) // settings.multiple * settings.multiple + 1]
    size = (truth.shape[2], truth.shape[3])
    lr_size = (int(size[0] / settings.scale), int(size[1] / settings.scale))
    low = Reduced(reduce_frames(truth[:: settings.multiple], lr_size))
    if settings.degradation is not None:
        low = _degraded(low.frames, settings.degradation)
    maker = None
    if strips is not None:
        maker = StripMaker(strips / f"{path.stem}.png", truth, settings.multiple)
    with ExitStack() as stack:
        judge = None
        if settings.vmaf is not None and min(size) >= SMALLEST:
            judge = stack.enter_context(Vmaf(settings.vmaf, (_pixels(f / 255) for f in truth)))
        for name, method in table.items():
            frames = method(low, settings.multiple, size)
            rows, viewed = _measure_clip(frames, truth, float(settings.scale), maker, judge)
            for times, where in _moments(len(rows), settings):
                luma, ssim, rgb, sharp, blocks = rows[where].mean(0).tolist()
                seen = None if viewed is None else float(viewed[where].mean())
                count = int(where.sum())
                yield Score(path.stem, name, times, count, luma, ssim, rgb, sharp, blocks, seen)
    if maker is not None:
        maker.write()


def _measure_clip(
    frames: Iterator[Tensor],
    truth: Tensor,
    scale: float,
    maker: StripMaker | None,
    judge: Vmaf | None,
) -> tuple[Tensor, Tensor | None]:
    """Every frame's figures (T, 5), in the order of `Score`, and (T,) VMAF if there is a judge."""
    rows: list[Tensor] = []

    def passing() -> Iterator[NDArray[np.uint8]]:
        for k, (made, want) in enumerate(zip(frames, truth, strict=True)):
            rows.append(_measure(made, want[None] / 255, scale))
            if maker is not None:
                maker.take(k, made)
            yield _pixels(made[0])

    if judge is not None:
        viewed = torch.tensor(judge.scores(passing()))
        return torch.stack(rows), viewed
    for _ in passing():
        pass
    return torch.stack(rows), None


def _moments(count: int, settings: Settings) -> Iterator[tuple[str, Tensor]]:
    """Names of times and which of `count` frames they are; only those that there are."""
    place = torch.arange(count) % settings.multiple
    named = [("input", place == 0), ("inner", place != 0), ("all", place >= 0)]
    if settings.by_time:
        steps = range(1, settings.multiple)
        named += [(str(Fraction(k, settings.multiple)), place == k) for k in steps]
    yield from ((name, where) for name, where in named if bool(where.any()))


def _pixels(frame: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) in [0, 1] to (H, W, 3), uint8."""
    return (frame.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def _degraded(lr: Tensor, degradation: Degradation) -> Reduced:
    """LR frames (T, 3, h, w) in [0, 1] after a codec's round trip."""
    clip = (lr * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    coded, coarseness = degrade_telling(clip, degradation)
    return Reduced(torch.from_numpy(coded.copy()).permute(0, 3, 1, 2) / 255, coarseness)


def _measure(made: Tensor, truth: Tensor, scale: float) -> Tensor:
    """One frame's figures, in the order of `Score`; (5,)."""
    relative = sharpness(made) / sharpness(truth).clamp(min=1e-9)
    blocks = blockiness(made, scale) / blockiness(truth, scale)
    quality = [psnr_y(made, truth), ssim_y(made, truth), psnr_rgb(made, truth)]
    return torch.cat([*quality, relative, blocks])


def average(scores: Sequence[Score]) -> list[Score]:
    """Means over clips, each clip counting once; nothing for a single clip."""
    if len({s.clip for s in scores}) < 2:
        return []
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.method, score.times), []).append(score)
    return [
        Score(
            clip="average",
            method=method,
            times=times,
            frames=sum(s.frames for s in rows),
            psnr_y=fmean(s.psnr_y for s in rows),
            ssim_y=fmean(s.ssim_y for s in rows),
            psnr_rgb=fmean(s.psnr_rgb for s in rows),
            sharpness=fmean(s.sharpness for s in rows),
            blockiness=fmean(s.blockiness for s in rows),
            vmaf=_mean([s.vmaf for s in rows]),
        )
        for (method, times), rows in groups.items()
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    """Their mean; None if any is missing, since means over fewer clips do not compare."""
    known = [v for v in values if v is not None]
    return fmean(known) if len(known) == len(values) else None
