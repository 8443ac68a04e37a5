"""What each container can hold and say: one row a format, and no other module knows one by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

from vinr_cli.errors import UsageError

_AUDIO_OF_TS = frozenset({"aac", "ac3", "dts", "eac3", "mp2", "mp3", "opus"})
"""Sound that players find in MPEG-TS; the muxer would take any and mark it as private data."""
_VIDEO_OF_TS = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"})
_DATA_OF_TS = frozenset({"klv", "timed_id3"})
_NOT_PLAYED_IN_MP4 = frozenset({"vorbis"})
"""Sound that the muxer takes and most players do not find."""
_PALETTE = "split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=sierra2_4a"
"""One palette for the whole film, from what moves in it, and error diffusion with it."""
_WEBP_QUALITY = 90
"""libwebp's 0 to 100; 75, its own default, shows blocks in flat parts."""
_PROMPT = {"flush_packets": "1", "max_interleave_delta": "500000"}
"""Hand packets on, and do not wait for a stream that is silent for 0.5 s."""


class Comment(Enum):
    """Where a result says how it was made."""

    TAG = auto()
    """In a tag that the muxer writes."""
    AFTERWARDS = auto()
    """In the finished file, by `media.pictures.comments`."""
    NOWHERE = auto()


class Implied(Enum):
    """What everybody takes the colours of a format for that does not state them."""

    NOTHING = auto()
    BT601 = auto()
    """BT.601 in studio range, with chroma between the pixels."""
    SRGB = auto()
    """sRGB in full range, where nothing else is stated."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a stream becomes that a container cannot hold.

    Attributes:
        codec: ffmpeg's encoder.
        scratch: ffmpeg's name of the format of the converted stream's scratch file. Matroska says
            how much of the last packet is sound, and MP4 where the first sample of sound lies.
    """

    codec: str
    scratch: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Container:
    """One format of files.

    Attributes:
        name: What it is called in messages; unique.
        muxer: ffmpeg's name of it.
        suffixes: Of its files; where rows share one, it means the first of them.
        asked: What `--format` calls it; empty where that is each suffix.
        options: Of the muxer, in every file.
        prompt: Of the muxer, beside those, where packets are handed on as they come.
        codecs: Short names of the codecs that it holds and that are commonly read in it.
        usual: The codec where none is asked for.
        deep: The same for more than 8 bits and HDR; empty for `usual`.
        alpha: The same for opacity; empty where opacity chooses nothing.
        plain_alpha: The same for opacity with 8-bit 4:2:0; empty for `alpha`.
        copied: Codecs of other streams that readers find in it; None for all that the muxer takes.
        unread: Codecs of other streams that the muxer takes and few readers find.
        sound: What sound becomes that it cannot hold.
        subtitles: What text becomes that it cannot hold; None where it has no text of its own.
        data: Whether data streams are found again by what they hold. Other muxers take any packets
            and state nothing of what they are.
        attachments: Whether it holds files.
        chapters: Whether its muxer writes chapters.
        chapter_track: Whether that adds a stream.
        timecode: Whether it can state a timecode: in a stream, or in a tag of the video.
        timecode_track: Whether that adds a stream.
        starts: Whether streams may start at different times.
        variable: Whether it holds a variable frame rate.
        frame_ticks: Whether its video counts frames instead of time.
        movie_scale: Whether edit lists count in a unit that can be chosen.
        clock: How coarse its times are, where they are coarser than what they are given.
        max_rate: Frames per second that players show at most; None for no such limit.
        rotation: Whether it can state that a picture is to be rotated.
        pixel_aspect: Whether players heed that pixels are not squares.
        max_side: Greatest side of a picture in pixels; None for no such limit.
        layouts: Pattern of the pixel formats that it holds; empty for any.
        palette_bits: Bits of a colour in its palette; 0 where it has none.
        colours: Whether it or its codecs state what their colours mean.
        implied: What its colours are taken for where it does not.
        range: Whether it states the range where a codec cannot.
        gray_range: Whether gray without a range is taken for full.
        alpha_apart: Whether it holds the opacity of VP8 and VP9.
        hevc_tag: Its name of HEVC, where the muxer's own is not what players want.
        reorders: Whether frames may be stored in another order than they are shown in.
        parts: ffmpeg's name of the format of parts; empty where the codec decides.
        comment: Where it says how it was made.
        rendering: ffmpeg arguments that make it of a finished film; empty where packets are copied.
        made_by: What does that, in words.
        pictures: Whether it is a file for each picture, in a folder.
        piped: Whether it can be written to a pipe.
        bare: Whether a pipe of it is a video alone, which ffmpeg writes by itself.
        decodes: Whether the finished file can be decoded by what reads videos.
    """

    name: str
    muxer: str
    suffixes: tuple[str, ...]
    asked: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    prompt: Mapping[str, str] = field(default_factory=lambda: _PROMPT)
    codecs: tuple[str, ...]
    usual: str
    deep: str = ""
    alpha: str = ""
    plain_alpha: str = ""
    copied: frozenset[str] | None = None
    unread: frozenset[str] = frozenset()
    sound: Conversion = Conversion("aac", "mp4")
    subtitles: Conversion | None = None
    data: bool = False
    attachments: bool = False
    chapters: bool = False
    chapter_track: bool = False
    timecode: bool = False
    timecode_track: bool = False
    starts: bool = True
    variable: bool = True
    frame_ticks: bool = False
    movie_scale: bool = False
    clock: str = ""
    max_rate: int | None = None
    rotation: bool = False
    pixel_aspect: bool = True
    max_side: int | None = None
    layouts: str = ""
    palette_bits: int = 0
    colours: bool = True
    implied: Implied = Implied.NOTHING
    range: bool = False
    gray_range: bool = False
    alpha_apart: bool = False
    hevc_tag: str = ""
    reorders: bool = True
    parts: str = ""
    comment: Comment = Comment.TAG
    rendering: tuple[str, ...] = ()
    made_by: str = ""
    pictures: bool = False
    piped: bool = False
    bare: bool = False
    decodes: bool = True

    def __str__(self) -> str:
        """For people."""
        return self.name

    @property
    def alone(self) -> bool:
        """Whether it holds pictures and nothing else."""
        return self.pictures or bool(self.rendering)


