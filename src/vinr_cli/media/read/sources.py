"""Any input by its path: a file, or pictures in a folder or of a pattern."""

from fractions import Fraction
from pathlib import Path

from vinr_cli.errors import UsageError
from vinr_cli.media.base.listing import is_listing
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import MediaInfo, Timestamps
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.read.sequence import PICTURES, SequenceReader, probe_sequence, times_of
from vinr_cli.media.read.timestamps import scan_timestamps


def probe_source(path: Path, rate: Fraction | None = None) -> MediaInfo:
    """Describe an input, whatever it is.

    Args:
        path: A file, a folder of pictures, or a pattern of their names.
        rate: Frames per second of pictures; None takes `sequence.DEFAULT_RATE`.

    Raises:
        InputError: If it cannot be read as a video.
        UsageError: If a rate is given for a file, which has its own.
    """
    if is_listing(path):
        return probe_sequence(path, rate)
    if rate is not None:
        cause = f"is for pictures: {path} has frame times of its own"
        raise UsageError("--input-fps", cause, "--fps chooses the rate of the output.")
    return probe(path)


def scan_source(media: MediaInfo) -> Timestamps:
    """The presentation times of an input's main video.

    Raises:
        InputError: If it cannot be opened.
    """
    if media.container == PICTURES:
        return times_of(media.video)
    return scan_timestamps(media.path, media.video)


def read_source(
    media: MediaInfo,
    *,
    start_pts: int | None = None,
    end_pts: int | None = None,
    score_changes: bool = False,
) -> FrameReader:
    """A reader of an input's main video; the arguments are those of `FrameReader`.

    Raises:
        InputError: If it is not there any more.
    """
    kind = SequenceReader if media.container == PICTURES else FrameReader
    return kind(
        media.path,
        media.video,
        start_pts=start_pts,
        end_pts=end_pts,
        score_changes=score_changes,
    )
