from array import array
from collections.abc import Sequence
from fractions import Fraction

import pytest

from vinr_cli.plan.job import RateKind, RateRequest
from vinr_cli.plan.repeats import Cadence, EvenTimeline, find_cadence
from vinr_cli.plan.timeline import OutputFrame, Timeline

NOISE, MOTION, CUT = 1.5, 30.0, 80.0
HALF = Fraction(1, 2)


def changes_of(holds: Sequence[int], new: float = MOTION, repeat: float = NOISE) -> list[float]:
    """Changes of frames of which each picture is shown as often as said."""
    return [new if k == 0 else repeat for n in holds for k in range(n)]


def cadence_of(
    holds: Sequence[int], rate: int = 24, cuts: Sequence[int] = (), **options: float
) -> Cadence:
    changes = changes_of(holds, **options)
    for cut in cuts:
        changes[cut] = CUT
    flags = [i in cuts for i in range(len(changes))]
    pts = array("q", range(len(changes)))
    return find_cadence(changes, flags, pts, Fraction(1, rate), rate=Fraction(rate))


def positions(
    cadence: Cadence, rate: int, request: RateRequest
) -> tuple[list[OutputFrame], list[Fraction]]:
    """Outputs, and at which new picture each is, if the n-th new one is worth n."""
    timeline = EvenTimeline(request, Fraction(1, rate), source_rate=Fraction(rate), cadence=cadence)
    new = [i for i, flag in enumerate(cadence.new) if flag]
    frames = [f for i in new for f in timeline.push(i)]
    frames += timeline.finish(1)
    number = {index: n for n, index in enumerate(new)}
    return frames, [number[f.pair] + f.t for f in frames]


@pytest.mark.parametrize(
    ("holds", "rate", "step"),
    [
        ([2] * 12, 24, Fraction(1, 4)),
        ([3] * 12, 24, Fraction(1, 6)),
        ([4] * 12, 30, Fraction(1, 8)),
        ([1, 1, 1, 2] * 6, 30, Fraction(2, 5)),
        ([1, 1, 2, 1] * 6, 30, Fraction(2, 5)),
        ([3, 2] * 12, 60, Fraction(1, 5)),
        ([2, 3] * 12, 60, Fraction(1, 5)),
        ([1] * 23 + [2] + [1] * 23 + [2] + [1] * 23 + [2], 25, Fraction(12, 25)),
        ([2, 1] * 12, 30, Fraction(1, 3)),
    ],
    ids=["twos", "threes", "fours", "24 in 30", "24 in 30, other phase", "24 in 60", "2:3",
         "24 in 25", "20 in 30"],
)  # fmt: skip
def test_patterns_come_out_even(holds: list[int], rate: int, step: Fraction) -> None:
    """Twice as many frames of a repeating source move on by the same exact step each."""
    cadence = cadence_of(holds, rate)
    assert cadence.repeats == sum(holds) - len(holds)

    _, moved = positions(cadence, rate, RateRequest(RateKind.MULTIPLY, Fraction(2)))

    inside = [m for m in moved if m < len(holds) - 1]
    assert inside == [n * step for n in range(len(inside))]
    assert set(moved[len(inside) :]) == {len(holds) - 1}


def test_film_can_be_taken_out_of_a_video_rate() -> None:
    """24 in 30 with --fps 24 gives each of the 24 pictures as it is, and once."""
    frames, moved = positions(
        cadence_of([1, 1, 1, 2] * 6, 30), 30, RateRequest(RateKind.TARGET, Fraction(24))
    )
    assert moved == list(range(24))
    assert {f.t for f in frames} == {0}


@pytest.mark.parametrize(
    "request_",
    [
        RateRequest(RateKind.MULTIPLY, Fraction(5, 2)),
        RateRequest(RateKind.TARGET, Fraction(60000, 1001)),
        RateRequest(RateKind.SLOW_MOTION, Fraction(4)),
    ],
    ids=lambda r: r.kind.value,
)
@pytest.mark.parametrize("variable", [False, True])
def test_counts_times_and_duration_are_those_without(request_: RateRequest, variable: bool) -> None:
    """Only what is shown differs: number, times, duration and holds are those of all frames."""
    holds = [2, 2, 1, 3, 1, 1, 1, 2, 1, 1, 1, 2, 9, 1, 2]
    changes = changes_of(holds)
    steps = [1001 * (1 + (i % 3 if variable else 0)) for i in range(len(changes))]
    pts = array("q", [sum(steps[:i]) for i in range(len(steps))])
    tick, rate = Fraction(1, 24000), None if variable else Fraction(24000, 1001)
    cadence = find_cadence(changes, [False] * len(changes), pts, tick, rate=rate)
    assert cadence.repeats
    even = EvenTimeline(request_, tick, source_rate=rate, cadence=cadence)
    plain = Timeline(request_, tick, source_rate=rate)

    new = [p for p, flag in zip(pts, cadence.new, strict=True) if flag]
    frames = [f for p in new for f in even.push(p)] + even.finish(1001)
    usual = [f for p in pts for f in plain.push(p)] + plain.finish(1001)

    assert [(f.index, f.pts) for f in frames] == [(f.index, f.pts) for f in usual]
    assert (even.duration, even.last_hold, even.longest) == (
        plain.duration, plain.last_hold, plain.longest,
    )  # fmt: skip
    assert (even.sources, even.outputs) == (plain.sources, plain.outputs)
    assert all(0 <= f.t < 1 for f in frames)
    assert all(cadence.new[f.pair] for f in frames)


