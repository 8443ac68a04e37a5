from collections.abc import Callable
from fractions import Fraction

import pytest

from vinr_cli.errors import UsageError
from vinr_cli.plan.numbers import (
    NTSC_RATES,
    parse_bytes,
    parse_decimal,
    parse_factor,
    parse_number,
    parse_rate,
    parse_size,
    parse_time,
    parse_whole,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", Fraction(2)),
        ("2.5", Fraction(5, 2)),
        ("5/2", Fraction(5, 2)),
        ("2.", Fraction(2)),
        (".5", Fraction(1, 2)),
        ("2.5/2", Fraction(5, 4)),
        (" 3 ", Fraction(3)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_numbers_are_exact(text: str, value: Fraction) -> None:
    """A decimal or a fraction becomes exactly the number that it writes, never a float."""
    assert parse_number(text, "--scale") == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "-2", "+2", "1e3", "1e999999999", "inf", "nan", "2,5", "1/0", "0", "0.0", "0/3",
     "1_000", "1/2/3", "1/2.5", "2x", "\N{ARABIC-INDIC DIGIT TWO}", "9" * 33],
)  # fmt: skip
def test_what_is_no_positive_number_is_refused(text: str) -> None:
    """Signs, exponents, other alphabets, zero and endless digits raise UsageError."""
    with pytest.raises(UsageError, match="--scale"):
        parse_number(text, "--scale")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60", Fraction(60)),
        ("60000/1001", Fraction(60000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("59.940", Fraction(60000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("59.9", Fraction(599, 10)),
        ("23.9", Fraction(239, 10)),
    ],
)
def test_ntsc_decimals_mean_their_rates(text: str, value: Fraction) -> None:
    """59.94 is 60000/1001; a decimal that is no NTSC rate is itself."""
    assert parse_rate(text, "--fps") == value


def test_every_ntsc_rate_is_near_its_decimal() -> None:
    """No entry of the table moves a rate by more than half a unit of its last digit."""
    for decimal, rate in NTSC_RATES.items():
        assert rate.denominator == 1001
        assert abs(rate - decimal) <= Fraction(1, 200)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", Fraction(0)),
        ("83.5", Fraction(167, 2)),
        ("90", Fraction(90)),
        ("1:23.5", Fraction(167, 2)),
        ("0:01:23.5", Fraction(167, 2)),
        ("01:00:00.001", Fraction(3600001, 1000)),
        ("100:00:00", Fraction(360000)),
    ],
)
def test_times_are_exact_seconds(text: str, seconds: Fraction) -> None:
    """Seconds, mm:ss and hh:mm:ss.mmm give the same exact seconds."""
    assert parse_time(text, "--start") == seconds


