"""A table of inputs, their properties and what became of them, by the whole program.

`VINR_TABLE=docs/media-table.md python -m pytest -m slow tests/media/test_table.py` writes it: of
files made on the spot, and of a folder of awkward ones (`VINR_TEST_MEDIA`) where there is one. Rows
that are there already are replaced, so `-k NAME` brings a single one up to date.
"""

import os
import subprocess
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition

from vinr_cli.errors import VinrError
from vinr_cli.events import Event, Notice
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.join.tracks import is_chapter_list
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import MediaInfo
from vinr_cli.media.read.timestamps import scan_timestamps
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest

SHARED = Path(os.environ.get("VINR_TEST_MEDIA", Path(__file__).parents[3] / "shared/data/media"))
FILES = sorted(p for p in SHARED.glob("*") if p.is_file()) if SHARED.is_dir() else []
TABLE = os.environ.get("VINR_TABLE")
FRAMES, FEW = 6, 2
LARGE, HUGE = 1_000_000, 16_000_000
"""Pixels of a frame from which two frames must do, and one."""
ENOUGH = 64
"""Bytes that tell one packet of sound from another."""
FASTEST = Fraction(1, 400)
"""Seconds between frames below which they are not doubled: 1000 frames/s are the program's most."""
_AS_IT_IS = ("-fps_mode", "passthrough", "-enc_time_base", "demux")
"""Times as they are; else ffmpeg rounds them to a mean rate, and complains about that."""

pytestmark = pytest.mark.slow

Make = Callable[..., Path]
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1")
TONE = ("-f", "lavfi", "-i", "sine=d=1:r=48000")
WIDE = "setparams=color_primaries=bt2020:colorspace=bt2020nc"
X264 = ("-c:v", "libx264", "-preset", "ultrafast")
PQ = f"format=yuv420p10le,{WIDE}:color_trc=smpte2084"
HDR = ("-c:v", "libx265", "-x265-params", "log-level=none:max-cll=1000,400:master-display="
       "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)")  # fmt: skip


def _text(form: str, text: str) -> tuple[str, ...]:
    """Arguments of ffmpeg for an input that stands in them."""
    return ("-f", form, "-i", f"data:text/plain;base64,{b64encode(text.encode()).decode()}")


