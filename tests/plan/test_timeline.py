import itertools
import math
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import pytest

from vinr_cli.plan.job import RateKind, RateRequest
from vinr_cli.plan.timeline import (
    MAX_TICKS_PER_SECOND,
    OutputFrame,
    Timeline,
    constant_rate,
    count_frames,
    last_interval,
    output_time_base,
    slow_factor,
)

NTSC_FILM = Fraction(24000, 1001)
MILLISECOND = Fraction(1, 1000)


def multiply(value: Fraction | int | str) -> RateRequest:
    return RateRequest(RateKind.MULTIPLY, Fraction(value))


def target(value: Fraction | int | str) -> RateRequest:
    return RateRequest(RateKind.TARGET, Fraction(value))


def slow(value: Fraction | int | str) -> RateRequest:
    return RateRequest(RateKind.SLOW_MOTION, Fraction(value))


def run(
    request: RateRequest,
    pts: Sequence[int],
    time_base: Fraction,
    source_rate: Fraction | None = None,
    last: int | None = None,
) -> tuple[Timeline, list[OutputFrame]]:
    timeline = Timeline(request, time_base, source_rate=source_rate)
    frames = [f for p in pts for f in timeline.push(p)]
    return timeline, frames + timeline.finish(last)


def pair_and_t(frame: OutputFrame) -> tuple[object, object]:
    return frame.pair, frame.t


def random_sources(count: int, seed: int) -> Iterator[tuple[random.Random, list[int], int]]:
    """(generator, irregular increasing PTS, last duration) for property tests."""
    rng = random.Random(seed)  # noqa: S311 - test data
    for _ in range(count):
        pts = [rng.randint(-5000, 5000)]
        for _ in range(rng.choice([0, 1, 2, 5, 30])):
            pts.append(pts[-1] + rng.choice([1, 2, 1500, 3003, rng.randint(1, 90000)]))
        yield rng, pts, rng.randint(1, 9000)


def random_request(rng: random.Random) -> RateRequest:
    kind = rng.choice(list(RateKind))
    if kind is RateKind.TARGET:
        return target(rng.choice([Fraction(24), Fraction(60000, 1001), Fraction(7, 3)]))
    return RateRequest(kind, Fraction(rng.randint(1, 40), rng.randint(1, 12)))


def shown_at(frame: OutputFrame, pts: Sequence[int], time_base: Fraction) -> Fraction:
    """Source seconds from the first frame that an output of a whole pair shows."""
    first = pts[frame.pair]
    return (first - pts[0] + frame.t * (pts[frame.pair + 1] - first)) * time_base


def test_every_random_source_gives_the_frames_and_times_that_the_formulas_say() -> None:
    """For random VFR times: count, order, t in [0, 1), exact times and duration are as defined."""
    tick = Fraction(1, 90000)
    for rng, pts, last in random_sources(400, seed=1):
        request = random_request(rng)
        timeline, frames = run(request, pts, tick, last=last)
        duration = (pts[-1] + last - pts[0]) * tick

        assert len(frames) == count_frames(request, len(pts), duration) == timeline.outputs
        assert [f.index for f in frames] == list(range(len(frames)))
        assert all(0 <= f.t < 1 for f in frames)
        assert all(a.pts < b.pts for a, b in itertools.pairwise(frames))
        assert timeline.duration == duration * slow_factor(request)
        assert timeline.sources == len(pts)
        for f in frames:
            if f.pair < len(pts) - 1:
                time = shown_at(f, pts, tick) * slow_factor(request)
                assert f.pts * timeline.time_base == time
            else:
                assert f.t == 0
                assert 0 <= f.pts * timeline.time_base < timeline.duration
        end = timeline.duration / timeline.time_base
        ends = [*(Fraction(f.pts) for f in frames[1:]), end]
        shown = [(b - f.pts) * timeline.time_base for f, b in zip(frames, ends, strict=True)]
        assert timeline.last_hold == shown[-1]
        assert timeline.longest == (1 / timeline.rate if timeline.rate else max(shown))


def test_multiplying_gives_exactly_ceil_n_m_frames() -> None:
    """N frames x m are ceil(n m) frames, for whole, broken and small m, at any length."""
    for n, m in itertools.product(
        (1, 2, 3, 7, 100), map(Fraction, ("1", "4", "5/2", "7/3", "1/2", "1/7", "2997/1000"))
    ):
        _, frames = run(multiply(m), [p * 1001 for p in range(n)], Fraction(1, 24000), NTSC_FILM)
        assert len(frames) == math.ceil(n * m), (n, m)


