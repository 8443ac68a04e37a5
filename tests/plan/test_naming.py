from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.plan.naming import decimal, output_name


@pytest.mark.parametrize(
    ("source", "size", "rate", "expected"),
    [
        ("in.mp4", Fraction(7, 2), Fraction(120), "in-3.5x-120fps.mp4"),
        ("in.mp4", Fraction(2), Fraction(60000, 1001), "in-2x-59.94fps.mp4"),
        ("in.MKV", Fraction(10, 3), None, "in-3.333x-vfr.mkv"),
        ("a b.c.avi", (1280, 720), Fraction(24000, 1001), "a b.c-1280x720-23.976fps.mkv"),
        ("-x%.webm", Fraction(1), Fraction(25, 2), "-x%-12.5fps.webm"),
        ("noext", Fraction(1), Fraction(1, 5000), "noext-0.0002fps.mkv"),
    ],
)
def test_the_name_says_what_was_done(
    source: str, size: Fraction | tuple[int, int], rate: Fraction | None, expected: str
) -> None:
    """Scale or size, and the real rate, stand in the name; odd containers become Matroska."""
    assert output_name(Path("dir") / source, size, rate) == Path("dir") / expected


def test_slow_motion_and_the_container_can_be_named() -> None:
    """A slow-motion factor is in the name, and a given container wins."""
    name = output_name(Path("in.mp4"), Fraction(1), Fraction(30), ".mkv", slow=Fraction(4))
    assert name == Path("in-30fps-4xslow.mkv")


def test_decimals_are_short() -> None:
    """No trailing zeros, and nothing positive is written as zero."""
    assert [decimal(Fraction(x)) for x in ("120", "7/2", "1/100000")] == ["120", "3.5", "1e-05"]
