"""From single wishes to one size request and one rate request; contradictions are refused."""

from dataclasses import replace
from fractions import Fraction

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import Fit, RateKind, RateRequest, SizeRequest

DEFAULT_SCALE = Fraction(2)
"""Scale when neither a size nor a rate is asked for."""
DEFAULT_MULTIPLE = Fraction(2)
"""Frame-rate factor when neither a size nor a rate is asked for."""


def settle_request(
    *,
    scale: Fraction | None = None,
    size: SizeRequest | None = None,
    width: int | None = None,
    height: int | None = None,
    fps_mult: Fraction | None = None,
    fps: Fraction | None = None,
    slowmo: Fraction | None = None,
    fit: Fit | None = None,
) -> tuple[SizeRequest, RateRequest]:
    """Settle what is wanted in space and in time.

    Whoever asks for neither gets twice the size and twice the rate; whoever asks for one keeps
    the source's other.

    Args:
        scale: Factor for both directions.
        size: Both sides in pixels, or a factor, as `sizes.read_size` gives it.
        width: Width in pixels; the height follows.
        height: Height in pixels; the width follows.
        fps_mult: Output frames per source frame.
        fps: Output frames per second.
        slowmo: How many times as long the output lasts.
        fit: What becomes of a picture of another shape than both sides; None keeps its shape.

    Raises:
        UsageError: two wishes that exclude each other, or a fit without two sides.
    """
    _one_of({"--scale": scale, "--size": size, "--width": width})
    _one_of({"--scale": scale, "--size": size, "--height": height})
    _one_of({"--fps-mult": fps_mult, "--fps": fps, "--slowmo": slowmo})
    wishes = (scale, size, width, height, fps_mult, fps, slowmo)
    if all(wish is None for wish in wishes):
        scale, fps_mult = DEFAULT_SCALE, DEFAULT_MULTIPLE
    wanted = SizeRequest(scale, width, height) if size is None else size
    if fit is not None:
        if wanted.width is None or wanted.height is None:
            cause = "means nothing unless width and height are asked for"
            raise UsageError(f"--fit {fit}", cause, "Give --size WxH.")
        wanted = replace(wanted, fit=fit)
    return wanted, _rate(fps_mult, fps, slowmo)


def _rate(fps_mult: Fraction | None, fps: Fraction | None, slowmo: Fraction | None) -> RateRequest:
    if fps is not None:
        return RateRequest(RateKind.TARGET, fps)
    if slowmo is not None:
        return RateRequest(RateKind.SLOW_MOTION, slowmo)
    return RateRequest(RateKind.MULTIPLY, Fraction(1) if fps_mult is None else fps_mult)


def _one_of(wishes: dict[str, object]) -> None:
    given = [name for name, value in wishes.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]}", "exclude each other", "Give one of them.")
