"""What a file is said to hold."""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from vinr_cli.color.spec import Chroma, Matrix
from vinr_cli.errors import InputError
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import dropping_alpha
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.read.timestamps import scan_timestamps

Make = Callable[..., Path]


def test_a_plain_clip_is_described(clip: Make) -> None:
    """Size, exact rate, duration, frame count and sound are those that a clip was made with."""
    path = clip(
        "in.mp4", "-f", "lavfi", "-i", "sine=d=1:r=44100", "-metadata", "title=A name",
        "-metadata:s:a:0", "language=deu", rate="24000/1001",
    )  # fmt: skip

    info = probe(path)

    video = info.video
    assert (video.width, video.height, video.codec) == (64, 48, "h264")
    assert video.rate == Fraction(24000, 1001)
    assert video.frames == 24
    assert video.duration == Fraction(24 * 1001, 24000)
    assert (video.start_pts, video.rotation, video.interlaced, video.alpha) == (0, 0, False, False)
    assert [(t.kind, t.codec, t.language, t.channels) for t in info.tracks] == [
        ("audio", "aac", "deu", 1)
    ]
    assert dict(info.metadata)["title"] == "A name"
    assert info.size_bytes == path.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "matrix", "full", "depth", "tags"),
    [
        (["-vf", "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=pc"],
         Matrix.BT709, True, 8, ("bt709", "bt709", "bt709")),
        (["-vf", "setparams=colorspace=bt470bg:range=tv"],
         Matrix.BT601, False, 8, (None, None, "bt470bg")),
        (["-pix_fmt", "yuv420p10le", "-vf", "setparams=colorspace=bt2020nc:color_primaries=bt2020"
          ":color_trc=smpte2084"],
         Matrix.BT2020, False, 10, ("bt2020", "smpte2084", "bt2020nc")),
    ],
)  # fmt: skip
def test_colour_tags_are_read(
    clip: Make,
    *,
    arguments: list[str],
    matrix: Matrix,
    full: bool,
    depth: int,
    tags: tuple[str | None, ...],
) -> None:
    """Matrix, range, depth, primaries and transfer are the stream's own, without a notice."""
    info = probe(clip("in.mp4", *arguments))

    color = info.video.color
    assert (color.matrix, color.full_range, color.depth) == (matrix, full, depth)
    assert (color.primaries, color.transfer, color.tagged_matrix) == tags
    assert not info.notices


@pytest.mark.parametrize(("size", "matrix"), [("64x718", Matrix.BT601), ("64x720", Matrix.BT709)])
def test_untagged_colour_is_guessed_by_lines_and_said(
    clip: Make, size: str, matrix: Matrix
) -> None:
    """An untagged stream is BT.709 from 720 lines up, else BT.601, and a notice says so."""
    info = probe(clip("in.mp4", size=size, seconds=0.1))

    assert info.video.color.matrix is matrix
    assert info.video.color.tagged_matrix is None
    assert len(info.notices) == 1
    assert "no colour matrix is tagged" in info.notices[0]


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "chroma", "depth"),
    [
        ("yuv444p", "libx264", Chroma.C444, 8),
        ("yuv422p10le", "libx264", Chroma.C422, 10),
        ("gbrp12le", "ffv1", Chroma.RGB, 12),
        ("gray16le", "ffv1", Chroma.GRAY, 16),
        ("bgr24", "rawvideo", Chroma.RGB, 8),
        ("pal8", "rawvideo", Chroma.RGB, 8),
    ],
)
def test_layouts_are_told(clip: Make, pix_fmt: str, codec: str, chroma: Chroma, depth: int) -> None:
    """The colour description has the layout and depth of what the reader yields."""
    info = probe(clip("in.nut", "-pix_fmt", pix_fmt, "-c:v", codec, seconds=0.2))

    assert (info.video.color.chroma, info.video.color.depth) == (chroma, depth)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_clockwise(clip: Make, make: Make, degrees: int) -> None:
    """A display matrix is told as the clockwise turn that shows the picture upright."""
    plain = clip("in.mp4")
    # ffmpeg's option counts counter-clockwise.
    turned = make("turned.mp4", "-display_rotation", str(-degrees), "-i", str(plain), "-c", "copy")

    assert probe(turned).video.rotation == degrees


def test_pixel_shape_is_read(clip: Make) -> None:
    """A sample aspect ratio is told as it is stored; without one pixels are square."""
    assert probe(clip("a.mp4", "-vf", "setsar=4/3")).video.sample_aspect == Fraction(4, 3)
    assert probe(clip("b.mp4")).video.sample_aspect == 1


def test_cover_pictures_are_not_the_video(clip: Make, make: Make) -> None:
    """A cover picture is passed over even where it is the first video stream."""
    movie = clip("in.mp4")
    cover = make("cover.png", "-f", "lavfi", "-i", "color=red:s=640x480", "-frames:v", "1")
    path = make(
        "both.mp4", "-i", str(cover), "-i", str(movie), "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic",
    )  # fmt: skip

    info = probe(path)

    assert (info.video.width, info.video.codec) == (64, "h264")
    assert [t.kind for t in info.tracks] == ["video"]