def test_ntsc_film_times_two_and_a_half_stays_a_constant_ntsc_rate() -> None:
    """24000/1001 x 2.5 is 60000/1001, with whole ticks and no rounding."""
    timeline, frames = run(
        multiply("5/2"), [1001 * i for i in range(48)], Fraction(1, 24000), NTSC_FILM, 1001
    )

    assert timeline.rate == Fraction(60000, 1001)
    assert len(frames) == 120
    assert [f.pts * timeline.time_base for f in frames] == [
        Fraction(1001 * k, 60000) for k in range(120)
    ]
    assert [f.t for f in frames[:5]] == [Fraction(x, 5) for x in (0, 2, 4, 1, 3)]
    assert timeline.duration == 48 / NTSC_FILM


def test_ntsc_film_to_sixty_keeps_the_duration() -> None:
    """23.976 to 60: frames lie at k/60 until the end of the last source frame."""
    n = 240
    timeline, frames = run(target(60), [1001 * i for i in range(n)], Fraction(1, 24000), NTSC_FILM)

    assert timeline.rate == 60
    assert len(frames) == math.ceil(n / NTSC_FILM * 60) == 601
    assert all(f.pts * timeline.time_base == Fraction(f.index, 60) for f in frames)
    assert frames[-1].pair == n - 1


def test_a_multiplier_below_one_drops_frames_evenly() -> None:
    """Halving shows source frames 0, 2, 4, each untouched, and keeps the last span."""
    timeline, frames = run(multiply("1/2"), [0, 1, 2, 3, 4], Fraction(1, 30), Fraction(30))

    assert [pair_and_t(f) for f in frames] == [(0, 0), (2, 0), (4, 0)]
    assert timeline.rate == 15


def test_variable_becomes_constant_by_interpolation() -> None:
    """A target rate puts outputs on an exact grid and takes t from the irregular times."""
    timeline, frames = run(target(10), [0, 250, 300, 1000], MILLISECOND, last=100)

    assert [f.pts * timeline.time_base for f in frames] == [Fraction(k, 10) for k in range(11)]
    assert [pair_and_t(f) for f in frames[:5]] == [
        (0, Fraction(0)),
        (0, Fraction(2, 5)),
        (0, Fraction(4, 5)),
        (2, Fraction(0)),
        (2, Fraction(1, 7)),
    ]
    assert pair_and_t(frames[-1]) == (3, 0)


def test_variable_stays_variable_under_a_multiplier() -> None:
    """Without a constant source rate there is no output rate, and every span is divided."""
    timeline, frames = run(multiply(2), [0, 40, 140, 150], MILLISECOND, last=30)

    assert timeline.rate is None
    seconds = [f.pts * timeline.time_base * 1000 for f in frames]
    assert seconds == [0, 20, 40, 90, 140, 145, 150, 165]


def test_slow_motion_has_the_frames_of_the_multiplier_and_stretched_times() -> None:
    """--slowmo s equals --fps-mult s frame by frame, with all times multiplied by s."""
    pts = [0, 100, 130, 400]
    fast, quick = run(multiply("5/2"), pts, MILLISECOND, last=50)
    slowed, frames = run(slow("5/2"), pts, MILLISECOND, last=50)

    assert [pair_and_t(f) for f in frames] == [pair_and_t(f) for f in quick]
    assert [f.pts * slowed.time_base for f in frames] == [
        f.pts * fast.time_base * Fraction(5, 2) for f in quick
    ]
    assert slowed.duration == fast.duration * Fraction(5, 2)


def test_slow_motion_of_a_constant_rate_keeps_that_rate() -> None:
    """30 frames/s slowed by 4 still shows 30 frames/s."""
    timeline, frames = run(slow(4), list(range(10)), Fraction(1, 30), Fraction(30))

    assert timeline.rate == 30
    assert [f.pts * timeline.time_base for f in frames] == [Fraction(k, 30) for k in range(40)]


@pytest.mark.parametrize(
    ("last", "rate", "seconds"),
    [
        (512, None, Fraction(512, 12800)),
        (None, Fraction(30), Fraction(1, 30)),
        (None, None, Fraction(1, 25)),
        (0, None, Fraction(1, 25)),
    ],
)
def test_one_frame_becomes_m_held_frames(
    last: int | None, rate: Fraction | None, seconds: Fraction
) -> None:
    """A single frame is shown m times over its duration, or 1/rate, or 1/25 s."""
    timeline, frames = run(multiply(4), [77], Fraction(1, 12800), rate, last)

    assert [pair_and_t(f) for f in frames] == [(0, 0)] * 4
    assert timeline.duration == seconds


