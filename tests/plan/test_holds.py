"""Frames that are claimed to be shown for very long."""

from fractions import Fraction

import pytest

from vinr_cli.errors import UsageError
from vinr_cli.plan.holds import MAX_PER_FRAME, Hold, longest_hold, require_bounded
from vinr_cli.plan.job import RateKind, RateRequest

SIXTY = RateRequest(RateKind.TARGET, Fraction(60))


def seconds(*values: int) -> list[Fraction]:
    return [Fraction(value) for value in values]


def test_the_longest_is_found() -> None:
    """The first of the longest intervals is named, the last frame's included."""
    assert longest_hold(seconds(0, 1, 5, 9), Fraction(10)) == Hold(Fraction(1), Fraction(4))
    assert longest_hold(seconds(0, 1), Fraction(9)) == Hold(Fraction(1), Fraction(8))
    assert longest_hold(seconds(3), Fraction(5)) == Hold(Fraction(3), Fraction(2))


def test_a_claim_of_hours_is_refused_for_a_constant_rate() -> None:
    """The refusal names the frame, how long it is shown, and what would be made of it."""
    hold = Hold(Fraction("59.96"), Fraction(3_600_000))
    with pytest.raises(UsageError) as caught:
        require_bounded(SIXTY, hold, 1500, 216_003_600)
    assert "the frame at 59.96 s is shown for 1000 h 0 min: 216000000 frames" in str(caught.value)
    assert "--end 59.96" in str(caught.value)
    require_bounded(RateRequest(RateKind.MULTIPLY, Fraction(2)), hold, 1500, 3000)


def test_the_bound_is_exact() -> None:
    """One frame may become `MAX_PER_FRAME`, and not one more."""
    longest = Hold(Fraction(0), Fraction(MAX_PER_FRAME, 60))
    require_bounded(SIXTY, longest, 1000, MAX_PER_FRAME)
    with pytest.raises(UsageError):
        require_bounded(
            SIXTY, Hold(Fraction(0), longest.seconds + Fraction(1, 60)), 1000, MAX_PER_FRAME
        )


def test_many_long_pauses_are_refused_together() -> None:
    """A file of few frames cannot ask for as many as it likes; a slide show may."""
    with pytest.raises(UsageError, match="1800000 frames would be made of 100"):
        require_bounded(SIXTY, Hold(Fraction(0), Fraction(300)), 100, 1_800_000)
    require_bounded(SIXTY, Hold(Fraction(0), Fraction(60)), 100, 360_000)
