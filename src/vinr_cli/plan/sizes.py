"""From a size request to the exact output size."""

import math
import re
from dataclasses import replace
from fractions import Fraction

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import Fit, SizeRequest
from vinr_cli.plan.numbers import parse_number, parse_size

MIN_SCALE = Fraction(1, 4)
"""Smallest factor that the networks are asked for."""
MAX_SCALE = Fraction(16)
"""Largest factor that the networks are asked for."""
MAX_PIXELS = 2**28
"""Largest output frame, in pixels: what ffmpeg's image buffers can hold."""

NAMED = {
    "hd": 720, "hd720": 720, "fullhd": 1080, "fhd": 1080, "hd1080": 1080, "qhd": 1440, "wqhd": 1440,
    "4k": 2160, "uhd": 2160, "uhd2160": 2160, "4kuhd": 2160, "8k": 4320, "uhd4320": 4320,
}  # fmt: skip
"""Lines of the sizes that have names; all are 16 to 9."""
_LINES = re.compile(r"([1-9]\d{1,4})p", re.ASCII | re.IGNORECASE)
_FACTOR = re.compile(r"x([\d./]+)|([\d./]+)x", re.ASCII)


def read_size(text: str, option: str) -> SizeRequest:
    """A size as people write it: `1920x1080`, `1080p`, `4k`, `2x`, or a factor alone, `2`.

    A name such as `1080p` is a frame of 16 to 9 in which the picture fits, upright or lying.

    Raises:
        UsageError: anything else, with what may have been meant.
    """
    word = "".join(text.split()).lower()
    lines = _LINES.fullmatch(word)
    if lines or word in NAMED:
        height = int(lines[1]) if lines else NAMED[word]
        width = math.ceil(Fraction(16, 9) * height)
        return SizeRequest(width=width, height=height, either_way=True)
    slip = _meant(text.strip().lower())
    if slip:
        raise UsageError(f"{option} {text}", "is no size", f"Did you mean {slip}?")
    factor = _FACTOR.fullmatch(word)
    if factor:
        return SizeRequest(scale=parse_number(factor[1] or factor[2], option))
    if re.fullmatch(r"[\d.]+(/\d+)?", word, re.ASCII):
        return _bare(word, option)
    width, height = parse_size(text, option, "Write 1080p, 4k, 2x or 1920x1080.")
    return SizeRequest(width=width, height=height)


def _meant(text: str) -> str:
    """The size that a slip of one resembles; empty if it resembles none."""
    sides = re.fullmatch(r"(\d{2,5})\s*[*:,; ]\s*(\d{2,5})", text, re.ASCII)
    lines = re.fullmatch(r"(\d{3,4})\s*i", text, re.ASCII)
    comma = re.fullmatch(r"(\d{1,2}),(\d+)\s*x?", text, re.ASCII)
    if sides:
        return f"{sides[1]}x{sides[2]}"
    if lines:
        return f"{lines[1]}p"
    return f"{comma[1]}.{comma[2]}x" if comma else ""


def _bare(word: str, option: str) -> SizeRequest:
    """A number without a unit: a factor, unless it is too large for one."""
    value = parse_number(word, option)
    if value > MAX_SCALE:
        fix = f"Write {word}p for a height, or both sides, as in 1280x720."
        raise UsageError(f"{option} {word}", "is no factor, and lacks a unit", fix)
    return SizeRequest(scale=value)