def test_only_a_cover_picture_is_no_video(make: Make) -> None:
    """Sound with a cover picture is refused as having no moving pictures."""
    cover = make("cover.png", "-f", "lavfi", "-i", "color=red:s=64x48", "-frames:v", "1")
    path = make(
        "song.mp4", "-f", "lavfi", "-i", "sine=d=1", "-i", str(cover), "-map", "0", "-map", "1",
        "-c:v", "copy", "-disposition:v:0", "attached_pic",
    )  # fmt: skip

    with pytest.raises(InputError, match="only a still cover picture"):
        probe(path)


def test_alpha_and_interlace_are_noticed(clip: Make) -> None:
    """An alpha channel is told, and that it is left out if it is; so are interlaced frames."""
    alpha = probe(clip("a.mov", "-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", seconds=0.2))
    assert alpha.video.alpha
    assert alpha.video.color.alpha
    without = dropping_alpha(alpha)
    assert any("alpha" in n for n in without.notices)
    assert not without.video.color.alpha

    fields = probe(
        clip("b.mp4", "-vf", "setfield=tff", "-flags", "+ildct+ilme", "-x264-params", "tff=1")
    )
    assert fields.video.interlaced
    assert any("interlaced" in n for n in fields.notices)


@pytest.mark.parametrize(
    "name",
    ["with space.mp4", "-dash.mp4", "per%03dcent.mp4", "quo'te\".mp4", "co:lon.mp4", "ü.mp4"],
)
def test_odd_names_are_only_names(clip: Make, name: str) -> None:
    """A file name is never read as an option, a pattern or a protocol."""
    assert probe(clip("in.mp4").rename(clip("in.mp4").with_name(name))).video.width == 64


def test_bytes_that_are_no_utf8_may_be_a_name(clip: Make, tmp_path: Path) -> None:
    """A file name that is not UTF-8 is opened like any other."""
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    clip("in.mp4").rename(path)

    assert probe(path).video.width == 64


def test_what_is_no_video_is_refused_in_one_line(clip: Make, make: Make, tmp_path: Path) -> None:
    """Missing, folder, empty, text, sound and cut-off files each give one line with the path."""
    text = tmp_path / "text.mp4"
    text.write_text("no video at all " * 100)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    whole = clip("whole.mp4").read_bytes()
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(whole[: len(whole) // 2])  # its index was at the end
    sound = make("sound.wav", "-f", "lavfi", "-i", "sine=d=0.2")
    cases = {
        tmp_path / "missing.mp4": "no such file",
        tmp_path: "is a folder",
        empty: "is empty",
        text: "cannot be read",
        headless: "cannot be read",
        sound: "no video stream",
    }

    for path, cause in cases.items():
        with pytest.raises(InputError, match=cause) as caught:
            probe(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_refused(clip: Make) -> None:
    """A file without read permission is refused as that."""
    path = clip("in.mp4")
    path.chmod(0)

    with pytest.raises(InputError, match="permission denied"):
        probe(path)


def test_timestamps_are_collected_without_decoding(clip: Make) -> None:
    """Times of a clip with B-frames come sorted, with their interval and last duration."""
    path = clip("in.mp4", "-bf", "3")
    info = probe(path).video

    times = scan_timestamps(path, info)

    step = int(Fraction(1, 25) / info.time_base)
    assert times.pts == tuple(k * step for k in range(25))
    assert (times.duplicates, times.missing, times.variable) == (0, 0, False)
    assert (times.shortest, times.median, times.longest) == (step, step, step)
    assert times.last_duration == step


def test_variable_rates_are_told_from_rounding(clip: Make) -> None:
    """Matroska's millisecond rounding of a constant rate is constant; dropped frames are not."""
    rounded = clip("in.mkv", rate="30000/1001")
    gaps = clip("gaps.mp4", "-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "passthrough")

    assert not scan_timestamps(rounded, probe(rounded).video).variable
    found = scan_timestamps(gaps, probe(gaps).video)
    assert found.variable
    assert len(found.pts) == 20
    assert (found.longest or 0) == 2 * (found.shortest or 0)


def test_a_limit_stops_early(clip: Make) -> None:
    """At most the given number of packets is looked at."""
    path = clip("in.mp4")

    assert len(scan_timestamps(path, probe(path).video, limit=5).pts) == 5


@pytest.mark.parametrize("kind", ["vp8", "vp9"])
def test_pictures_that_are_never_shown_have_no_time(make: Make, tmp_path: Path, kind: str) -> None:
    """Hidden reference pictures with packets of their own leave a constant rate constant."""
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2")
    encode: tuple[str, ...] = (
        "-c:v",
        {"vp8": "libvpx", "vp9": "libvpx-vp9"}[kind],
        "-auto-alt-ref",
        "1",
    )
    encode = (
        *encode,
        "-lag-in-frames",
        "16",
        "-b:v",
        "100k",
        "-passlogfile",
        str(tmp_path / "log"),
    )
    for number in ("1", "2"):
        path = make("a.webm", *source, *encode, "-pass", number)
    if kind == "vp9":
        split = ("-c", "copy", "-bsf:v", "vp9_superframe_split")
        path = make("a.nut", "-i", f"file:{path}", *split)
    info = probe(path).video
    with av.open(path) as container:
        packets = sum(1 for p in container.demux(video=0) if p.size)

    times = scan_timestamps(path, info)

    with FrameReader(path, info) as reader:
        shown = [frame.pts for frame in reader]
    assert packets > len(shown) == 50
    assert list(times.pts) == shown
    assert not times.variable