def test_two_frames_give_one_pair_and_one_hold() -> None:
    """Of two frames x 3, three outputs belong to the pair and three hold the last."""
    _, frames = run(multiply(3), [10, 20], MILLISECOND, last=None)

    assert [pair_and_t(f) for f in frames] == [
        (0, Fraction(0)),
        (0, Fraction(1, 3)),
        (0, Fraction(2, 3)),
        *[(1, Fraction(0))] * 3,
    ]
    assert [f.pts for f in frames] == sorted({f.pts for f in frames})


@pytest.mark.parametrize("rounding", [math.floor, round, math.ceil])
@pytest.mark.parametrize("rate", [NTSC_FILM, Fraction(30000, 1001), Fraction(60), Fraction(25, 2)])
def test_times_rounded_to_milliseconds_go_back_to_their_exact_grid(
    rate: Fraction, rounding: Callable[[Fraction], int]
) -> None:
    """Matroska's 1 ms times of a constant rate give the exact constant output rate."""
    pts = [rounding(Fraction(i * 1000) / rate) for i in range(500)]
    found = constant_rate(pts, MILLISECOND, None)
    assert found == rate

    timeline, frames = run(multiply("5/2"), pts, MILLISECOND, found, pts[1] - pts[0])
    assert timeline.rate == rate * Fraction(5, 2)
    assert all(f.pts * timeline.time_base == f.index / timeline.rate for f in frames)
    assert timeline.duration == 500 / rate


def test_an_identity_rate_shows_every_source_frame_untouched() -> None:
    """23.976 in milliseconds to --fps 24000/1001 has t = 0 everywhere."""
    pts = [int(Fraction(i * 1000) / NTSC_FILM) for i in range(100)]
    _, frames = run(target(NTSC_FILM), pts, MILLISECOND, NTSC_FILM, 41)

    assert [pair_and_t(f) for f in frames] == [(i, 0) for i in range(100)]


def test_a_frame_off_the_constant_grid_is_shown_at_its_own_time() -> None:
    """A frame lost in a constant-rate source neither shifts the later ones nor stops them."""
    pts = [0, 40, 80, 160, 205, 240]  # 120 is lost, 205 is late
    timeline, frames = run(multiply(1), pts, MILLISECOND, Fraction(25), 40)

    assert [f.pts * timeline.time_base * 1000 for f in frames] == pts


