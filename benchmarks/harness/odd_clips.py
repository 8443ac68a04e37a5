"""Small videos that are odd in one way each, and what must be true of what the program makes.

The rows of `faults` about time, size, colour, tracks and names are made of these.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.join.verification import decode_all
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import MediaInfo
from vinr_cli.media.read.timestamps import scan_timestamps
from vinr_cli.plan.job import EncodeOptions

COUNT = 12
"""Frames of a clip, at 25 frames/s, unless its name says another number."""
SIZE = (64, 48)
MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Odd:
    """A video that is odd, and what is promised of it.

    Attributes:
        name: What is odd.
        make: Writes it into a folder.
        options: Of the program, beside the input, the output and the network.
        code: Exit code.
        frames: Output frames that must be decoded, 0 for some; None where there must be no
            output.
        check: Compares source and output; returns what is wrong, empty if nothing is.
        said: Words that must be told.
        lost: What of the source is lost.
        suffix: Of the output.
    """

    name: str
    make: Callable[[Path], Path]
    options: tuple[str, ...] = ("--fps-mult", "2")
    code: int = 0
    frames: int | None = 2 * COUNT
    check: Callable[[Path, Path], str] = lambda source, output: ""
    said: str = ""
    lost: str = "nothing"
    suffix: str = ".mp4"


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg quietly."""
    command = [find_ffmpeg(EncodeOptions()), "-nostdin", "-y", "-loglevel", "error", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def clip(
    folder: Path, name: str, *arguments: str, frames: int = COUNT, size: tuple[int, int] = SIZE,
    sound: bool = False,
) -> Path:  # fmt: skip
    """A test pattern, and a tone if wanted."""
    path = folder / name
    tone = ("-f", "lavfi", "-i", "sine=d=0.48") if sound else ()
    picture = f"testsrc2=s={size[0]}x{size[1]}:r=25"
    given = arguments if any(a.startswith("-c:v") for a in arguments) else (
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *arguments
    )  # fmt: skip
    ffmpeg("-f", "lavfi", "-i", picture, *tone, "-frames:v", str(frames), *given, path)
    return path


def timed(path: Path, times: list[int], tick: Fraction = MILLISECOND) -> Path:
    """Frames that are all key frames, at these times in this order, whatever the order is."""
    with av.open(path, "w") as container:
        video = cast(Any, container.add_stream("mjpeg", rate=25))
        video.width, video.height, video.pix_fmt = *SIZE, "yuvj420p"
        video.time_base = video.codec_context.time_base = tick
        y, x = np.mgrid[: SIZE[1], : SIZE[0]]
        for number, time in enumerate(times):
            levels = ((x * 3 + y * 2 + number * 5) % 256).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.stack([levels] * 3, -1), "rgb24")
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = number, tick
            for packet in video.encode(frame):
                packet.pts, packet.dts, packet.time_base = time, None, tick
                packet.dts = min(times[number:])
                container.mux(packet)
    return path


# -- what can be wrong with an output ---------------------------------------------------------


def _first(info: MediaInfo, kind: str) -> Fraction:
    """First time of the picture or of the first sound track, in seconds."""
    if kind == "video":
        return (info.video.start_pts or 0) * info.video.time_base
    return next(t.start or Fraction(0) for t in info.tracks if t.kind == "audio")


def same_offset(source: Path, output: Path) -> str:
    """Sound and picture must be as far apart as they were."""
    before, after = (
        _first(info, "audio") - _first(info, "video") for info in (probe(source), probe(output))
    )
    return "" if abs(before - after) < MILLISECOND else f"sound is off by {float(after - before)} s"


def same_colour(source: Path, output: Path) -> str:
    """The description of colours must be the source's, as far as it has one, and the depth."""
    a, b = probe(source).video.color, probe(output).video.color
    names = ("matrix", "full_range", "transfer", "primaries", "depth", "light")
    wrong = [n for n in names if getattr(a, n) not in (None, getattr(b, n))]
    if (a.mastering is None) != (b.mastering is None):
        wrong.append("mastering")
    return " and ".join(wrong) and f"{' and '.join(wrong)} changed"


def same_shape(source: Path, output: Path) -> str:
    """Rotation and the shape of pixels must be the source's."""
    a, b = probe(source).video, probe(output).video
    same = (a.rotation, a.sample_aspect) == (b.rotation, b.sample_aspect)
    return "" if same else f"{a.rotation}, {a.sample_aspect} became {b.rotation}, {b.sample_aspect}"


