from fractions import Fraction

import pytest

from vinr_cli.engine.output_times import OutputTimes
from vinr_cli.plan.job import RateKind, RateRequest
from vinr_cli.plan.timeline import Timeline

TICK = Fraction(1, 90_000)


def times_of(*, keep_start: bool, last_duration: int | None = None) -> OutputTimes:
    request = RateRequest(RateKind.MULTIPLY, Fraction(2))
    timeline = Timeline(request, TICK, source_rate=Fraction(25))
    return OutputTimes(timeline, TICK, keep_start=keep_start, last_duration=last_duration)


@pytest.mark.parametrize("first", [-3601, 0, 1, 7200])
@pytest.mark.parametrize("keep_start", [False, True])
def test_what_is_lost_of_the_source_clock_is_the_shift(first: int, keep_start: bool) -> None:
    """Output time plus shift is source time, exactly; kept times are off by half a tick at most."""
    times = times_of(keep_start=keep_start)
    times.start(first)
    outputs = [*times.push(first), *times.push(first + 3600), *times.finish()]
    tick = times.timeline.time_base
    assert [o.pts * tick + times.shift - first * TICK for o in outputs] == [
        Fraction(k, 50) for k in range(4)
    ]
    if keep_start:
        assert abs(times.shift) <= tick / 2
    else:
        assert outputs[0].pts == 0


def test_the_last_frame_is_shown_as_long_as_is_known() -> None:
    """The last source frame's duration reaches the timeline."""
    times = times_of(keep_start=False, last_duration=7200)
    times.start(0)
    times.push(0)
    times.finish()
    assert times.timeline.duration == Fraction(2, 25)
