"""Exact numbers from what people write: `2.5`, `5/2`, `59.94`, `1:02:03.5`, `1920x1080`, `6G`.

Nothing here passes through a float, so 23.976 can be the 24000/1001 that it stands for.
"""

import re
from fractions import Fraction

from vinr_cli.errors import UsageError

NTSC_RATES: dict[Fraction, Fraction] = {
    Fraction("23.976"): Fraction(24000, 1001),
    Fraction("23.98"): Fraction(24000, 1001),
    Fraction("29.97"): Fraction(30000, 1001),
    Fraction("47.95"): Fraction(48000, 1001),
    Fraction("47.952"): Fraction(48000, 1001),
    Fraction("59.94"): Fraction(60000, 1001),
    Fraction("119.88"): Fraction(120000, 1001),
    Fraction("239.76"): Fraction(240000, 1001),
}
"""Decimals that stand for a rate over 1.001, as in SMPTE ST 12-1; every other one means itself."""

_MAX_CHARACTERS = 32  # no real number is longer, and huge exponents never get to be computed
_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_RATE_NAME = re.compile(r"(\d+(?:\.\d+)?)\s*(?:p|i|fps|hz|frames?/?s?)", re.ASCII | re.IGNORECASE)
_SIZE = re.compile(r"(\d+)\s*[xX\N{MULTIPLICATION SIGN}]\s*(\d+)", re.ASCII)
_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_BYTES = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_number(text: str, option: str) -> Fraction:
    """A number greater than zero: `3`, `2.5` or `5/2`.

    Raises:
        UsageError: anything else.
    """
    match = _match(_NUMBER, text)
    if match is None or int(match[2] or 1) == 0:
        fix = _meant(text, option) or "Write 2, 2.5 or 5/2."
        raise UsageError(f"{option} {text}", "is no number", fix)
    value = Fraction(match[1]) / int(match[2] or 1)
    if value == 0:
        raise UsageError(f"{option} {text}", "must be greater than 0")
    return value


def parse_factor(text: str, option: str) -> Fraction:
    """A number greater than zero that multiplies: `3`, `2.5`, `5/2`, `2x` or `x2`.

    Raises:
        UsageError: anything else.
    """
    bare = text.strip().lower()
    bare = bare.removeprefix("x") if bare.startswith("x") else bare.removesuffix("x")
    return parse_number(bare if _match(_NUMBER, bare) else text, option)


def parse_rate(text: str, option: str) -> Fraction:
    """Frames per second: `60`, `60000/1001`, or a decimal of `NTSC_RATES`, such as `59.94`.

    Raises:
        UsageError: no number, or zero.
    """
    rate = _match(_RATE_NAME, text)
    if rate is not None:
        raise UsageError(f"{option} {text}", "is no number", f"Did you mean {rate[1]}?")
    value = parse_number(text, option)
    return NTSC_RATES.get(value, value)


def _meant(text: str, option: str) -> str:
    """What a text that is no number may have meant, as a question; empty if nothing comes near."""
    bare = text.strip().lower()
    dotted = re.fullmatch(r"(\d+),(\d+)", bare, re.ASCII)
    if dotted:
        return f"Did you mean {dotted[1]}.{dotted[2]}?"
    if _match(_SIZE, bare) or re.fullmatch(r"\d+p|[248]k|u?hd", bare, re.ASCII):
        return "" if option == "--size" else f"Did you mean --size {bare}?"
    if option == "--fps" and re.fullmatch(r"[\d.]+x|x[\d.]+", bare, re.ASCII):
        return f"Did you mean --fps-mult {bare.strip('x')}?"
    return ""


def parse_whole(text: str, option: str) -> int:
    """A whole number: `512`; a minus before it is read too.

    Raises:
        UsageError: anything else.
    """
    match = _match(_WHOLE, text)
    if match is None:
        near = re.fullmatch(r"(\d+)(?:p|px|pixels?|\.0*)", text.strip(), re.ASCII)
        fix = f"Did you mean {near[1]}?" if near else ""
        raise UsageError(f"{option} {text}", "is no whole number", fix)
    return int(match[0])


def parse_decimal(text: str, option: str) -> float:
    """A decimal number that is no time, rate or size, such as a percentage: `8`, `12.5`.

    Raises:
        UsageError: anything else, infinity among it.
    """
    match = _match(_DECIMAL, text)
    if match is None:
        fix = _meant(text, option) or "Write 8 or 12.5."
        raise UsageError(f"{option} {text}", "is no number", fix)
    return float(match[0])


def parse_time(text: str, option: str) -> Fraction:
    """Seconds from `90`, `90.5`, `mm:ss.mmm` or `hh:mm:ss.mmm`.

    Raises:
        UsageError: anything else.
    """
    match = _match(_TIME, text)
    seconds = Fraction(match[3]) if match else Fraction(0)
    minutes = int(match[2] or 0) if match else 0
    if match is None or (match[2] and seconds >= 60) or (match[1] and minutes >= 60):
        fix = _meant_time(text) or "Write 83.5 or 0:01:23.5."
        raise UsageError(f"{option} {text}", "is no time", fix)
    return 3600 * int(match[1] or 0) + 60 * minutes + seconds


def _meant_time(text: str) -> str:
    """What a text such as `1m30s` or `12,5` may have meant, as a question; empty if nothing."""
    bare = "".join(text.split()).lower().replace(",", ".")
    parts = re.fullmatch(
        r"(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)(?:s|sec)?)?", bare, re.ASCII
    )
    if not bare or len(bare) > _MAX_CHARACTERS or parts is None:
        return ""
    hours, minutes, seconds = (parts[k] or "0" for k in (1, 2, 3))
    if parts[1] or parts[2]:
        return f"Did you mean {hours}:{minutes:0>2}:{seconds:0>2}?"
    return f"Did you mean {seconds}?"


def parse_size(
    text: str, option: str, fix: str = "Write WIDTHxHEIGHT, as in 1920x1080."
) -> tuple[int, int]:
    """(width, height) in pixels from `1920x1080`.

    Args:
        text: What was written.
        option: Its option, for errors.
        fix: What can be written, for errors.

    Raises:
        UsageError: anything else.
    """
    match = _match(_SIZE, text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise UsageError(f"{option} {text}", "is no size", fix)
    return int(match[1]), int(match[2])


def parse_bytes(text: str, option: str) -> int:
    """Bytes from `800M`, `6G` or `6GiB`; the units are powers of 1024.

    Raises:
        UsageError: anything else, or zero.
    """
    match = _match(_BYTES, text)
    count = int(Fraction(match[1]) * 1024 ** _POWERS[match[2].lower()]) if match else 0
    if count < 1:
        raise UsageError(f"{option} {text}", "is no amount of memory", "Write 800M or 6G.")
    return count


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The match of the whole text, without surrounding spaces."""
    stripped = text.strip()
    return pattern.fullmatch(stripped) if len(stripped) <= _MAX_CHARACTERS else None