TEXT = _text("srt", "1\n00:00:00,000 --> 00:00:00,200\nHello\n")
CHAPTERS = (
    *_text("ffmetadata", ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=100\ntitle=one\n"),
    "-map_chapters", "1",
)  # fmt: skip


def _rate(rate: str) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s=96x64:r={rate}:d=1")


MADE: dict[str, tuple[tuple[str, ...], str]] = {
    "23976.mp4": ((*_rate("24000/1001"), *TONE, *X264, "-bf", "2"), ".mp4"),
    "2997.mkv": ((*_rate("30000/1001"), *TONE, *X264), ".mkv"),
    "5994.mov": ((*_rate("60000/1001"), *TONE, *X264), ".mov"),
    "5994.ts": ((*_rate("60000/1001"), *TONE, *X264), ".ts"),
    "film.avi": ((*_rate("24000/1001"), *TONE, "-c:v", "mpeg4", "-c:a", "pcm_s16le"), ".avi"),
    "film.webm": ((*_rate("24000/1001"), *TONE, "-c:v", "libvpx-vp9", "-cpu-used", "8"), ".webm"),
    "varying.mp4": (
        (*PICTURE, *TONE, "-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "vfr", *X264), ".mp4",
    ),
    "varying.mkv": (
        (*PICTURE, *TONE, "-vf", "select='gt(mod(n,7),3)'", "-fps_mode", "vfr", *X264), ".mkv",
    ),
    "late.mkv": ((*PICTURE, *TONE, *X264, "-output_ts_offset", "7.3"), ".mkv"),
    "early-sound.mkv": (("-itsoffset", "0.3", *PICTURE, *TONE, *X264), ".mp4"),
    "late-sound.mkv": ((*PICTURE, "-itsoffset", "0.3", *TONE, *X264), ".avi"),
    "no-duration.mkv": ((*PICTURE, *TONE, *X264, "-f", "matroska", "-live", "1"), ".mp4"),
    "fragmented.mp4": ((*PICTURE, *TONE, *X264, "-movflags", "frag_keyframe+empty_moov"), ".mp4"),
    "no-times.h264": ((*PICTURE, *X264, "-bf", "2", "-f", "h264"), ".mp4"),
    "equal-times.mkv": (
        (*PICTURE, "-vf", "setpts='if(eq(mod(N,6),3),(N-1)/25/TB,N/25/TB)'", "-fps_mode",
         "passthrough", *X264, "-bf", "0"), ".mkv",
    ),
    "one-frame.mp4": ((*PICTURE, *X264, "-frames:v", "1"), ".mp4"),
    "odd.mkv": (
        ("-f", "lavfi", "-i", "testsrc2=s=97x61:r=25:d=1", "-pix_fmt", "yuv444p", *X264), ".mp4",
    ),
    "interlaced.ts": (
        (*PICTURE, "-vf", "setfield=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme"), ".mp4",
    ),
    "wide-pixels.mp4": ((*PICTURE, "-vf", "setsar=4/3", *X264), ".mp4"),
    "bt2020-pq.mkv": (
        (*PICTURE, "-vf", PQ, *X264), ".mkv",
    ),
    "hlg.mov": (
        (*PICTURE, "-vf", f"format=yuv422p10le,{WIDE}:color_trc=arib-std-b67", "-c:v", "prores_ks"),
        ".mov",
    ),
    "full-range.mp4": (
        (*PICTURE, *X264, "-color_range", "pc", "-colorspace", "bt709", "-pix_fmt", "yuvj420p"),
        ".mp4",
    ),
    "gray.mkv": ((*PICTURE, "-pix_fmt", "gray", "-c:v", "ffv1"), ".mkv"),
    "rgb.mkv": ((*PICTURE, "-pix_fmt", "gbrp", "-c:v", "ffv1"), ".mkv"),
    "alpha.mov": (
        (*PICTURE, "-vf", "format=yuva444p10le,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':"
         "a='1000-X*4'", "-c:v", "prores_ks"), ".mov",
    ),
    "paletted.gif": ((*PICTURE,), ".gif"),
    "animated.mkv": ((*_rate("12"), "-vf", "fps=24", *X264), ".mkv"),
    "two-videos.mkv": (
        (*PICTURE, *_rate("10"), *TONE, "-map", "0", "-map", "1", "-map", "2", *X264), ".mp4",
    ),
    "timecode.mov": ((*PICTURE, *TONE, *X264, "-timecode", "10:00:00:00"), ".mov"),
    "vorbis.mkv": ((*PICTURE, *TONE, *X264, "-c:a", "libvorbis"), ".mp4"),
    "turned.mp4": (("-noautorotate", "-display_rotation", "90", *PICTURE, *X264), ".mp4"),
    "turned.mov": (("-noautorotate", "-display_rotation", "180", *PICTURE, *X264), ".mkv"),
    "mirrored.mp4": (("-noautorotate", "-display_hflip", *PICTURE, *X264), ".mp4"),
    "hdr10.mp4": ((*PICTURE, "-vf", PQ, *HDR), ".mkv"),
    "hdr10.mkv": ((*PICTURE, "-vf", PQ, *HDR), ".mp4"),
    "12-bit.mkv": ((*PICTURE, "-pix_fmt", "yuv444p12le", "-c:v", "ffv1"), ".mkv"),
    "top-left.mkv": (
        (*PICTURE, "-vf", "format=yuv420p10le,setparams=chroma_location=topleft", "-c:v", "libx265",
         "-x265-params", "log-level=none:chromaloc=2"), ".mkv",
    ),
    "alpha.webm": (
        (*PICTURE, "-vf", "format=yuva420p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='X*2'",
         "-c:v", "libvpx-vp9", "-cpu-used", "8"), ".webm",
    ),
    "text.mkv": ((*PICTURE, *TEXT, *X264, "-c:s", "srt"), ".mp4"),
    "text.mp4": ((*PICTURE, *TEXT, *X264, "-c:s", "mov_text"), ".mkv"),
    "chapters.mkv": ((*PICTURE, *CHAPTERS, *X264), ".mp4"),
}  # fmt: skip
"""Files made on the spot: ffmpeg's arguments, and the suffix of the result."""


INTRODUCTION = """# What becomes of which input

Made by `VINR_TABLE=docs/media-table.md python -m pytest -m slow tests/media/test_table.py`, row by
row: the first frames of each file become twice as many (as many where the rate or the size is
extreme) by the whole program, with a network of random weights, at a size that costs little. The
result is opened again. The test fails unless ffmpeg decodes all of it with `-xerror` and without a
word, every frame is there at a time of its own, rotation, shape of pixels, transfer and HDR10's
static data are the source's, copied sound lies where it lay to 1 ms (a tick of Matroska), and each
stream that is gone was told before.

The first rows' files are made on the spot by the test. The others are a collection of awkward files
out of other projects' tests, which is not part of the repository; all of these become Matroska.
Columns: *frames* and *seconds* are those in the result, and those planned; *sound* is by how much
copied sound moved at most against the first frame.
"""
HEAD = ("file", "properties", "frames", "seconds", "colour", "streams", "sound", "decodes strictly",
        "result", "notices")  # fmt: skip


@dataclass
class Row:
    """A row of the table."""

    name: str
    properties: str = "-"
    frames: str = "-"
    seconds: str = "-"
    colour: str = "-"
    streams: str = "-"
    sound: str = "-"
    strict: str = "-"
    result: str = "-"
    notices: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The row as Markdown."""
        cells = (self.name, self.properties, self.frames, self.seconds, self.colour, self.streams,
                 self.sound, self.strict, self.result, "; ".join(self.notices))  # fmt: skip
        return f"| {' | '.join(cell.replace('|', '/') or '-' for cell in cells)} |"

    def write(self) -> None:
        """Put it into the table that is asked for, in the tests' order."""
        if TABLE is None:
            return
        table = Path(TABLE)
        old = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
        rows = {line.split(" | ")[0].removeprefix("| "): line for line in old if line[:2] == "| "}
        rows[self.name] = self.line()
        order = [*(title(name) for name in MADE), *(path.name for path in FILES)]
        rows.pop(HEAD[0], None)
        order += sorted(set(rows) - set(order))
        lines = [rows[name] for name in order if name in rows]
        head = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
        table.write_text("\n".join([INTRODUCTION, *head, *lines, ""]), encoding="utf-8")


def title(name: str) -> str:
    """How the table calls a file that is made on the spot."""
    return f"{name} → {MADE[name][1].removeprefix('.')}"


def properties(info: MediaInfo, variable: bool) -> str:
    """A file in a few words."""
    video, color = info.video, info.video.color
    words = [
        info.container.split(",")[0], video.codec, video.pix_fmt, f"{video.width}x{video.height}",
        "variable" if variable else "constant", str(color.siting),
        "full range" if color.full_range else None,
        f"turned {video.rotation}" if video.rotation else None,
        "HDR10 data" if color.mastering or color.light else None,
        f"pixels {video.sample_aspect}" if video.sample_aspect != 1 else None,
        "interlaced" if video.interlaced else None, "alpha" if video.alpha else None,
    ]  # fmt: skip
    return " ".join(word for word in words if word)


def tags_of(info: MediaInfo) -> str:
    """How a file says that its colours are to be read."""
    color = info.video.color
    names = (color.tagged_matrix or "-", color.primaries or "-", color.transfer or "-")
    return "/".join(map(str, names))


def grading(info: MediaInfo) -> tuple[object, ...]:
    """The mastering display, in the steps that HEVC stores it in, and the light levels."""
    color, display = info.video.color, info.video.color.mastering
    if display is None:
        return None, color.light
    places = (display.red, display.green, display.blue, display.white)
    steps = [round(x * 50000) for place in places for x in place]
    return steps, [round(x * 10000) for x in display.luminance], color.light


def kinds(path: Path) -> list[str]:
    """Kinds of a file's streams, and of chapters, which some formats keep in a stream."""
    with av.open(path) as container:
        streams = [
            "cover" if s.type == "video" and s.disposition & Disposition.attached_pic else s.type
            for s in container.streams
            if not is_chapter_list(s)
        ]
        return sorted([*streams, *(["chapters"] if container.chapters() else [])])


def sound_packets(path: Path) -> dict[bytes, Fraction]:
    """Seconds from a file's first frame to each packet of sound, by the end of its bytes.

    The end, because MPEG-TS puts a header before AAC. Packets that are like others do not count.
    AVI knows coding times alone, and its readers guess one frame of delay that no decoder makes; so
    there the first coding time counts.
    """
    frames: list[Fraction] = []
    found: dict[bytes, list[Fraction]] = defaultdict(list)
    with av.open(path) as container:
        video = next(s for s in container.streams.video if s.index == probe(path).video.index)
        tracks = [video, *container.streams.audio[:1]]
        for packet in container.demux(tracks):
            ticks = packet.dts if path.suffix == ".avi" else packet.pts
            if ticks is None or packet.time_base is None or not packet.size:
                continue
            if packet.stream is not video:
                found[bytes(packet)[-ENOUGH:]].append(ticks * packet.time_base)
            elif not packet.is_discard:
                frames.append(ticks * packet.time_base)
    first = min(frames, default=Fraction(0))
    return {end: times[0] - first for end, times in found.items() if len(times) == 1}


def sound_moves(source: Path, target: Path) -> float | None:
    """How many ms the packets that were copied moved at most; None where none was."""
    before, after = sound_packets(source), sound_packets(target)
    moves = [after[end] - before[end] for end in after.keys() & before.keys()]
    return float(max(moves, key=abs)) * 1000 if moves else None


def full_decode(ffmpeg: Path, path: Path) -> str:
    """What ffmpeg says against a file that it decodes as a whole; empty if nothing."""
    command: list[str | Path] = [ffmpeg, "-nostdin", "-v", "error", "-xerror", "-i", path]
    done = subprocess.run(
        [*command, "-map", "0:v", "-map", "0:a?", *_AS_IT_IS, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() or ("" if done.returncode == 0 else "fails without a word")


def job_of(path: Path, target: Path, tiny: Path, info: MediaInfo) -> JobSpec:
    """A few frames of a file, twice as many of them, at a size that costs little."""
    times = scan_timestamps(path, info.video)
    pixels = info.video.width * info.video.height
    count = 1 if pixels > HUGE else FEW if pixels > LARGE else FRAMES
    later = times.pts[min(count, len(times.pts) - 1)] - times.pts[0] if times.pts else 0
    fast = times.shortest is not None and times.shortest * info.video.time_base < FASTEST
    small = min(Fraction(1), max(Fraction(1, 4), Fraction(360, info.video.width)))
    encode = EncodeOptions(preset="ultrafast")
    if target.suffix not in (".mkv", ".mp4", ".ts") or info.video.alpha:
        encode = EncodeOptions()
    elif info.video.color.depth > 8:
        encode = EncodeOptions(codec="h265", preset="ultrafast")
    return JobSpec(
        path, target, SizeRequest(scale=small),
        RateRequest(RateKind.MULTIPLY, Fraction(1 if fast or pixels > HUGE else 2)),
        end=later * info.video.time_base or None, model=str(tiny), device="cpu", encode=encode,
    )  # fmt: skip


@contextmanager
def telling(name: str, folder: Path) -> Iterator[Row]:
    """A row that is written whatever happens."""
    row = Row(name)
    try:
        yield row
    except AssertionError as error:
        row.result = f"FAILS: {str(error).splitlines()[0]}"
        raise
    finally:
        row.result = row.result.replace(str(folder), ".").replace(str(SHARED), ".")
        row.notices = [text.replace(str(folder), ".") for text in row.notices]
        row.write()


def judge(path: Path, target: Path, tiny: Path, row: Row) -> None:
    """Run the program on a file, and demand a refusal in one line or a result that keeps it all."""

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            row.notices.append(event.text)

    try:
        info = probe(path)
        row.properties = properties(info, scan_timestamps(path, info.video).variable)
        finished = run_upscale(job_of(path, target, tiny, info), listen)
    except VinrError as error:
        row.result = f"refused: {error}"
        return
    made = probe(target)
    streams, found = kinds(path), kinds(target)
    with av.open(target) as container:
        shown = [f.pts * (f.time_base or 0) for f in container.decode(video=0) if f.pts is not None]
    row.frames = f"{len(shown)} of {finished.frames}"
    length = made.video.duration or made.duration or Fraction(0)
    row.seconds = f"{float(length):.3f} of {float(finished.duration):.3f}"
    row.colour = (
        tags_of(info) if tags_of(info) == tags_of(made) else f"{tags_of(info)} to {tags_of(made)}"
    )
    row.streams = (
        " ".join(streams) if streams == found else f"{' '.join(streams)} to {' '.join(found)}"
    )
    complaint = full_decode(find_ffmpeg(EncodeOptions()), target)
    row.strict = "no" if complaint else "yes"
    moved = sound_moves(path, target)
    row.sound = "-" if moved is None else f"{moved:+.2f} ms"

    assert not complaint, complaint
    assert len(shown) == finished.frames, "frames are missing"
    assert shown == sorted(set(shown)), "times do not increase"
    assert moved is None or abs(moved) <= 1, "the sound is out of place"
    keeps = target.suffix in (".mkv", ".mp4", ".mov")
    if keeps:
        assert made.video.rotation == info.video.rotation, "the rotation is lost"
        # Matroska stores the shape of pixels as a whole size.
        shape = made.video.sample_aspect / info.video.sample_aspect
        assert shape == pytest.approx(1, abs=0.01), "the shape of pixels is lost"
    if target.suffix != ".gif":
        assert made.video.color.transfer in (info.video.color.transfer, "bt709", "smpte170m")
    if target.suffix in (".mkv", ".mp4"):
        assert grading(made) == grading(info), "mastering display or light levels are lost"
    lost = max(0, len(streams) - len(found))
    told = sum("not kept" in text or "left out" in text for text in row.notices)
    assert told >= lost, "a stream went without a word"
    row.result = "as planned"


@pytest.mark.parametrize("name", MADE)
def test_a_file_made_on_the_spot_keeps_what_it_is(
    name: str, make: Make, tiny: Path, tmp_path: Path
) -> None:
    """Each property of a source is in its result, which decodes without a complaint."""
    arguments, suffix = MADE[name]
    source = make(name, *arguments)
    with telling(title(name), tmp_path) as row:
        judge(source, tmp_path / f"out{suffix}", tiny, row)
        assert row.result == "as planned"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_file_becomes_a_strictly_valid_one(path: Path, tiny: Path, tmp_path: Path) -> None:
    """A file is refused in one line, or its result decodes without a complaint and upright."""
    with telling(path.name, tmp_path) as row:
        judge(path, tmp_path / "out.mkv", tiny, row)
        assert "\n" not in row.result