@pytest.mark.parametrize("text", ["", "-1", "x", "1:60", "1:60:00", "1:2:3:4", "1:", ":30", "5s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Negative times, units, and sixty seconds in a minute raise UsageError."""
    with pytest.raises(UsageError, match="is no time"):
        parse_time(text, "--start")


def test_sizes_are_width_and_height() -> None:
    """1920x1080 is (1920, 1080), whichever times sign is used."""
    assert parse_size("1920x1080", "--size") == (1920, 1080)
    assert parse_size("1920 X 1080", "--size") == (1920, 1080)
    assert parse_size("1920\N{MULTIPLICATION SIGN}1080", "--size") == (1920, 1080)


@pytest.mark.parametrize("text", ["", "1920", "1920x", "0x5", "5x0", "1.5x2", "-1x2", "hd1080"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A missing, zero, broken or negative side raises UsageError."""
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text, "--size")


@pytest.mark.parametrize(
    ("text", "count"),
    [("1000", 1000), ("800M", 800 << 20), ("6G", 6 << 30), ("6gib", 6 << 30), ("0.5 GB", 1 << 29),
     ("2T", 2 << 40), ("3k", 3072)],
)  # fmt: skip
def test_memory_units_are_powers_of_1024(text: str, count: int) -> None:
    """K, M, G and T, with or without B or iB, are 1024 to the first to fourth power."""
    assert parse_bytes(text, "--memory") == count


@pytest.mark.parametrize("text", ["", "0", "G", "-1G", "6X", "0.0001", "1e9"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    """No number, less than one byte, or an unknown unit raises UsageError."""
    with pytest.raises(UsageError, match="no amount of memory"):
        parse_bytes(text, "--memory")


@pytest.mark.parametrize("text", ["2.5", "2.5x", "x2.5", "X2.5", " 5/2x "])
def test_factors_may_say_times(text: str) -> None:
    """A factor is a number, with or without a times sign before or behind it."""
    assert parse_factor(text, "--scale") == Fraction(5, 2)


@pytest.mark.parametrize("text", ["x", "xx2", "2xx", "x2x", "", "2y"])
def test_a_times_sign_alone_is_no_factor(text: str) -> None:
    """A second times sign, or one without a number, raises UsageError."""
    with pytest.raises(UsageError, match="is no number"):
        parse_factor(text, "--scale")


@pytest.mark.parametrize(("text", "value"), [("512", 512), (" 0 ", 0), ("-3", -3), ("+4", 4)])
def test_whole_numbers(text: str, value: int) -> None:
    """A whole number may have a sign; limits are the option's."""
    assert parse_whole(text, "--tile") == value


@pytest.mark.parametrize(("text", "value"), [("8", 8.0), ("12.5", 12.5), (".5", 0.5), ("-1", -1)])
def test_decimals(text: str, value: float) -> None:
    """A decimal number may have a sign; limits are the option's."""
    assert parse_decimal(text, "--crf") == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "1e3", "x", "1/2", "9" * 33])
def test_what_is_no_decimal_is_refused(text: str) -> None:
    """Infinity, exponents and fractions raise UsageError."""
    with pytest.raises(UsageError, match="is no number"):
        parse_decimal(text, "--crf")


@pytest.mark.parametrize(
    ("parse", "option", "text", "meant"),
    [
        (parse_number, "--scale", "3,5", "3.5"),
        (parse_factor, "--scale", "4k", "--size 4k"),
        (parse_factor, "--scale", "1080p", "--size 1080p"),
        (parse_factor, "--scale", "1920x1080", "--size 1920x1080"),
        (parse_rate, "--fps", "24p", "24"),
        (parse_rate, "--fps", "23.976fps", "23.976"),
        (parse_rate, "--fps", "60 Hz", "60"),
        (parse_rate, "--fps", "59,94", "59.94"),
        (parse_rate, "--fps", "2x", "--fps-mult 2"),
        (parse_decimal, "--crf", "18,5", "18.5"),
        (parse_whole, "--height", "1080p", "1080"),
        (parse_whole, "--width", "640px", "640"),
        (parse_time, "--start", "1m30s", "0:01:30"),
        (parse_time, "--start", "90s", "90"),
        (parse_time, "--start", "1h", "1:00:00"),
        (parse_time, "--end", "12,5", "12.5"),
    ],
)
def test_slips_bring_what_was_meant(
    parse: Callable[[str, str], object], option: str, text: str, meant: str
) -> None:
    """A decimal comma, a unit or another option's value is refused with what it resembles."""
    with pytest.raises(UsageError) as caught:
        parse(text, option)
    assert caught.value.fix == f"Did you mean {meant}?"


@pytest.mark.parametrize("text", ["quick", "", "--5", "1h2h"])
@pytest.mark.parametrize("parse", [parse_number, parse_rate, parse_time])
def test_nothing_is_made_up(parse: Callable[[str, str], object], text: str) -> None:
    """What resembles nothing is refused with what can be written."""
    with pytest.raises(UsageError, match="Write "):
        parse(text, "--fps")