def lasts(seconds: str) -> Callable[[Path, Path], str]:
    """The output's times must span so many seconds, up to the last frame's begin."""

    def check(source: Path, output: Path) -> str:
        video = probe(output).video
        pts = scan_timestamps(output, video).pts
        span = (pts[-1] - pts[0]) * video.time_base
        return "" if abs(span - Fraction(seconds)) < MILLISECOND else f"spans {float(span)} s"

    return check


def sized(width: int, height: int) -> Callable[[Path, Path], str]:
    """The output must have this size."""

    def check(source: Path, output: Path) -> str:
        video = probe(output).video
        found = (video.width, video.height)
        return "" if found == (width, height) else f"is {found[0]}x{found[1]}"

    return check


def both(source: Path, output: Path) -> str:
    """The picture marked as the default must be the one that is worked on, and the other copied."""
    wrong = sized(*SIZE)(source, output)
    with av.open(output) as container:
        sizes = sorted((s.width, s.height) for s in container.streams.video)
    return wrong or ("" if sizes == [(32, 24), SIZE] else f"its pictures are {sizes}")


# -- clips ------------------------------------------------------------------------------------


def _wrong_count(folder: Path) -> Path:
    path = clip(folder, "in.avi", "-c:v", "mpeg4")
    data = bytearray(path.read_bytes())
    for mark, place in ((b"avih", 24), (b"strh", 40)):
        start = data.index(mark) + place
        assert int.from_bytes(data[start : start + 4], "little") == COUNT  # noqa: S101
        data[start : start + 4] = (7).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def _shifted(seconds: str, stream: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        plain = clip(folder, "plain.mkv", "-c:a", "aac", sound=True)
        both = ("-i", plain, "-itsoffset", seconds, "-i", plain)
        maps = ("-map", f"{int(stream == 'v')}:v", "-map", f"{int(stream == 'a')}:a")
        ffmpeg(*both, *maps, "-c", "copy", folder / "in.mkv")
        return folder / "in.mkv"

    return make


def _negative(folder: Path) -> Path:
    plain = clip(folder, "plain.mkv")
    keep = ("-avoid_negative_ts", "disabled")
    ffmpeg("-itsoffset", "-0.2", "-i", plain, "-c", "copy", *keep, folder / "in.asf")
    return folder / "in.asf"


def _turned(folder: Path) -> Path:
    plain = clip(folder, "plain.mp4")
    ffmpeg("-display_rotation", "-90", "-i", plain, "-c", "copy", folder / "in.mp4")
    return folder / "in.mp4"


def _covered(folder: Path) -> Path:
    plain = clip(folder, "plain.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=320x240", "-frames:v", "1", folder / "cover.png")
    ffmpeg(
        "-i", folder / "cover.png", "-i", plain, "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic", folder / "in.mp4",
    )  # fmt: skip
    return folder / "in.mp4"


def _doubled(folder: Path) -> Path:
    small = clip(folder, "small.mp4", size=(32, 24))
    large = clip(folder, "large.mp4")
    default = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    path = folder / "in.mkv"
    ffmpeg("-i", small, "-i", large, "-map", "0", "-map", "1", "-c", "copy", *default, path)
    return path


def _cut(place: Fraction, *arguments: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = clip(folder, "in.mp4", "-g", "4", *arguments)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * place)])
        return path

    return make


def _damaged_sound(folder: Path) -> Path:
    path = clip(folder, "in.mp4", "-c:a", "aac", sound=True)
    with av.open(path) as container:
        packet = [p for p in container.demux(audio=0) if p.size][10]
        place, size = packet.pos or 0, packet.size
    data = bytearray(path.read_bytes())
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    return path


def _hdr(transfer: str, more: str = "") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        colour = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc{more}:log-level=error"
        return clip(
            folder, "in.mp4", "-c:v", "libx265", "-preset", "ultrafast",
            "-pix_fmt", "yuv420p10le", "-x265-params", colour,
        )  # fmt: skip

    return make


_MASTERING = (
    ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    ":max-cll=1000,400:hdr10=1"
)
_GAP = [40 * k for k in range(6)] + [5000 + 40 * k for k in range(6)]
_UNSORTED = [0, 80, 40, 120, 200, 160, 240, 320, 280, 360, 440, 400]
_SCATTERED = [0, 40, 100, 110, 200, 210, 290, 300, 400, 500, 505, 600]


def _plain(name: str, *arguments: str, **options: Any) -> Callable[[Path], Path]:
    return lambda folder: clip(folder, name, *arguments, **options)


