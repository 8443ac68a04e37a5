"""Which source pair, and which instant of it, every output frame shows; exact, and streaming.

Source frames sit at p0 < p1 < ... < p(n-1) and the last one is shown for d. Time is a
piecewise-linear map from the frame index to seconds, i + f -> p(i) + f (p(i+1) - p(i)), so one
formula serves constant and variable rates:

- MULTIPLY by m: output k lies at index k/m, k = 0 ... ceil(n m) - 1.
- TARGET rate R: output k lies at p0 + k/R, up to p(n-1) + d.
- SLOW_MOTION by s: the frames of MULTIPLY by s, every time multiplied by s.

Everything is an integer or a `Fraction`; nothing here is a float, so nothing drifts. Output times
count from the first source frame, which is output time 0.

Containers with coarse ticks store the times of a constant rate rounded (Matroska: to 1 ms). A
source that `constant_rate` recognises is put back on its exact grid, so that 24000/1001 stays
24000/1001 whatever the container.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vinr_cli.plan.job import RateKind, RateRequest

MAX_TICKS_PER_SECOND = 100_000_000
"""Finest output time base. It leaves 21 s between two frames in the 31 bits that some containers
give a frame's duration, and keeps the time base within ffmpeg's 32-bit rationals."""

MIN_TICKS_PER_SECOND = 10_000
"""Coarser output time bases are doubled up to here (as ffmpeg's MP4 muxer does), so that a frame
that leaves the grid of a constant rate is still shown within 0.1 ms of its time."""

SAME_RATE = Fraction(3, 10_000)
"""A stated rate this near (relatively) to a standard one may be a rounded way to write it; 24 and
24000/1001 lie three times as far apart."""

UNKNOWN_FRAME_SECONDS = Fraction(1, 25)
"""How long the only frame of a source lasts when neither a duration nor a rate is known."""


@dataclass(frozen=True, slots=True)
class OutputFrame:
    """One output frame.

    Attributes:
        index: Position in the output, from 0.
        pair: Index i of the earlier source frame; the pair is (i, i + 1).
        t: Instant between the two, in [0, 1); 0 is source frame `pair` itself, and so are all
            outputs of the held last frame.
        pts: Presentation time in ticks of the output time base; 0 for index 0.
    """

    index: int
    pair: int
    t: Fraction
    pts: int


class Timeline:
    """Turns source times, one after the other, into output frames.

    Memory does not depend on the length: only the latest source frame is remembered.

    Args:
        request: The rate wanted; its value is positive.
        time_base: Seconds a source tick.
        source_rate: Frames per second if the source's rate is constant, as `constant_rate` says;
            None if it varies.

    Attributes:
        time_base: Seconds an output tick, always 1/D. Output times are exact if D can be at most
            `MAX_TICKS_PER_SECOND`; else each is rounded on its own to the nearest tick, so the
            error is at most half a tick (10 ns or less) and never accumulates.
        rate: Output frames per second if constant, else None.
    """

    def __init__(
        self, request: RateRequest, time_base: Fraction, *, source_rate: Fraction | None
    ) -> None:
        if time_base <= 0 or (source_rate is not None and source_rate <= 0):
            raise ValueError(f"must be positive: {time_base}, {source_rate}")
        self._request = request
        self._source_tick = time_base
        self._source_rate = source_rate
        self.rate = output_rate(request, source_rate)
        self.time_base = output_time_base(request, time_base, source_rate)
        self._origin = 0  # PTS of the first source frame
        self._pts: int | None = None  # PTS of the latest source frame
        self._cell: int | None = None  # its place on the grid of the source rate, if it is on it
        self._time = Fraction(0)  # its time in seconds from the first frame
        self._sources = 0
        self._outputs = 0
        self._last_pts = -1
        self._longest_ticks = 0
        self._duration: Fraction | None = None

    @property
    def sources(self) -> int:
        """Source frames pushed so far."""
        return self._sources

    @property
    def outputs(self) -> int:
        """Output frames given so far."""
        return self._outputs

    @property
    def duration(self) -> Fraction:
        """Seconds that the whole output lasts, the last frame's hold included.

        Raises:
            ValueError: `finish` has not been called.
        """
        if self._duration is None:
            raise ValueError("the duration is known once the timeline is finished")
        return self._duration

    @property
    def last_hold(self) -> Fraction:
        """Seconds that the last output frame is shown; at least a tick.

        Raises:
            ValueError: `finish` has not been called.
        """
        return max(self.duration - self._last_pts * self.time_base, self.time_base)

    @property
    def longest(self) -> Fraction:
        """Seconds that the longest output frame is shown: one frame where the rate is constant.

        Raises:
            ValueError: `finish` has not been called.
        """
        if self.rate is not None:
            return 1 / self.rate
        return max(self.last_hold, self._longest_ticks * self.time_base)

    def push(self, pts: int) -> list[OutputFrame]:
        """Take the next source frame.

        Args:
            pts: Its time in source ticks, greater than the one before.

        Returns:
            The output frames of the pair that it completes; none for the first frame.

        Raises:
            ValueError: `pts` is not greater than the one before, or the timeline is finished.
        """
        if self._duration is not None:
            raise ValueError("the timeline is finished")
        if self._pts is None:
            self._origin, self._pts, self._cell, self._sources = pts, pts, 0, 1
            return []
        if pts <= self._pts:
            raise ValueError(f"source times must increase: {pts} after {self._pts}")
        cell, time = self._place(pts)
        frames = self._between(self._time, time, held=False)
        self._pts, self._cell, self._time = pts, cell, time
        self._sources += 1
        return frames

    def finish(self, last_duration: int | None) -> list[OutputFrame]:
        """End of the source.

        Args:
            last_duration: How long the last frame is shown, in source ticks. None, or no positive
                number, takes one frame of the source rate, else the mean interval.

        Returns:
            The output frames that show the last source frame; all have t = 0.

        Raises:
            ValueError: there was no frame at all, or the timeline is finished.
        """
        if self._pts is None or self._duration is not None:
            raise ValueError("nothing was pushed, or the timeline is finished")
        hold = self._hold(last_duration)
        frames = self._between(self._time, self._time + hold, held=True)
        self._duration = (self._time + hold) * slow_factor(self._request)
        return frames

    def _place(self, pts: int) -> tuple[int | None, Fraction]:
        """Grid cell (None if off the grid) and seconds from the first frame of a source time."""
        raw = (pts - self._origin) * self._source_tick
        if self._source_rate is None:
            return None, raw
        nearest = math.floor(raw * self._source_rate + Fraction(1, 2))
        following = () if self._cell is None else (self._cell + 1,)
        for cell in (*following, nearest):
            time = cell / self._source_rate
            if abs(time - raw) < self._source_tick and time > self._time:
                return cell, time
        return None, raw

    def _hold(self, last_duration: int | None) -> Fraction:
        """Seconds that the last source frame is shown."""
        frame = None if self._source_rate is None else 1 / self._source_rate
        if last_duration is not None and last_duration > 0:
            given = last_duration * self._source_tick
            on_grid = frame is not None and abs(frame - given) < self._source_tick
            return frame if frame is not None and on_grid else given
        if frame is not None:
            return frame
        return self._time / (self._sources - 1) if self._sources > 1 else UNKNOWN_FRAME_SECONDS

    def _between(self, start: Fraction, stop: Fraction, *, held: bool) -> list[OutputFrame]:
        """The outputs in [start, stop), the span of the latest source frame, in seconds."""
        pair, span = self._sources - 1, stop - start
        frames: list[OutputFrame] = []
        while True:
            if self._request.kind is RateKind.TARGET:
                time = self._outputs / self._request.value
                t = (time - start) / span
            else:
                t = self._outputs / self._request.value - pair
                time = start + t * span
            if t >= 1:
                return frames
            frames.append(self._emit(pair, Fraction(0) if held else t, time))

    def _emit(self, pair: int, t: Fraction, time: Fraction) -> OutputFrame:
        """Number the next output; `time` in seconds, before the stretch of slow motion."""
        ticks = math.floor(time * slow_factor(self._request) / self.time_base + Fraction(1, 2))
        # Two times of one tick are possible only under MAX_TICKS_PER_SECOND: 10 ns apart.
        ticks = max(ticks, self._last_pts + 1)
        if self._outputs:
            self._longest_ticks = max(self._longest_ticks, ticks - self._last_pts)
        self._last_pts = ticks
        frame = OutputFrame(index=self._outputs, pair=pair, t=t, pts=self._last_pts)
        self._outputs += 1
        return frame


def slow_factor(request: RateRequest) -> Fraction:
    """Seconds of output that a second of source becomes."""
    return request.value if request.kind is RateKind.SLOW_MOTION else Fraction(1)


def output_rate(request: RateRequest, source_rate: Fraction | None) -> Fraction | None:
    """Frames per second of the output if they are constant, else None.

    Args:
        request: The rate wanted.
        source_rate: Constant frame rate of the source, None if it varies.
    """
    if request.kind is RateKind.TARGET:
        return request.value
    if source_rate is None or request.kind is RateKind.SLOW_MOTION:
        return source_rate
    return source_rate * request.value


def count_frames(request: RateRequest, sources: int, duration: Fraction) -> int:
    """How many output frames there will be.

    Args:
        request: The rate wanted.
        sources: Number of source frames, n.
        duration: Seconds from the first source frame to the end of the last one.

    Returns:
        ceil(n m), or for a target rate ceil(duration R).
    """
    if request.kind is RateKind.TARGET:
        return math.ceil(duration * request.value)
    return math.ceil(sources * request.value)


def output_time_base(
    request: RateRequest, time_base: Fraction, source_rate: Fraction | None
) -> Fraction:
    """Seconds an output tick: 1/D, in which every output time is an integer where that can be.

    Args:
        request: The rate wanted.
        time_base: Seconds a source tick.
        source_rate: Constant frame rate of the source, None if it varies.

    Returns:
        The exact time base if its D is at most `MAX_TICKS_PER_SECOND`; else the finest multiple
        of the source's ticks below that bound (or the bound itself, if the source's are finer).
    """
    rate = output_rate(request, source_rate)
    if rate is not None:
        ticks = rate.numerator
    else:  # index fractions are multiples of 1/numerator(m)
        ticks = (time_base / request.value.numerator * slow_factor(request)).denominator
    if ticks <= MAX_TICKS_PER_SECOND:
        while ticks < MIN_TICKS_PER_SECOND:
            ticks *= 2
        return Fraction(1, ticks)
    per_source = max(1, MAX_TICKS_PER_SECOND // time_base.denominator)
    return Fraction(1, min(MAX_TICKS_PER_SECOND, time_base.denominator * per_source))


COARSE_STEP = 2
"""Ticks a frame below which times are no rounded ones."""


def constant_rate(
    pts: Sequence[int], time_base: Fraction, claimed: Fraction | None
) -> Fraction | None:
    """The frame rate of a source, if its times are those of a constant rate.

    A rate R fits if every frame i lies less than one tick away from p0 + i/R: that is how far
    rounding or truncation to ticks can move it. Where a tick is more than half a frame, as in AVI,
    a tick too many is a frame that is not there, and no rounding: there R fits exactly or not.

    Args:
        pts: Source times in ticks, increasing.
        time_base: Seconds a tick.
        claimed: The rate that the container states or the demuxer guessed.

    Returns:
        Frames per second, or None if no plausible rate fits. For fewer than two frames, `claimed`.
        In coarse ticks a short clip fits many rates (42 42 42 ms is 23.976, 24 and 23.81): the
        measured one is taken if it is a standard one, then the claimed one (or the standard one
        that it rounds), then the nearest standard one.
    """
    if len(pts) < 2:
        return claimed if claimed is not None and claimed > 0 else None
    mean = Fraction(len(pts) - 1, pts[-1] - pts[0]) / time_base
    if _is_standard(mean) and _fits(pts, time_base, mean):
        return mean
    for rate in _candidates(mean, time_base, claimed):
        if _fits(pts, time_base, rate):
            return rate
    return None


def _fits(pts: Sequence[int], time_base: Fraction, rate: Fraction | None) -> bool:
    """Whether every time is less than a tick away from the grid of a rate, or on it if coarse."""
    if rate is None or rate <= 0:
        return False
    step = 1 / (rate * time_base)  # ticks a frame
    top, bottom = step.numerator, step.denominator
    slack = bottom if step >= COARSE_STEP else 1
    return all(abs((p - pts[0]) * bottom - i * top) < slack for i, p in enumerate(pts))


def _candidates(mean: Fraction, time_base: Fraction, claimed: Fraction | None) -> list[Fraction]:
    """Rates worth trying, the most plausible first."""
    whole = max(1, math.floor(mean + Fraction(1, 2)))
    half = Fraction(math.floor(2 * mean + Fraction(1, 2)), 2)
    near = [Fraction(whole), Fraction(whole * 1000, 1001), half]
    near.sort(key=lambda rate: abs(rate - mean))
    tried = [] if claimed is None or claimed <= 0 else [claimed]
    # 29.97 and 23.98 are how some files write 30000/1001 and 24000/1001.
    meant = [r for r in near for c in tried if abs(r - c) < SAME_RATE * c]
    exact = [mean] if (1 / (mean * time_base)).denominator == 1 else []
    return [*meant, *tried, *near, *exact, mean.limit_denominator(1001), mean]


def standard_rate(claimed: Fraction) -> Fraction | None:
    """The standard rate that a header states or rounds; None if what it states is none.

    Of a stream nobody can measure the rate before it ends. A mean over some frames of a variable
    rate is hardly ever a standard one.

    Args:
        claimed: Frames per second, as the container states or the demuxer guesses.
    """
    whole = math.floor(claimed + Fraction(1, 2))
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001), Fraction(2 * whole + 1, 2)):
        if rate > 0 and abs(rate - claimed) < SAME_RATE * claimed:
            return rate
    return None


def _is_standard(rate: Fraction) -> bool:
    """Whether a rate is a whole number, or one divided by 1.001."""
    return rate.denominator == 1 or (rate * Fraction(1001, 1000)).denominator == 1


def last_interval(pts: Sequence[int], last_duration: int | None) -> int | None:
    """How long the last frame is shown, in source ticks.

    Args:
        pts: Source times in ticks, increasing.
        last_duration: The duration that the container states, None if it does not.

    Returns:
        The stated duration if it is positive, else the median interval; None for a single frame
        without a duration.
    """
    if last_duration is not None and last_duration > 0:
        return last_duration
    if len(pts) < 2:
        return None
    return sorted(b - a for a, b in itertools.pairwise(pts))[(len(pts) - 1) // 2]