def output_size(
    request: SizeRequest,
    source: tuple[int, int],
    *,
    even: tuple[bool, bool] = (False, False),
    rotation: int = 0,
    aspect: Fraction = Fraction(1),
) -> tuple[int, int]:
    """The output size of a request, as stored (before the player's rotation).

    A scale, or the side that follows from the other, is rounded to the nearest integer, or to the
    nearest even one where the encoder needs that; ties go up. One side that is asked for in pixels
    is never changed. Of both, the picture keeps its shape and fits inside, with square pixels,
    unless it is to be stretched.

    Args:
        request: The size wanted, as shown upright.
        source: (width, height) of a decoded frame, in pixels.
        even: Whether the encoder needs an even (width, height).
        rotation: Degrees that the player turns the picture; 90 and 270 swap what the request calls
            width and height.
        aspect: Width of the source's pixels over their height, as stored.

    Returns:
        (width, height) in pixels.

    Raises:
        UsageError: the factor lies outside of 0.25 to 16, an asked side is odd where it must be
            even, or the frame is absurdly large.
    """
    wanted = _turned(request, rotation)
    if wanted.width is not None and wanted.height is not None and wanted.fit is Fit.KEEP:
        return _inside(wanted, source, even=even, aspect=aspect)
    exact = _exact(wanted, source)
    asked = (wanted.width is not None, wanted.height is not None)
    _refuse_scale(exact, source)
    size = (
        _rounded(exact[0], even=even[0], asked=asked[0], name="width"),
        _rounded(exact[1], even=even[1], asked=asked[1], name="height"),
    )
    return _bounded(size)


def _inside(
    request: SizeRequest,
    source: tuple[int, int],
    *,
    even: tuple[bool, bool],
    aspect: Fraction,
) -> tuple[int, int]:
    """The largest size of the picture's shape, with square pixels, in a frame of two sides."""
    shown = (source[0] * aspect, Fraction(source[1]))
    frame = (request.width or 1, request.height or 1)
    if request.either_way and (shown[0] < shown[1]) != (frame[0] < frame[1]):
        frame = frame[::-1]
    factor = min(frame[0] / shown[0], frame[1] / shown[1])
    exact = (shown[0] * factor, shown[1] * factor)
    _refuse_scale(exact, source, "--size")
    sides = []
    for side, limit, pairs in zip(exact, frame, even, strict=True):
        step = 2 if pairs else 1
        rounded = max(step, step * math.floor(side / step + Fraction(1, 2)))
        sides.append(rounded if rounded <= limit else max(step, limit // step * step))
    return _bounded((sides[0], sides[1]))


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    """The same size, if a frame of it can be held."""
    if size[0] * size[1] > MAX_PIXELS:
        raise UsageError(
            f"{size[0]}x{size[1]}", f"more than {MAX_PIXELS} pixels a frame", "Ask for less."
        )
    return size


def _turned(request: SizeRequest, rotation: int) -> SizeRequest:
    """The request in the directions of the stored picture."""
    if rotation % 180 == 0:
        return request
    return replace(request, width=request.height, height=request.width)


def _exact(request: SizeRequest, source: tuple[int, int]) -> tuple[Fraction, Fraction]:
    """(width, height) before rounding."""
    if request.width is not None and request.height is not None:
        return Fraction(request.width), Fraction(request.height)
    if request.width is not None:
        return Fraction(request.width), Fraction(source[1] * request.width, source[0])
    if request.height is not None:
        return Fraction(source[0] * request.height, source[1]), Fraction(request.height)
    scale = Fraction(1) if request.scale is None else request.scale
    return source[0] * scale, source[1] * scale


def _refuse_scale(
    exact: tuple[Fraction, Fraction], source: tuple[int, int], option: str = ""
) -> None:
    for wanted, have in zip(exact, source, strict=True):
        scale = wanted / have
        if not MIN_SCALE <= scale <= MAX_SCALE:
            raise UsageError(
                option or _asks(exact, source),
                f"a factor of {float(scale):g} ({have} to {float(wanted):g} pixels) is impossible",
                f"Factors go from {float(MIN_SCALE):g} to {float(MAX_SCALE):g}.",
            )


def _asks(exact: tuple[Fraction, Fraction], source: tuple[int, int]) -> str:
    """The option that asks for a size, by what it does to the shape."""
    return "--scale" if exact[0] / source[0] == exact[1] / source[1] else "--size"


def _rounded(exact: Fraction, *, even: bool, asked: bool, name: str) -> int:
    """Nearest allowed integer, ties up, at least 1 (or 2)."""
    step = 2 if even else 1
    if asked and exact % step:
        raise UsageError(
            f"--{name}",
            f"{exact} is odd, and the encoder needs an even {name} for this pixel format",
            f"Ask for {exact + 1}, or for a 4:4:4 --pix-fmt.",
        )
    return max(step, step * math.floor(exact / step + Fraction(1, 2)))