def _times(times: list[int]) -> Callable[[Path], Path]:
    return lambda folder: timed(folder / "in.mkv", times)


_ODD = ("-c:v", "ffv1", "-vf", "format=yuv444p,crop=63:47", "-pix_fmt", "yuv420p")
_TAGS = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
CLIPS = (
    Odd("frame count missing (mkv)", _plain("in.mkv")),
    Odd("frame count wrong (7 instead of 12, avi)", _wrong_count),
    Odd("PTS missing (raw H.264)", _plain("in.h264"), said="have no time"),
    Odd("PTS negative (asf)", _negative, check=lasts("0.46")),
    Odd("PTS not monotonic (mkv)", _times(_UNSORTED), said="the times of some frames go back"),
    Odd("PTS with a gap of 5 s", _times(_GAP), check=lasts("5.22")),
    Odd("the same, --fps 25", _times(_GAP), ("--fps", "25"), frames=131, check=lasts("5.2")),
    Odd("PTS with a gap of 20 h, --fps 60", _times([0, 40, 72_000_000]), ("--fps", "60"), 2,
        None, said="is shown for 20 h"),
    Odd("sound starts 0.5 s later", _shifted("0.5", "a"), check=same_offset, suffix=".mkv"),
    Odd("sound starts 0.5 s earlier", _shifted("0.5", "v"), check=same_offset, suffix=".mkv"),
    Odd("a packet of sound is damaged", _damaged_sound, said="sound track 1 cannot be decoded",
        lost="nothing more than in the source"),
    Odd("1 frame", _plain("in.mp4", frames=1), frames=2),
    Odd("2 frames", _plain("in.mp4", frames=2), frames=4),
    Odd("3 frames", _plain("in.mp4", frames=3), frames=6),
    Odd("odd size, 63x47, to H.264", _plain("in.mkv", *_ODD), check=sized(64, 48)),
    Odd("odd size, 63x47, to a codec that takes it", _plain("in.mkv", *_ODD),
        ("--fps-mult", "2", "--codec", "ffv1"), check=sized(63, 47), suffix=".mkv"),
    Odd("variable rate", _times(_SCATTERED), check=lasts("0.62"), said="the frame rate varies"),
    Odd("variable rate, --fps 25", _times(_SCATTERED), ("--fps", "25"), frames=16),
    Odd("rotation by 90 degrees", _turned, check=same_shape),
    Odd("pixels of 4:3", _plain("in.mp4", "-vf", "setsar=4/3"), check=same_shape),
    Odd("HDR10", _hdr("smpte2084", _MASTERING), check=same_colour),
    Odd("HLG", _hdr("arib-std-b67"), check=same_colour),
    Odd("full range", _plain("in.mp4", "-color_range", "pc", *_TAGS, "-vf", "scale=out_range=pc"),
        check=same_colour),
    Odd("untagged", _plain("in.mp4"), said="BT.601 is used", check=same_colour),
    Odd("a cover picture is the first video stream", _covered, check=sized(*SIZE)),
    Odd("two video streams, the default one last", _doubled, check=both, suffix=".mkv"),
    Odd("two video streams, to a format for one", _doubled, said="is not kept", check=sized(*SIZE),
        lost="the second picture, told", suffix=".gif"),
    Odd("mp4 cut in its data (index in front)", _cut(Fraction(3, 4), "-movflags", "+faststart"),
        code=9, frames=0, lost="what is cut off, told"),
    Odd("mp4 cut before its index", _cut(Fraction(1, 2)), code=3, frames=None),
)  # fmt: skip
"""Every clip of the table."""

NAMES = {
    "name with spaces": b" a  clip .mp4",
    "name with %": b"100%d %%05d.mp4",
    "name with a leading -": b"-o.mp4",
    "name with quotes": b'it\'s "so" `x` $(y).mp4',
    "name that is not UTF-8": b"caf\xe9 \xff.mp4",
    "name with a newline": b"two\nlines.mp4",
}
"""What is odd of a file's name -> its bytes."""


def judge(odd: Odd, source: Path, output: Path) -> str:
    """Open the output again; what is wrong with it, empty if nothing is."""
    if odd.frames is None:
        return "there is an output" if output.exists() else ""
    if not output.exists():
        return "there is no output"
    decoded = decode_all(output)
    if decoded != odd.frames and (odd.frames or not decoded):
        return f"{decoded} frames instead of {odd.frames}"
    return odd.check(source, output)
