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
        raise UsageError(f"{option} {text}", "is no number", "Write 2, 2.5 or 5/2.")
    value = Fraction(match[1]) / int(match[2] or 1)
    if value == 0:
        raise UsageError(f"{option} {text}", "must be greater than 0")
    return value


def parse_rate(text: str, option: str) -> Fraction:
    """Frames per second: `60`, `60000/1001`, or a decimal of `NTSC_RATES`, such as `59.94`.

    Raises:
        UsageError: no number, or zero.
    """
    value = parse_number(text, option)
    return NTSC_RATES.get(value, value)


def parse_whole(text: str, option: str) -> int:
    """A whole number: `512`; a minus before it is read too.

    Raises:
        UsageError: anything else.
    """
    match = _match(_WHOLE, text)
    if match is None:
        raise UsageError(f"{option} {text}", "is no whole number")
    return int(match[0])


def parse_decimal(text: str, option: str) -> float:
    """A decimal number that is no time, rate or size, such as a percentage: `8`, `12.5`.

    Raises:
        UsageError: anything else, infinity among it.
    """
    match = _match(_DECIMAL, text)
    if match is None:
        raise UsageError(f"{option} {text}", "is no number", "Write 8 or 12.5.")
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
        raise UsageError(f"{option} {text}", "is no time", "Write 83.5 or 0:01:23.5.")
    return 3600 * int(match[1] or 0) + 60 * minutes + seconds


def parse_size(text: str, option: str) -> tuple[int, int]:
    """(width, height) in pixels from `1920x1080`.

    Raises:
        UsageError: anything else.
    """
    match = _match(_SIZE, text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise UsageError(f"{option} {text}", "is no size", "Write WIDTHxHEIGHT, as in 1920x1080.")
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
