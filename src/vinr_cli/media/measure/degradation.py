"""What cameras and codecs do to a short clip: blur, noise, and a lossy codec's round trip.

Networks that only saw clean reductions sharpen blocks and ringing with the rest. Training draws
random degradations, evaluation names them: `h264:crf=28,gop=50`, `mpeg2:q=6`, `vp9:crf=40`. All
of it happens in memory and in one thread, and follows from the arguments alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.codec.context import ThreadType
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.media.read.quantizers import Coarseness, ask_for_quantizers, coarseness_of

Clip = NDArray[np.uint8]
"""(T, H, W, 3), RGB."""

RATE = Fraction(25)
"""Frames a second that encoders are told; constant quality does not depend on it."""

BLUR_REACH = 3
"""Standard deviations that a Gaussian blur reaches."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """How one lossy codec is asked for a constant quality.

    Attributes:
        encoder: Name of libavcodec's encoder.
        decoder: Name of its decoder.
        knob: What the command line calls the quality.
        best: Its best value.
        worst: Its worst value.
        usual: Its value where none is given.
    """

    encoder: str
    decoder: str
    knob: str
    best: int
    worst: int
    usual: int


CODECS = {
    "h264": _Codec("libx264", "h264", "crf", 0, 51, 23),
    "vp9": _Codec("libvpx-vp9", "vp9", "crf", 0, 63, 34),
    "mpeg2": _Codec("mpeg2video", "mpeg2video", "q", 1, 31, 5),
    "mpeg4": _Codec("mpeg4", "mpeg4", "q", 1, 31, 5),
}
"""Codecs by the names of the command line.

Not HEVC: within one process, libx265 aborts when a second clip has another size.
"""

_KR, _KB = 0.299, 0.114
"""BT.601's luma weights of red and blue."""

_LUMA = np.array([_KR, 1 - _KR - _KB, _KB])
_TO_YCC = np.stack(
    [
        _LUMA * 219 / 255,
        (np.array([0, 0, 1]) - _LUMA) / (2 - 2 * _KB) * 224 / 255,
        (np.array([1, 0, 0]) - _LUMA) / (2 - 2 * _KR) * 224 / 255,
    ]
).astype(np.float32)
_TO_RGB = np.linalg.inv(_TO_YCC)
_OFFSET = np.array([16, 128, 128], np.float32)

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")
"""x264's, fastest first."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way from a clean clip to a poor one.

    Attributes:
        codec: A key of `CODECS`.
        quality: CRF (h264, vp9) or quantiser scale (mpeg2, mpeg4).
        gop: Frames from one key frame to the next, at most.
        b_frames: Largest number of B-frames in a row; VP9 has none.
        preset: Of x264.
        blur: Standard deviation of a Gaussian blur before coding, in pixels; 0 is none.
        noise: Standard deviation of Gaussian noise before coding, in 8-bit codes; 0 is none.
        seed: Of the noise.
        then: A degradation of the result; None is the end.
    """

    codec: str = "h264"
    quality: int = 23
    gop: int = 50
    b_frames: int = 2
    preset: str = "veryfast"
    blur: float = 0.0
    noise: float = 0.0
    seed: int = 0
    then: Degradation | None = field(default=None)

    def __str__(self) -> str:
        """As `parse` reads it."""
        parts = [f"{CODECS[self.codec].knob}={self.quality}", f"gop={self.gop}"]
        parts += [f"b={self.b_frames}"] if self.codec != "vp9" else []
        parts += [f"preset={self.preset}"] if self.codec == "h264" else []
        parts += [f"blur={self.blur:g}"] if self.blur else []
        parts += [f"noise={self.noise:g}"] if self.noise else []
        parts += [f"seed={self.seed}"] if self.noise and self.seed else []
        text = f"{self.codec}:{','.join(parts)}"
        return text if self.then is None else f"{text}+{self.then}"


def parse(text: str) -> Degradation:
    """A degradation from the command line.

    Args:
        text: `codec[:name=value,…]`, joined by `+` where one follows another; names are crf (or q
            for mpeg2 and mpeg4), gop, b, preset, blur, noise, seed.

    Raises:
        UsageError: an unknown codec or name, or a value out of range.
    """
    first, _, rest = text.partition("+")
    codec, _, options = first.strip().partition(":")
    if codec not in CODECS:
        raise UsageError(f"--degrade {text}", "is no codec", f"Known: {', '.join(CODECS)}.")
    made = Degradation(codec, CODECS[codec].usual)
    for option in filter(None, options.split(",")):
        made = replace(made, **_option(text, CODECS[codec], option))
    return replace(made, then=parse(rest)) if rest else made


