"""The plan of a job that reads a stream: what its header and its first frame tell, and no more."""

import math
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction

from vinr_cli.errors import UsageError
from vinr_cli.jobs.plan_upscale import (
    Plan,
    Window,
    before_all,
    plan_upscale,
    settle_plan,
)
from vinr_cli.media.live import LiveSource
from vinr_cli.media.livemux import FileTracks, Head, SideTracks, streams_along
from vinr_cli.media.probe import (
    MediaInfo,
    Timestamps,
    dropping_alpha,
    open_input,
    without_deinterlacing,
)
from vinr_cli.media.streams import told
from vinr_cli.plan.holds import Hold
from vinr_cli.plan.job import STDIO, JobSpec, RateKind, SlowAudio
from vinr_cli.plan.timeline import standard_rate

_UNKNOWN = Timestamps((), 0, 0, None, False, None, None, None)


def plan_stream(spec: JobSpec, media: MediaInfo) -> Plan:
    """Settle everything about a job whose source is read once.

    How many frames there will be is not known: `frames` and `duration` are 0.

    Args:
        spec: What is asked for.
        media: What the stream is.

    Raises:
        UsageError: an option that cannot be, alone, with another, or for this input.
        EncoderError: ffmpeg is missing or broken.
    """
    if spec.output is None or spec.output.is_dir():
        cause = "has no name of which the result's could be made"
        raise UsageError("standard input", cause, "Name a file with -o, or - for standard output.")
    if spec.input_rate is not None:
        cause = "is for pictures: a stream has frame times of its own"
        raise UsageError("--input-fps", cause, "--fps chooses the rate of the output.")
    if not spec.deinterlace:
        media = without_deinterlacing(media)
    if not spec.alpha:
        media = dropping_alpha(media)
    return settle_plan(spec, media, _UNKNOWN, _window(spec, media))


def plan_piped(
    spec: JobSpec, source: LiveSource | None, stack: ExitStack
) -> tuple[Plan, SideTracks, Head]:
    """The plan of a job with a pipe at one end or both, and what comes along.

    Args:
        spec: What is asked for.
        source: Standard input, if that is read.
        stack: Closes what is opened here.

    Raises:
        VinrError: as `plan_upscale`.
    """
    plan = plan_upscale(spec) if source is None else plan_stream(spec, source.media)
    slow = spec.rate.kind is RateKind.SLOW_MOTION
    unwanted = {
        *(() if spec.audio and not (slow and spec.slow_audio is SlowAudio.DROP) else ("audio",)),
        *(() if spec.subtitles else ("subtitle",)),
    }
    form = plan.encoder.container
    container = None
    if source is not None:
        container = source.container
    elif plan.media.reopens:
        container = stack.enter_context(open_input(spec.input))
    if container is None:
        return plan, SideTracks(), Head()
    piped = spec.output == STDIO
    streams, tracks = streams_along(
        container, plan.media, form, left_out=unwanted, stretched=slow, piped=piped
    )
    plan = replace(plan, tracks=tracks, notices=(*plan.notices, *told(tracks)))
    head = Head.of(container, plan.media.video.index)
    return plan, SideTracks(streams) if source else FileTracks(container, streams), head


def _window(spec: JobSpec, media: MediaInfo) -> Window:
    """Which frames are used, by the first one's time and the rate that the header states."""
    video = media.video
    first, tick = video.start_pts or 0, video.time_base
    rate = None if video.rate is None else standard_rate(video.rate)
    bounds = [
        None if time is None else first + _ticks(time, tick, rate)
        for time in (spec.start or None, spec.end)
    ]
    start, end = bounds
    cut = None
    if start is not None or end is not None:
        cut = (
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
        cut=cut,
        longest=Hold(Fraction(0), Fraction(0)),
    )


def _ticks(time: Fraction, tick: Fraction, rate: Fraction | None) -> int:
    """Ticks from the first frame to the first one that is not before a time.

    The times of a constant rate may be rounded to ticks, so they are compared on the rate's grid.
    """
    if rate is None:
        return math.ceil(time / tick)
    return math.floor(math.ceil(time * rate) / rate / tick)
