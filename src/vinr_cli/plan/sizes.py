"""From a size request to the exact output size."""

import math
from fractions import Fraction

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import SizeRequest

MIN_SCALE = Fraction(1, 4)
"""Smallest factor that the networks are asked for."""
MAX_SCALE = Fraction(16)
"""Largest factor that the networks are asked for."""
MAX_PIXELS = 2**28
"""Largest output frame, in pixels: what ffmpeg's image buffers can hold."""


def output_size(
    request: SizeRequest,
    source: tuple[int, int],
    *,
    even: tuple[bool, bool] = (False, False),
    rotation: int = 0,
) -> tuple[int, int]:
    """The output size of a request, as stored (before the player's rotation).

    A scale, or the side that follows from the other, is rounded to the nearest integer, or to the
    nearest even one where the encoder needs that; ties go up. A side that is asked for in pixels
    is never changed.

    Args:
        request: The size wanted, as shown upright.
        source: (width, height) of a decoded frame, in pixels.
        even: Whether the encoder needs an even (width, height).
        rotation: Degrees that the player turns the picture; 90 and 270 swap what the request calls
            width and height.

    Returns:
        (width, height) in pixels.

    Raises:
        UsageError: the factor lies outside of 0.25 to 16, an asked side is odd where it must be
            even, or the frame is absurdly large.
    """
    wanted = _turned(request, rotation)
    exact = _exact(wanted, source)
    asked = (wanted.width is not None, wanted.height is not None)
    _refuse_scale(exact, source)
    size = (
        _rounded(exact[0], even=even[0], asked=asked[0], name="width"),
        _rounded(exact[1], even=even[1], asked=asked[1], name="height"),
    )
    if size[0] * size[1] > MAX_PIXELS:
        raise UsageError(
            f"{size[0]}x{size[1]}", f"more than {MAX_PIXELS} pixels a frame", "Ask for less."
        )
    return size


def _turned(request: SizeRequest, rotation: int) -> SizeRequest:
    """The request in the directions of the stored picture."""
    if rotation % 180 == 0:
        return request
    return SizeRequest(scale=request.scale, width=request.height, height=request.width)


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


def _refuse_scale(exact: tuple[Fraction, Fraction], source: tuple[int, int]) -> None:
    for wanted, have in zip(exact, source, strict=True):
        scale = wanted / have
        if not MIN_SCALE <= scale <= MAX_SCALE:
            raise UsageError(
                "--scale" if exact[0] / source[0] == exact[1] / source[1] else "--size",
                f"a factor of {float(scale):g} ({have} to {float(wanted):g} pixels) is impossible",
                f"Factors go from {float(MIN_SCALE):g} to {float(MAX_SCALE):g}.",
            )


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