MP4 = Container(
    name="mp4", muxer="mp4", suffixes=(".mp4", ".m4v"), options={"movflags": "+faststart"},
    prompt={}, codecs=("h264", "h265", "av1", "vp9"), usual="h264", deep="h265",
    unread=_NOT_PLAYED_IN_MP4, subtitles=Conversion("mov_text", "mp4"), chapters=True,
    chapter_track=True, timecode=True, timecode_track=True, movie_scale=True, rotation=True,
    hevc_tag="hvc1",
)  # fmt: skip
MOV = replace(
    MP4, name="mov", muxer="mov", suffixes=(".mov",), codecs=("h264", "h265", "prores"),
    alpha="prores",
)  # fmt: skip
MATROSKA = Container(
    name="matroska", muxer="matroska", suffixes=(".mkv",),
    prompt={**_PROMPT, "cluster_time_limit": "250"},  # ms; a cluster is written when it is whole
    codecs=("h264", "h265", "av1", "vp9", "prores", "ffv1"), usual="h264", deep="h265",
    alpha="ffv1", plain_alpha="vp9", sound=Conversion("aac", "matroska"),
    subtitles=Conversion("subrip", "matroska"), attachments=True, chapters=True, timecode=True,
    clock="to 1 ms", rotation=True, range=True, alpha_apart=True, piped=True,
)  # fmt: skip
WEBM = Container(
    name="webm", muxer="webm", suffixes=(".webm",), prompt={**_PROMPT, "cluster_time_limit": "250"},
    codecs=("av1", "vp9"), usual="vp9", sound=Conversion("libopus", "matroska"),
    subtitles=Conversion("webvtt", "webm"), chapters=True, clock="to 1 ms", rotation=True,
    alpha_apart=True, piped=True,
)  # fmt: skip
AVI = Container(
    name="avi", muxer="avi", suffixes=(".avi",), codecs=("h264", "ffv1"), usual="h264",
    alpha="ffv1",
    # It knows nothing of the samples that a codec puts before the sound, so it gets plain samples.
    sound=Conversion("pcm_s16le", "wav"), starts=False, variable=False, frame_ticks=True,
    gray_range=True, reorders=False,
    parts="nut",  # it wants H.264 with start codes, which MP4 takes away
)  # fmt: skip
MPEGTS = Container(
    name="mpegts", muxer="mpegts", suffixes=(".ts", ".mts", ".m2ts"), codecs=("h264", "h265"),
    usual="h264", deep="h265", copied=_AUDIO_OF_TS | _VIDEO_OF_TS | _DATA_OF_TS, data=True,
    clock="to 1/90000 s", comment=Comment.NOWHERE, piped=True,
)  # fmt: skip
GIF = Container(
    name="gif", muxer="gif", suffixes=(".gif",), codecs=("gif",), usual="gif", clock="to 10 ms",
    max_rate=50,  # players show a frame of less than two hundredths of a second for ten
    pixel_aspect=False, palette_bits=8, colours=False, comment=Comment.AFTERWARDS,
    rendering=("-filter_complex", _PALETTE, "-loop", "0"), made_by="gif",
)  # fmt: skip
Y4M = Container(
    name="y4m", muxer="yuv4mpegpipe", suffixes=(".y4m",), codecs=("y4m",), usual="y4m",
    variable=False, layouts="(yuv4|gray).*", comment=Comment.NOWHERE,
    # More than 8 bits are an extension that all readers in use know.
    rendering=("-map", "0:v", "-strict", "-1"), made_by="none, raw samples", piped=True, bare=True,
)  # fmt: skip
NUT = Container(
    name="nut", muxer="nut", suffixes=(".nut",),
    codecs=("h264", "h265", "av1", "vp9", "prores", "ffv1"), usual="h264", deep="h265",
    alpha="ffv1", data=True, chapters=True, piped=True,
)  # fmt: skip
WEBP = Container(
    name="webp", muxer="webp", suffixes=(".webp",), codecs=("webp",), usual="webp", clock="to 1 ms",
    pixel_aspect=False,
    max_side=16383,  # 14 bits in the file
    layouts="yuva?420p", colours=False, implied=Implied.BT601, comment=Comment.AFTERWARDS,
    rendering=("-map", "0:v", "-c:v", "libwebp_anim", "-quality", f"{_WEBP_QUALITY}", "-loop", "0"),
    made_by=f"libwebp at quality {_WEBP_QUALITY}", decodes=False,
)  # fmt: skip
PICTURES = Container(
    name="a folder of pictures", muxer="image2", suffixes=(".png",), codecs=("png",), usual="png",
    implied=Implied.SRGB, pictures=True,
)  # fmt: skip