def _option(text: str, codec: _Codec, option: str) -> dict[str, Any]:
    """One `name=value` as a field of `Degradation`."""
    name, _, value = option.strip().partition("=")
    whole: dict[str, tuple[str, int, int]] = {
        codec.knob: ("quality", codec.best, codec.worst),
        "gop": ("gop", 1, 10_000),
        "b": ("b_frames", 0, 8),
        "seed": ("seed", 0, 2**31 - 1),
    }
    real = {"blur": 10.0, "noise": 100.0}
    try:
        if name in whole:
            field_name, low, high = whole[name]
            if low <= int(value) <= high:
                return {field_name: int(value)}
            raise UsageError(f"--degrade {text}", f"{name} is from {low} to {high}", "Change it.")
        if name in real and 0 <= float(value) <= real[name]:
            return {name: float(value)}
        if name == "preset" and value in PRESETS:
            return {name: value}
    except ValueError:
        pass
    known = ", ".join([*whole, *real, "preset"])
    raise UsageError(
        f"--degrade {text}", f"cannot read {option!r}", f"Write h264:crf=28,gop=50 ({known})."
    )


def random_degradation(rng: np.random.Generator, *, twice: float = 0.2) -> Degradation:
    """What a file from somewhere may have gone through.

    Mostly H.264 of good to poor quality, sometimes older codecs or VP9, now and then blurred or
    noisy before, sometimes coded twice.

    Args:
        rng: Source of all randomness.
        twice: Probability that another one follows.
    """
    codec = str(rng.choice(["h264", "mpeg2", "mpeg4", "vp9"], p=[0.55, 0.15, 0.15, 0.15]))
    quality = {
        "h264": int(np.clip(rng.normal(26, 5), 16, 40)),
        "mpeg2": int(rng.integers(2, 11)),
        "mpeg4": int(rng.integers(2, 11)),
        "vp9": int(rng.integers(20, 48)),
    }[codec]
    return Degradation(
        codec=codec,
        quality=quality,
        gop=int(rng.choice([1, 12, 50, 250])),
        b_frames=int(rng.integers(0, 3)),
        preset=str(rng.choice(["ultrafast", "veryfast", "fast"])),
        blur=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.25 else 0.0,
        noise=float(rng.uniform(0.5, 4)) if rng.random() < 0.25 else 0.0,
        seed=int(rng.integers(1 << 30)),
        then=random_degradation(rng, twice=0.0) if rng.random() < twice else None,
    )


def degrade(frames: Clip, degradation: Degradation) -> Clip:
    """The clip after blur, noise and a codec's round trip, in 4:2:0 with BT.601's matrix.

    Args:
        frames: (T, H, W, 3), RGB, any H and W.
        degradation: What happens to it.

    Returns:
        The same shape.

    Raises:
        EncoderError: the codec is missing, refuses the frames, or lost some.
    """
    return degrade_telling(frames, degradation)[0]


def degrade_telling(frames: Clip, degradation: Degradation) -> tuple[Clip, Coarseness | None]:
    """The clip as of `degrade`, and what the last codec's decoder tells of its quantizers.

    Raises:
        EncoderError: as of `degrade`.
    """
    out = _noisy(_blurred(frames, degradation.blur), degradation.noise, degradation.seed)
    try:
        out, coarseness = _coded(out, degradation)
    except (FFmpegError, ValueError) as error:  # ValueError: this build lacks the codec
        raise EncoderError(degradation.codec, f"cannot code the clip ({error})") from error
    if degradation.then is not None:
        return degrade_telling(out, degradation.then)
    return out, coarseness


