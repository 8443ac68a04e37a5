"""What becomes of a source's other streams, told before any work: `mux.finish` does the same."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from av.container import InputContainer
from av.stream import AttachmentStream, Stream

from vinr_cli.media.base.borders import reading
from vinr_cli.media.base.containers import Container
from vinr_cli.media.base.opening import codec_name, open_input
from vinr_cli.media.join.times import Times
from vinr_cli.media.join.tracks import (
    TEXT_SUBTITLES,
    describe,
    holds,
    is_chapter_list,
    is_timecode,
    why_convert,
    why_not,
)
from vinr_cli.media.read.info import MediaInfo


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one of a source's streams, or of its chapters.

    Attributes:
        name: What it is called.
        text: What happens to it, after its name; empty if it is copied as it is.
        quiet: Whether nobody needs to be told who has not asked for the plan.
    """

    name: str
    text: str = ""
    quiet: bool = False

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.name} {self.text or 'is copied'}"


def fates(
    source: MediaInfo,
    target: Container,
    *,
    left_out: Collection[str] = (),
    stretched: bool = False,
    times: Times | None = None,
    steady: bool = True,
) -> tuple[Fate, ...]:
    """What becomes of everything in a source beside its main video.

    Args:
        source: The source, from `probe`.
        target: The target's format.
        left_out: Kinds of streams (audio, subtitle) that the user does not want.
        stretched: Whether sound is stretched.
        times: How the source's times become times from the first frame on; None leaves them.
        steady: Whether the result's frame rate is constant.

    Returns:
        Those of the streams, in file order, and of the chapters, if there are any; conversions may
        still fail.

    Raises:
        InputError: If the source cannot be opened.
    """
    found: list[Fate] = []
    if not source.reopens:
        return ()
    clock = times or Times()
    with reading(source.path), open_input(source.path) as container:
        for stream in container.streams:
            if stream.index == source.video.index or is_chapter_list(stream):
                continue
            if stream.type in left_out:
                found.append(Fate(describe(stream), "is left out", quiet=True))
                continue
            text = _fate(source, target, stream, stretched=stretched, times=clock, steady=steady)
            counted = is_timecode(stream) and not text
            text = "is counted on at the new rate" if counted else text
            found.append(Fate(_name(stream), text, quiet=counted))
        found += chapters_fate(container, target)
    return tuple(found)


def chapters_fate(container: InputContainer, target: Container) -> list[Fate]:
    """What becomes of a source's chapters; nothing if it has none.

    Args:
        container: The source, opened.
        target: The target's format.
    """
    if not container.chapters():
        return []
    lost = "" if target.chapters else f"are not kept: {target} has none"
    return [Fate("chapters", lost)]


def changed_tracks(
    source: MediaInfo,
    target: Container,
    *,
    left_out: Collection[str] = (),
    stretched: bool = False,
    times: Times | None = None,
    steady: bool = True,
) -> list[str]:
    """One line for each stream that the result will not have, or not as it is.

    The arguments are those of `fates`; what the user does not want is not told.

    Raises:
        InputError: If the source cannot be opened.
    """
    return told(
        fates(source, target, left_out=left_out, stretched=stretched, times=times, steady=steady)
    )


def told(found: Iterable[Fate]) -> list[str]:
    """The lines of those that people should know about without asking."""
    return [str(fate) for fate in found if fate.text and not fate.quiet]


def _name(stream: Stream) -> str:
    """What a stream is called; an attachment by its file."""
    if isinstance(stream, AttachmentStream):
        return f"attachment {stream.metadata.get('filename', f'attachment-{stream.index}')}"
    return describe(stream)


def _fate(
    source: MediaInfo,
    target: Container,
    stream: Stream,
    *,
    stretched: bool,
    times: Times,
    steady: bool,
) -> str:
    """What happens to one stream, as `Fate.text`."""
    if target.alone:
        return f"is not kept: {target} cannot hold it"
    if isinstance(stream, AttachmentStream):
        return "" if target.attachments else "is not kept: only mkv holds attachments"
    if stream.type == "audio":
        why = why_convert(source, target, stream, times, stretched=stretched)
        return f"{why}: converted to {target.sound.codec}" if why else ""
    if stream.type == "subtitle":
        return "" if holds(target, stream) else _subtitle(target, stream)
    if is_timecode(stream):
        return _timecode(target, steady=steady)
    why = why_not(source, target, stream, times)
    return f"is not kept: {why}" if why else ""


def _timecode(target: Container, *, steady: bool) -> str:
    if not target.timecode:
        return f"is not kept: {target} cannot hold a timecode"
    return "" if steady else "is not kept: a timecode needs a constant rate"


def _subtitle(target: Container, stream: Stream) -> str:
    if target.subtitles is None or codec_name(stream) not in TEXT_SUBTITLES:
        return f"is not kept: {target} cannot hold it"
    return f"does not fit into {target}: converted to {target.subtitles.codec}"
