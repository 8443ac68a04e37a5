"""What becomes of a source's other streams, told before any work: `mux.finish` does the same."""

from collections.abc import Collection

from av.stream import AttachmentStream, Stream

from vinr_cli.media.borders import reading
from vinr_cli.media.encoders import IMAGES, RENDERED
from vinr_cli.media.probe import MediaInfo, codec_name, open_input
from vinr_cli.media.reencode import SUBTITLE_OF, audio_codec
from vinr_cli.media.timecode import TIMECODE_FORMATS
from vinr_cli.media.tracks import (
    TEXT_SUBTITLES,
    Times,
    describe,
    holds,
    is_timecode,
    why_convert,
    why_not,
)

_FILE = {form: row for row, form in RENDERED.items()} | {IMAGES: "a folder of pictures"}
"""What people call the formats that hold nothing but pictures."""


def changed_tracks(
    source: MediaInfo,
    form: str,
    *,
    left_out: Collection[str] = (),
    stretched: bool = False,
    times: Times | None = None,
    steady: bool = True,
) -> list[str]:
    """One line for each stream that the result will not have, or not as it is.

    Args:
        source: The source, from `probe`.
        form: ffmpeg's name of the target's format.
        left_out: Kinds of streams (audio, subtitle) that the user does not want.
        stretched: Whether sound is stretched.
        times: How the source's times become times from the first frame on; None leaves them.
        steady: Whether the result's frame rate is constant.

    Returns:
        The lines of `mux.finish`, in file order; conversions may still fail there.

    Raises:
        InputError: If the source cannot be opened.
    """
    lines: list[str] = []
    if not source.reopens:
        return lines
    with reading(source.path), open_input(source.path) as container:
        for stream in container.streams:
            if stream.index == source.video.index or stream.type in left_out:
                continue
            line = _fate(
                source, form, stream, stretched=stretched, times=times or Times(), steady=steady
            )
            if line:
                lines.append(line)
    return lines


def _fate(
    source: MediaInfo, form: str, stream: Stream, *, stretched: bool, times: Times, steady: bool
) -> str:
    """What happens to one stream; empty if it is copied."""
    if form in _FILE:
        return f"{describe(stream)} is not kept: {_FILE[form]} cannot hold it"
    if isinstance(stream, AttachmentStream):
        file = stream.metadata.get("filename", f"attachment-{stream.index}")
        kept = form == "matroska"
        return "" if kept else f"attachment {file} is not kept: only mkv holds attachments"
    if stream.type == "audio":
        why = why_convert(source, form, stream, times, stretched=stretched)
        return f"{describe(stream)} {why}: converted to {audio_codec(form)}" if why else ""
    if stream.type == "subtitle":
        return "" if holds(form, stream) else _subtitle(form, stream)
    if is_timecode(stream):
        return _timecode(form, stream, steady=steady)
    why = why_not(source, form, stream, times)
    return f"{describe(stream)} is not kept: {why}" if why else ""


def _timecode(form: str, stream: Stream, *, steady: bool) -> str:
    if form not in TIMECODE_FORMATS:
        return f"{describe(stream)} is not kept: {form} cannot hold a timecode"
    return "" if steady else f"{describe(stream)} is not kept: a timecode needs a constant rate"


def _subtitle(form: str, stream: Stream) -> str:
    codec = SUBTITLE_OF.get(form)
    if codec is None or codec_name(stream) not in TEXT_SUBTITLES:
        return f"{describe(stream)} is not kept: {form} cannot hold it"
    return f"{describe(stream)} does not fit into {form}: converted to {codec}"
