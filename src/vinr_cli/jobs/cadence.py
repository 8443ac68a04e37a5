"""Look through a job's source for repeats before anything is planned on them."""

from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction

from vinr_cli.errors import UsageError
from vinr_cli.media.read import (
    Frame,
    MediaInfo,
    SourceFrames,
    Timestamps,
    certain_times,
    change_of,
    read_source,
)
from vinr_cli.plan.job import JobSpec
from vinr_cli.plan.repeats import Cadence, find_cadence
from vinr_cli.plan.scenes import is_cut

Bounds = tuple[int | None, int | None]
"""PTS of the first frame that is used, and of the first that is not any more; None for all."""


def look_for_repeats(
    spec: JobSpec,
    media: MediaInfo,
    timestamps: Timestamps,
    bounds: Bounds,
    rate: Fraction | None,
) -> Cadence | None:
    """Decode what a job uses of its source, and tell the frames that repeat the one before.

    The pass comes before the job's own, because only then can the plan say what is found, and a
    run that goes on somewhere in the middle decide as the first one did.

    Args:
        spec: What is asked for.
        media: What the source is.
        timestamps: When its frames are shown.
        bounds: Which of them are used.
        rate: Constant frame rate of the source; None if it varies.

    Returns:
        What is found; None if repeats are not looked for.

    Raises:
        UsageError: the source can be read only once.
        InputError: it cannot be decoded.
    """
    if spec.repeat_threshold is None:
        return None
    if not timestamps.pts and not timestamps.missing:
        cause = "reads a video twice, and a stream can be read only once"
        raise UsageError("--dedup", cause, "Write it to a file first.")
    changes, cuts, times = _changes(spec, media, timestamps, bounds)
    tick = media.video.time_base
    return find_cadence(changes, cuts, times, tick, rate=rate, threshold=spec.repeat_threshold)


def new_frames(frames: Iterable[Frame], first: int, cadence: Cadence) -> Iterator[Frame]:
    """Leave the repeats out.

    Args:
        frames: Frames of the source, none missing.
        first: Index of the first of them.
        cadence: Says which are new.
    """
    return (frame for index, frame in enumerate(frames, first) if cadence.new[index])


def _changes(
    spec: JobSpec, media: MediaInfo, timestamps: Timestamps, bounds: Bounds
) -> "tuple[array[float], list[bool], array[int]]":
    """(change from the frame before, whether a scene begins, time) of every frame."""
    scored = spec.scene_threshold is not None
    reader = read_source(media, start_pts=bounds[0], end_pts=bounds[1], score_changes=scored)
    certain = certain_times(media.video, timestamps, *bounds)
    frames = SourceFrames(reader, certain, 0, strict=False, subject=spec.input)
    changes, cuts, times = array("d"), list[bool](), array("q")
    depth = media.video.color.depth
    before = None
    try:
        for frame in frames:
            changes.append(0 if before is None else change_of(before, frame.planes, depth))
            cuts.append(is_cut(frame.change, spec.scene_threshold))
            times.append(frame.pts)
            before = frame.planes
    finally:
        frames.close()
    return changes, cuts, times
