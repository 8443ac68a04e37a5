"""Which source frames a job uses, and the span of the source's clock that goes with them."""

import math
from bisect import bisect_left
from fractions import Fraction

from vinr_cli.errors import InputError, UsageError
from vinr_cli.jobs.plan import Window
from vinr_cli.media.read import MediaInfo, Timestamps, VideoInfo
from vinr_cli.plan.holds import Hold, longest_hold
from vinr_cli.plan.job import JobSpec
from vinr_cli.plan.timeline import (
    UNKNOWN_FRAME_SECONDS,
    constant_rate,
    last_interval,
    standard_rate,
)

LONG_HOLD = Fraction(3, 2)
"""A last frame that lasts longer than this many frames makes a constant rate a variable one."""

WARM_UP = Fraction(1)
"""Seconds, more than any codec's packets take before what they make is heard."""


def file_window(spec: JobSpec, media: MediaInfo, timestamps: Timestamps) -> Window:
    """Which source frames are used, and how long they last."""
    video = media.video
    tick = video.time_base
    pts = timestamps.pts
    if not pts:  # a stream without times: the reader spreads its frames evenly
        step = max(1, round(1 / ((video.rate or Fraction(25)) * tick)))
        pts = tuple(range(0, step * timestamps.missing, step))
    if not pts:
        raise InputError(spec.input, "has no video frames")
    last = last_interval(pts, timestamps.last_duration)
    rate = _source_rate(pts, last, video)
    times = _seconds(pts, tick, rate)
    start, end = _kept(spec, times)
    cut_short = end < len(pts)
    hold = None  # one frame of the constant rate
    if rate is None:
        hold = pts[end] - pts[end - 1] if cut_short else last
    count = end - start
    spread = times[end - 1] - times[start] + (hold or 0) * tick
    duration = spread if rate is None else count / rate
    if rate is None:
        longest = longest_hold(times[start:end], times[start] + duration)
    else:
        longest = Hold(times[start], 1 / rate)
    return Window(
        frames=count,
        start_pts=pts[start] if start else None,
        end_pts=pts[end] if cut_short else None,
        last_duration=hold,
        rate=rate,
        duration=duration,
        kept_span=_kept_span(pts, start, end, media),
        longest=longest,
    )


def _source_rate(pts: tuple[int, ...], last: int | None, video: VideoInfo) -> Fraction | None:
    """Constant frame rate of the source; None if it varies, or if its last frame is held."""
    tick = video.time_base
    if len(pts) == 1:
        return 1 / (last * tick) if last else video.rate or 1 / UNKNOWN_FRAME_SECONDS
    rate = constant_rate(pts, tick, video.rate)
    if rate is not None and last is not None and last * tick * rate > LONG_HOLD:
        return None
    return rate


def _seconds(pts: tuple[int, ...], tick: Fraction, rate: Fraction | None) -> list[Fraction]:
    """Times from the first frame, in seconds; on the exact grid of a constant rate."""
    if rate is not None:
        return [i / rate for i in range(len(pts))]
    return [(p - pts[0]) * tick for p in pts]


def _kept(spec: JobSpec, times: list[Fraction]) -> tuple[int, int]:
    """Indices [start, end) of the frames with spec.start <= time < spec.end."""
    start, end = 0, len(times)
    if spec.start is not None:
        start = bisect_left(times, spec.start)
    if spec.end is not None:
        end = bisect_left(times, spec.end)
    if start >= len(times):
        raise UsageError(
            "--start",
            f"{float(spec.start or 0):g} s is beyond the last frame of {spec.input}, "
            f"at {float(times[-1]):.3f} s",
        )
    if start >= end:
        raise UsageError("--end", f"no frame of {spec.input} lies between --start and --end")
    return start, end


def _kept_span(
    pts: tuple[int, ...], start: int, end: int, media: MediaInfo
) -> tuple[Fraction, Fraction | None] | None:
    """The span of the source's clock that is used; None for all of it.

    From the first frame on, it begins before any track: what is heard before the picture is the
    source's as well.
    """
    tick = media.video.time_base
    if start == 0 and end == len(pts):
        return None
    first = pts[start] * tick if start else before_all(pts[0] * tick, media)
    return first, (pts[end] * tick if end < len(pts) else None)


def before_all(first: Fraction, media: MediaInfo) -> Fraction:
    """A time before every packet of every track, also those that only warm up a decoder."""
    return min([first, *(t.start for t in media.tracks if t.start is not None)]) - WARM_UP


def stream_window(spec: JobSpec, media: MediaInfo) -> Window:
    """Which frames are used, by the first one's time and the rate that the header states."""
    video = media.video
    first, tick = video.start_pts or 0, video.time_base
    rate = None if video.rate is None else standard_rate(video.rate)
    bounds = [
        None if time is None else first + _ticks(time, tick, rate)
        for time in (spec.start or None, spec.end)
    ]
    start, end = bounds
    kept_span = None
    if start is not None or end is not None:
        kept_span = (
            before_all(first * tick, media) if start is None else start * tick,
            None if end is None else end * tick,
        )
    return Window(
        frames=0,
        start_pts=start,
        end_pts=end,
        last_duration=None,
        rate=rate,
        duration=Fraction(0),
        kept_span=kept_span,
        longest=Hold(Fraction(0), Fraction(0)),
    )


def _ticks(time: Fraction, tick: Fraction, rate: Fraction | None) -> int:
    """Ticks from the first frame to the first one that is not before a time.

    The times of a constant rate may be rounded to ticks, so they are compared on the rate's grid.
    """
    if rate is None:
        return math.ceil(time / tick)
    return math.floor(math.ceil(time * rate) / rate / tick)
