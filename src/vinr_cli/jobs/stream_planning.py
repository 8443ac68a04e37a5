"""The plan of a job that reads a stream: what its header and its first frame tell, and no more."""

from contextlib import ExitStack

from vinr_cli.errors import UsageError
from vinr_cli.jobs.plan import Plan
from vinr_cli.jobs.planning import plan_upscale, settle_plan
from vinr_cli.jobs.window import stream_window
from vinr_cli.media.base import open_input
from vinr_cli.media.join import FileTracks, Head, SideTracks, copied_streams
from vinr_cli.media.read import (
    StreamSource,
    Timestamps,
    dropping_alpha,
    without_deinterlacing,
)
from vinr_cli.plan.job import JobSpec

_UNKNOWN = Timestamps((), 0, 0, None, False, None, None, None)


def plan_stream(spec: JobSpec, source: StreamSource) -> Plan:
    """Settle everything about a job whose source is read once.

    How many frames there will be is not known: `frames` and `duration` are 0.

    Args:
        spec: What is asked for.
        source: The stream.

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
    media = source.media
    if not spec.deinterlace:
        media = without_deinterlacing(media)
    if not spec.alpha:
        media = dropping_alpha(media)
    return settle_plan(spec, media, _UNKNOWN, stream_window(spec, media), source)


def plan_piped(
    spec: JobSpec, source: StreamSource | None, stack: ExitStack
) -> tuple[Plan, SideTracks, Head]:
    """The plan of a job with a pipe at one end or both, and what comes along.

    Args:
        spec: What is asked for.
        source: Standard input, if that is read.
        stack: Closes what is opened here.

    Raises:
        VinrError: as `plan_upscale`.
    """
    plan = plan_upscale(spec) if source is None else plan_stream(spec, source)
    container = None
    if source is not None:
        container = source.container
    elif plan.media.reopens:
        container = stack.enter_context(open_input(spec.input))
    if container is None:
        return plan, SideTracks(), Head()
    streams = copied_streams(container, plan.tracks)
    head = Head.of(container, plan.media.video.index)
    return plan, SideTracks(streams) if source else FileTracks(container, streams), head