def _blurred(frames: Clip, sigma: float) -> Clip:
    """Each frame after a separable Gaussian filter, rounded."""
    if not sigma:
        return frames
    reach = max(1, round(BLUR_REACH * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    x = frames.astype(np.float32)
    for axis in (1, 2):
        margin = [(reach, reach) if i == axis else (0, 0) for i in range(4)]
        padded, length = np.pad(x, margin, "edge"), x.shape[axis]
        x = np.zeros_like(x)
        for i, tap in enumerate(taps):
            x += tap * np.take(padded, range(i, i + length), axis)
    return (x + 0.5).clip(0, 255).astype(np.uint8)


def _noisy(frames: Clip, sigma: float, seed: int) -> Clip:
    """Each sample with Gaussian noise of its own, rounded."""
    if not sigma:
        return frames
    noise = np.random.default_rng(seed).normal(0, sigma, frames.shape)
    return (frames + noise + 0.5).clip(0, 255).astype(np.uint8)


def _encoder(d: Degradation, height: int, width: int) -> VideoCodecContext:
    """An encoder of constant quality in one thread."""
    context = cast(VideoCodecContext, av.CodecContext.create(CODECS[d.codec].encoder, "w"))
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = 1 / RATE, RATE
    context.gop_size, context.thread_count = d.gop, 1
    quality = {"crf": str(d.quality)}
    if d.codec == "h264":
        context.options = quality | {"preset": d.preset, "bf": str(d.b_frames), "threads": "1"}
    elif d.codec == "vp9":
        speed = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        context.options = quality | speed | {"b:v": "0"}
    else:  # a constant quantiser, and a bit rate that never gets in its way
        context.max_b_frames = d.b_frames
        context.qmin = context.qmax = d.quality
        context.bit_rate, context.bit_rate_tolerance = 200_000_000, 400_000_000
    return context


def _to_planes(frames: Clip) -> Clip:
    """RGB to 4:2:0 of BT.601's studio range: (T, 3·H/2, W), planes as PyAV lays them out.

    Chroma is the mean of each 2x2 pixels. H and W are even.
    """
    count, height, width = frames.shape[:3]
    ycc = frames.astype(np.float32) @ _TO_YCC.T + _OFFSET
    luma, chroma = ycc[..., 0], ycc[..., 1:].reshape(count, height // 2, 2, width // 2, 2, 2)
    parts = [luma, *np.moveaxis(chroma.mean((2, 4)), -1, 0)]
    out = np.concatenate([part.reshape(count, -1) for part in parts], 1)
    return (out + 0.5).clip(0, 255).astype(np.uint8).reshape(count, height * 3 // 2, width)


def _to_rgb(planes: Clip) -> Clip:
    """The inverse; chroma is brought up by linear interpolation between the 2x2 centres."""
    count, rows, width = planes.shape
    height = rows * 2 // 3
    flat = planes.reshape(count, -1).astype(np.float32)
    sizes = np.cumsum([height * width, height * width // 4])
    parts = np.split(flat, sizes, 1)
    chroma = [p.reshape(count, height // 2, width // 2) for p in parts[1:]]
    full = [parts[0].reshape(count, height, width), *(_doubled(_doubled(c, 1), 2) for c in chroma)]
    rgb = (np.stack(full, -1) - _OFFSET) @ _TO_RGB.T
    return (rgb + 0.5).clip(0, 255).astype(np.uint8)


def _doubled(x: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Twice as many samples along an axis, at a quarter of a step before and after each."""
    margin = [(1, 1) if i == axis else (0, 0) for i in range(x.ndim)]
    padded, length = np.pad(x, margin, "edge"), x.shape[axis]
    before, after = (np.take(padded, range(i, i + length), axis) for i in (0, 2))
    pairs = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
    shape = [2 * n if i == axis else n for i, n in enumerate(x.shape)]
    return pairs.reshape(shape).astype(np.float32)


def _pictures(frames: Clip) -> Iterator[av.VideoFrame]:
    """Frames as an encoder takes them, with even sizes."""
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), "edge")
    for i, planes in enumerate(_to_planes(frames)):
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = i, 1 / RATE
        yield frame


def _coded(frames: Clip, d: Degradation) -> tuple[Clip, Coarseness | None]:
    """The round trip through the codec alone."""
    count, height, width = frames.shape[:3]
    encoder = _encoder(d, height + height % 2, width + width % 2)
    decoder = cast(VideoCodecContext, av.CodecContext.create(CODECS[d.codec].decoder, "r"))
    decoder.thread_count, decoder.thread_type = 1, ThreadType.NONE
    ask_for_quantizers(decoder)
    decoded: list[av.VideoFrame] = []
    for picture in (*_pictures(frames), None):
        for packet in encoder.encode(picture):
            decoded += decoder.decode(packet)
    decoded += decoder.decode(None)
    if len(decoded) != count:
        raise EncoderError(d.codec, f"gave {len(decoded)} frames back for {count}")
    planes = np.stack([frame.to_ndarray() for frame in decoded])
    rgb = _to_rgb(planes.astype(np.uint8, copy=False))[:, :height, :width]
    return rgb, coarseness_of(CODECS[d.codec].decoder, decoded)