FMP4 = replace(
    MP4, name="fmp4", asked="fmp4",
    # Each GOP is whole and follows the header, which comes late enough to hold exact edit lists.
    options={"movflags": "+frag_keyframe+delay_moov+default_base_moof"}, prompt=_PROMPT, piped=True,
)  # fmt: skip

CONTAINERS = (MP4, MOV, MATROSKA, WEBM, AVI, MPEGTS, GIF, Y4M, NUT, FMP4, WEBP, PICTURES)
"""All rows."""
FALLBACKS = (MATROSKA, MOV, MP4, WEBM)
"""Formats of a result that is named after its source, the first where the source's is another."""


def _words(row: Container) -> Iterable[tuple[str, str]]:
    """(what `--format` calls a row, the suffix that a result has then)."""
    if row.asked:
        return [(row.asked, row.suffixes[0])]
    return [(suffix.removeprefix("."), suffix) for suffix in row.suffixes]


FORMATS = {word: (row, suffix) for row in CONTAINERS for word, suffix in _words(row)}
"""What `--format` knows, with the row and the suffix of the result's name."""
SUFFIXES: dict[str, Container] = {}
"""Suffixes that can be written, and what they mean."""
for _row in CONTAINERS:
    for _suffix in _row.suffixes:
        SUFFIXES.setdefault(_suffix, _row)
VIDEOS = frozenset({
    *(suffix for row in CONTAINERS if not row.pictures for suffix in row.suffixes),
    ".mpg", ".mpeg", ".vob", ".wmv", ".flv", ".f4v", ".ogv", ".3gp", ".3g2", ".mxf", ".dv", ".asf",
    ".rm", ".rmvb", ".divx",
}) - {".gif", ".webp"}  # fmt: skip
"""Names that are looked for in a folder of videos: what can be written, and what is read alone."""
PIPED = {w: row for w, (row, suffix) in FORMATS.items() if row.piped and suffix == row.suffixes[0]}
"""Those of `FORMATS` that can be written to a pipe."""


def require_format(text: str, option: str = "--format") -> str:
    """What `--format` calls a format, in small letters and without a dot.

    Raises:
        UsageError: there is no such format.
    """
    name = text.lower().removeprefix(".")
    if name not in FORMATS:
        raise UsageError(f"{option} {text}", "is not known", f"Use one of {', '.join(FORMATS)}.")
    return name


def container_named(name: str) -> Container:
    """The row of a name.

    Raises:
        KeyError: There is none.
    """
    return {row.name: row for row in CONTAINERS}[name]


def default_suffix(source: Path) -> str:
    """The suffix of a result that is named after its source.

    Other formats become Matroska, which holds nearly every kind of stream.
    """
    known = source.suffix.lower()
    kept = any(known in row.suffixes for row in FALLBACKS)
    return known if kept else FALLBACKS[0].suffixes[0]


def has_own_clock(demuxer: str) -> bool:
    """Whether sources of a format have a broadcast's clock, whose first time is arbitrary.

    Args:
        demuxer: ffmpeg's name of the format, as read.
    """
    return demuxer in ("mpegts", "mpeg", "asf")


def is_quicktime(demuxer: str) -> bool:
    """Whether sources of a format are of the MP4 and MOV family.

    Args:
        demuxer: ffmpeg's name of the format, as read: a list of names.
    """
    return "mp4" in demuxer.split(",")