def test_an_hour_does_not_drift_and_needs_no_memory() -> None:
    """An hour of 23.976 in 1 ms ticks to 59.94: the last time is exact, memory is constant."""
    n = 24000 * 3600 // 1001
    timeline = Timeline(target(Fraction(60000, 1001)), MILLISECOND, source_rate=NTSC_FILM)
    last, sizes = None, []
    for i in range(n):
        for frame in timeline.push(i * 1001000 // 24000):
            last = frame
        if i % 1000 == 999:
            sizes.append(len(pickle.dumps(vars(timeline))))
    held = timeline.finish(42)
    last = held[-1] if held else last

    assert last is not None
    assert timeline.duration == n / NTSC_FILM
    assert last.index == count_frames(target(Fraction(60000, 1001)), n, timeline.duration) - 1
    assert last.pts * timeline.time_base == last.index * Fraction(1001, 60000)
    assert max(sizes) < 1.1 * sizes[0]


RATES = (NTSC_FILM, Fraction(30000, 1001), Fraction(60000, 1001))
TICKS = {
    "mp4": Fraction(1, 90000),
    "mov": Fraction(1, 600),
    "mkv": MILLISECOND,
    "webm": MILLISECOND,
    "ts": Fraction(1, 90000),
    "avi": None,
}
"""Seconds a tick as containers usually have them; AVI's tick is a frame."""


def long_pts(rate: Fraction, tick: Fraction, indices: Sequence[int]) -> list[int]:
    """Times of some frames of a constant rate, rounded to ticks as a muxer does."""
    return [math.floor(i / (rate * tick) + Fraction(1, 2)) for i in indices]


@pytest.mark.parametrize("hours", [1, 10])
@pytest.mark.parametrize("name", TICKS)
@pytest.mark.parametrize("rate", RATES, ids=["23.976", "29.97", "59.94"])
def test_hours_stay_on_the_exact_grid(rate: Fraction, name: str, hours: int) -> None:
    """After hours in any container's ticks, frames and those between lie exactly on the rate.

    Of all frames, a hundred at every quarter of an hour are looked at.
    """
    tick = TICKS[name] or 1 / rate
    spots = [math.floor(900 * q * rate) for q in range(4 * hours)]
    indices = [i for spot in spots for i in range(spot, spot + 100)]
    pts = long_pts(rate, tick, indices)
    timeline = Timeline(multiply(2), tick, source_rate=rate)

    frames = [f for p in pts for f in timeline.push(p)] + timeline.finish(pts[1])

    assert timeline.rate == 2 * rate
    shown = {f.pair: f.pts * timeline.time_base for f in frames if f.t == 0}
    assert all(shown[k] == i / rate for k, i in enumerate(indices[:-1]))
    steps = {(a.pts, b.pts) for a, b in itertools.pairwise(frames) if a.pair == b.pair}
    assert max(b - a for a, b in steps) >= 1
    assert timeline.duration == (indices[-1] + 1) / rate


@pytest.mark.parametrize("name", ["mov", "mkv", "ts"])
@pytest.mark.parametrize("rate", RATES, ids=["23.976", "29.97", "59.94"])
def test_the_rate_of_an_hour_is_found_in_any_ticks(rate: Fraction, name: str) -> None:
    """An hour's times, rounded to the container's ticks, are known as the exact rate."""
    tick = TICKS[name] or 1 / rate
    pts = long_pts(rate, tick, range(math.floor(3600 * rate)))
    assert constant_rate(pts, tick, None) == rate


@pytest.mark.slow
@pytest.mark.parametrize("name", TICKS)
@pytest.mark.parametrize("rate", RATES, ids=["23.976", "29.97", "59.94"])
def test_every_frame_of_an_hour_is_where_it_should_be(rate: Fraction, name: str) -> None:
    """All outputs of an hour at 60 frames/s lie at k/60, and each shows its instant exactly."""
    tick = TICKS[name] or 1 / rate
    timeline = Timeline(target(60), tick, source_rate=rate)
    count = 0
    for p in long_pts(rate, tick, range(math.floor(3600 * rate))):
        for frame in timeline.push(p):
            assert frame.index == count
            assert frame.pts * timeline.time_base == Fraction(count, 60)
            assert (frame.pair + frame.t) / rate == Fraction(count, 60)
            count += 1
    timeline.finish(None)
    assert timeline.duration == math.floor(3600 * rate) / rate
    assert timeline.outputs == count_frames(target(60), timeline.sources, timeline.duration)


@pytest.mark.parametrize("tick", [Fraction(1, 90000), MILLISECOND, Fraction(1, 600)])
def test_ten_hours_of_a_varying_rate_do_not_drift(tick: Fraction) -> None:
    """Every source frame of ten hours of gaps and bursts is shown at its own time, to a tick."""
    rng = random.Random(7)  # noqa: S311 - test data
    pts = [0]
    while pts[-1] * tick < 36000:
        pts.append(
            pts[-1]
            + max(1, round(rng.choice([Fraction(1, 60), *map(Fraction, (1, 7, 30))]) / tick))
        )
    timeline, frames = run(multiply("5/2"), pts, tick, None, 1)
    exact = {f.pair: f for f in frames if f.t == 0}
    for i, p in enumerate(pts[:-1]):
        if i in exact:
            off = abs(exact[i].pts * timeline.time_base - p * tick)
            assert off <= timeline.time_base / 2
    assert timeline.duration == (pts[-1] + 1) * tick


@pytest.mark.parametrize(
    ("request_", "tick", "rate", "ticks"),
    [
        (multiply("5/2"), Fraction(1, 24000), NTSC_FILM, 60000),
        (multiply(4), Fraction(1, 12800), Fraction(25), 12800),
        (target(60), MILLISECOND, None, 15360),
        (multiply("7/3"), Fraction(1, 90000), None, 630000),
        (slow("7/3"), Fraction(1, 90000), None, 270000),
        (multiply(4), Fraction(1, 10_000_000), None, 40_000_000),
        (multiply(40), Fraction(1, 10_000_000), None, 100_000_000),
        (target(Fraction(5994005994, 100000001)), MILLISECOND, None, 100_000_000),
        (multiply(37), Fraction(1, 90000 * 41), None, 3_690_000 * 27),
    ],
)
def test_the_output_ticks_are_exact_where_they_stay_sane(
    request_: RateRequest, tick: Fraction, rate: Fraction | None, ticks: int
) -> None:
    """Ticks divide every output time if 10^8 a second suffice, else they refine the source's."""
    assert output_time_base(request_, tick, rate) == Fraction(1, ticks)
    assert ticks <= MAX_TICKS_PER_SECOND


def test_rounding_to_the_finest_ticks_never_accumulates() -> None:
    """Where no sane time base is exact, each time is within half a tick of the exact one."""
    rate = Fraction(5994005994, 100000001)
    timeline, frames = run(target(rate), [0, 1000, 900_000], MILLISECOND, last=1000)

    assert timeline.time_base == Fraction(1, MAX_TICKS_PER_SECOND)
    errors = [abs(f.pts * timeline.time_base - f.index / rate) for f in frames]
    assert 0 < max(errors) <= timeline.time_base / 2
    assert len(frames) == math.ceil(rate * 901)


def test_times_stay_in_order_even_where_ticks_run_out() -> None:
    """Outputs closer together than the finest tick still get increasing times."""
    _, frames = run(multiply(500), [0, 1, 2], Fraction(1, 10_000_000), last=1)

    assert all(a.pts < b.pts for a, b in itertools.pairwise(frames))


def test_irregular_times_have_no_constant_rate() -> None:
    """Jitter beyond a tick, and a missing frame, make a source variable."""
    jitter = [0, 3000, 6001, 9002, 12000, 15003]
    gap = [0, 3000, 6000, 12000, 15000]
    assert constant_rate(jitter, Fraction(1, 90000), Fraction(30)) is None
    assert constant_rate(gap, Fraction(1, 90000), Fraction(30)) is None


@pytest.mark.parametrize(
    ("pts", "tick", "claimed", "expected"),
    [
        ([0, 42, 83], MILLISECOND, NTSC_FILM, NTSC_FILM),
        ([0, 42, 84], MILLISECOND, NTSC_FILM, NTSC_FILM),
        ([0, 42], MILLISECOND, None, NTSC_FILM),
        ([0, 1001, 2002], Fraction(1, 24000), Fraction(2398, 100), NTSC_FILM),
        ([5, 517], Fraction(1, 12800), Fraction(90000), Fraction(25)),
        ([0, 10, 20, 30], Fraction(1, 70), None, Fraction(7)),
        ([0, 3000, 6000], Fraction(1, 7001), None, Fraction(7001, 3000)),
        ([0, 33, 67, 100, 133], MILLISECOND, Fraction(2997, 100), Fraction(30000, 1001)),
        ([0, 42, 83], MILLISECOND, Fraction(24), Fraction(24)),
        ([7], MILLISECOND, Fraction(50), Fraction(50)),
        ([7], MILLISECOND, None, None),
        ([], MILLISECOND, Fraction(0), None),
    ],
)
def test_the_rate_of_short_clips_is_the_plausible_one(
    pts: list[int], tick: Fraction, claimed: Fraction | None, expected: Fraction | None
) -> None:
    """Standard rates win over odd ones, then the container's claim, then the measurement."""
    assert constant_rate(pts, tick, claimed) == expected


def test_the_last_interval_is_stated_or_the_median() -> None:
    """A stated positive duration counts; else the median interval; a lone frame has none."""
    assert last_interval([0, 10, 20, 90], 7) == 7
    assert last_interval([0, 10, 20, 90], None) == 10
    assert last_interval([0, 10, 20, 90], 0) == 10
    assert last_interval([0], None) is None


def test_misuse_is_refused() -> None:
    """Times that do not increase, and calls out of order, raise ValueError."""
    timeline = Timeline(multiply(1), MILLISECOND, source_rate=None)
    with pytest.raises(ValueError, match="nothing was pushed"):
        timeline.finish(None)
    with pytest.raises(ValueError, match="once the timeline is finished"):
        _ = timeline.duration
    timeline.push(5)
    with pytest.raises(ValueError, match="must increase: 5 after 5"):
        timeline.push(5)
    timeline.finish(1)
    with pytest.raises(ValueError, match="finished"):
        timeline.push(6)
    with pytest.raises(ValueError, match="finished"):
        timeline.finish(1)
    with pytest.raises(ValueError, match="positive"):
        Timeline(multiply(2), Fraction(0), source_rate=None)


def test_a_dropped_frame_is_no_rounding() -> None:
    """Where a tick is a frame, a tick too many makes a rate vary; elsewhere it may be rounding."""
    whole = Fraction(1, 25)
    assert constant_rate([0, 1, 2, 3, 4], whole, Fraction(25)) == 25
    assert constant_rate([0, 2, 3, 4, 5], whole, Fraction(25)) is None
    assert constant_rate([0, 2, 4, 6], whole, Fraction(25)) == Fraction(25, 2)
    assert constant_rate([0, 3, 7, 10, 13], Fraction(1, 100), Fraction(30)) == 30