def test_a_variable_rate_is_even_in_time() -> None:
    """Across a repeat of a variable rate, the place between two frames follows the time."""
    changes = changes_of([1, 1, 2, 1, 1, 1])
    pts = array("q", [0, 10, 20, 50, 60, 70, 80])  # the repeat, at 50, is shown for 10
    cadence = find_cadence(changes, [False] * 7, pts, Fraction(1, 300), rate=None)
    assert cadence.new == bytes([1, 1, 1, 0, 1, 1, 1])
    timeline = EvenTimeline(
        RateRequest(RateKind.MULTIPLY, Fraction(1)), Fraction(1, 300), source_rate=None,
        cadence=cadence,
    )  # fmt: skip
    frames = [f for p in pts if p != 50 for f in timeline.push(p)]
    assert [(f.pair, f.t) for f in frames][2:4] == [(2, Fraction(0)), (2, Fraction(3, 4))]


def test_a_still_is_not_drawn_out() -> None:
    """A picture that stays for more than a fifth of a second stays as long in the result."""
    cadence = cadence_of([1, 1, 1, 1, 6, 1, 1, 1, 1])
    assert cadence.repeats == 0
    assert cadence_of([1, 1, 1, 1, 4, 1, 1, 1, 1]).repeats == 3


def test_slow_motion_is_no_repeat() -> None:
    """Frames that change little beside frames that change as little are all new."""
    assert cadence_of([1] * 24, new=2.0).repeats == 0
    assert cadence_of([2] * 12, new=3.0, repeat=2.5).repeats == 0


def test_one_pop_of_the_codec_makes_no_repeats() -> None:
    """A key frame that renews the noise of a slow shot makes no repeats of its neighbours."""
    changes = [2.0] * 24
    changes[12] = 12.0
    pts = array("q", range(24))
    cadence = find_cadence(changes, [False] * 24, pts, Fraction(1, 24), rate=Fraction(24))
    assert cadence.repeats == 0


def test_noise_is_told_by_what_surrounds_it() -> None:
    """Repeats with the noise of a bad encoder are found if motion is far above it."""
    assert cadence_of([2] * 12, new=40.0, repeat=3.9).repeats == 12
    assert cadence_of([2] * 12, new=40.0, repeat=4.1).repeats == 0


def test_a_cut_is_never_a_repeat_and_nothing_moves_across() -> None:
    """Scenes are looked at one by one: a cut is shown at its own time, and its pattern starts."""
    holds = [1, 1, 1, 2] * 3 + [1, 1] + [2, 1, 1, 1] * 3
    cut = 17
    cadence = cadence_of(holds, 30, cuts=[cut])
    assert cadence.new[cut]
    assert cut not in cadence.shifts
    frames, _ = positions(cadence, 30, RateRequest(RateKind.MULTIPLY, Fraction(1)))
    assert frames[cut].pair == cut
    assert frames[cut].t == 0
    # Up to the cut the times of the first scene's pattern hold on.
    assert max(f.pair for f in frames[:cut]) < cut


def test_shifts_stay_below_a_frame_and_keep_the_order() -> None:
    """Whatever the holds, no picture moves by a frame or past another."""
    for holds in ([1, 1, 1, 2] * 5 + [1, 2, 2, 1], [3, 2] * 4 + [1, 1, 1] * 3, [1, 2, 2] * 4 + [5]):
        cadence = cadence_of(holds, 60)
        assert all(0 < abs(s) < 1 for s in cadence.shifts.values())
        new = [i for i, flag in enumerate(cadence.new) if flag]
        even = [i + cadence.shifts.get(i, 0) for i in new]
        assert even == sorted(set(even))


def test_what_is_found_is_said() -> None:
    """People are told how many frames repeat, and the pattern."""
    assert str(cadence_of([3, 2] * 12, 60)) == ("36 of 60 frames repeat the one before (as 2 in 5)")
    assert str(cadence_of([1] * 5)) == "0 of 5 frames repeat the one before"


def test_the_digest_tells_decisions_apart() -> None:
    """Two sources with other repeats, or other times, have other digests."""
    found = {cadence_of(h, 30).digest for h in ([2] * 10, [1, 1, 1, 2] * 4, [1] * 20, [2, 1] * 7)}
    assert len(found) == 4


def test_only_new_frames_are_taken() -> None:
    """Pushing a repeat is refused."""
    timeline = EvenTimeline(
        RateRequest(), Fraction(1, 24), source_rate=Fraction(24), cadence=cadence_of([2] * 4)
    )
    timeline.push(0)
    with pytest.raises(ValueError, match="next new frame"):
        timeline.push(1)
