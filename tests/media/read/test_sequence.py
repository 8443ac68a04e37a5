from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.color.spec import Chroma, ColorSpec
from vinr_cli.errors import InputError, UsageError
from vinr_cli.media.read.sequence import fingerprint_of, fitted
from vinr_cli.media.read.sources import probe_source, read_source, scan_source

Make = Callable[..., Path]


@pytest.fixture
def pictures(make: Make, tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of numbered pictures."""

    def run(count: int = 4, suffix: str = ".png", pix_fmt: str = "rgb24") -> Path:
        folder = tmp_path / "in"
        folder.mkdir()
        source = ("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=10:d={count / 10}")
        make(f"in/f%d{suffix}", *source, "-pix_fmt", pix_fmt, "-start_number", "8")
        return folder

    return run


def decoded(path: Path, form: str = "rgb24") -> NDArray[Any]:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format=form)


def test_described_as_a_video(pictures: Callable[..., Path]) -> None:
    """Pictures are a video of a constant rate, told to be 25 where nobody says."""
    media = probe_source(pictures(4))
    video = media.video
    assert (video.width, video.height, video.frames) == (64, 48, 4)
    assert video.rate == 25
    assert (media.duration, media.tracks) == (Fraction(4, 25), ())
    assert [n for n in media.notices if "--input-fps" in n]
    times = scan_source(media)
    assert (times.pts, times.last_duration, times.variable) == ((0, 1, 2, 3), 1, False)


def test_ntsc_rate(pictures: Callable[..., Path]) -> None:
    """A rate of 24000/1001 is kept exactly, and then nothing is said about the rate."""
    media = probe_source(pictures(3) / "f%d.png", Fraction(24000, 1001))
    assert media.video.time_base * 1001 == 1 / (media.video.rate or 1) == Fraction(1001, 24000)
    assert scan_source(media).pts == (0, 1001, 2002)
    assert media.notices == ()


def test_rate_of_a_file(make: Make) -> None:
    """A video has frame times of its own: --input-fps is refused."""
    path = make("a.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1")
    with pytest.raises(UsageError, match="--input-fps"):
        probe_source(path, Fraction(10))


@pytest.mark.parametrize("pix_fmt", ["rgb24", "rgb48be"])
def test_samples(pictures: Callable[..., Path], pix_fmt: str) -> None:
    """RGB comes out as it is in the files, 8 or 16 bits, in natural order."""
    folder = pictures(4, pix_fmt=pix_fmt)
    media = probe_source(folder)
    assert media.video.color.chroma is Chroma.RGB
    with read_source(media, score_changes=True) as reader:
        frames = list(reader)
    assert [f.pts for f in frames] == [0, 1, 2, 3]
    form = "rgb24" if pix_fmt == "rgb24" else "rgb48le"
    for number, frame in enumerate(frames, 8):
        expected = decoded(folder / f"f{number}.png", form)
        np.testing.assert_array_equal(np.stack(frame.planes, -1), expected)


def test_span(pictures: Callable[..., Path]) -> None:
    """Reading begins at any picture without decoding those before it."""
    folder = pictures(5)
    media = probe_source(folder)
    (folder / "f8.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with read_source(media, start_pts=2, end_pts=4) as reader:
        assert [f.pts for f in reader] == [2, 3]
        assert reader.notices == []


def test_other_size(pictures: Callable[..., Path], make: Make) -> None:
    """A picture of another size is refused by name before anything is decoded."""
    folder = pictures(3)
    make("in/f9.png", "-f", "lavfi", "-i", "testsrc2=s=32x48:d=1", "-frames:v", "1")
    with pytest.raises(InputError, match=r"f9\.png: is 32x48, f8\.png is 64x48"):
        probe_source(folder)


def test_other_size_of_a_kind_without_header(pictures: Callable[..., Path], make: Make) -> None:
    """Where no header tells, a picture of another size is refused by name when it is read."""
    folder = pictures(3, ".bmp", "bgr24")
    make("in/f9.bmp", "-f", "lavfi", "-i", "testsrc2=s=32x48:d=1", "-frames:v", "1")
    media = probe_source(folder)
    with (
        read_source(media) as reader,
        pytest.raises(InputError, match=r"f9\.bmp: is 32x48, not 64x48"),
    ):
        list(reader)


def test_other_kind_under_the_same_name(pictures: Callable[..., Path], make: Make) -> None:
    """A JPEG that is named .png among PNGs is refused by name."""
    folder = pictures(3)
    jpeg = make("a.jpg", "-f", "lavfi", "-i", "testsrc2=s=64x48:d=1", "-frames:v", "1")
    jpeg.rename(folder / "f9.png")
    with pytest.raises(InputError, match=r"f9\.png: is mjpeg, f8\.png is png"):
        probe_source(folder)


def test_unreadable(pictures: Callable[..., Path]) -> None:
    """A file without a picture is refused by name before anything is decoded."""
    folder = pictures(3)
    (folder / "f9.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"f9\.png: the file is empty"):
        probe_source(folder)


def test_damaged(pictures: Callable[..., Path]) -> None:
    """A damaged picture is left out with its name; the others keep their times."""
    folder = pictures(4)
    data = (folder / "f9.png").read_bytes()
    (folder / "f9.png").write_bytes(data[: len(data) // 2])
    media = probe_source(folder)
    with read_source(media) as reader:
        assert [f.pts for f in reader] == [0, 2, 3]
        assert any(n.startswith("f9.png is left out") for n in reader.notices)
        assert reader.where(1) == "f9.png (at 0.040 s)"


def test_gray_among_colours(pictures: Callable[..., Path], make: Make) -> None:
    """Gray pictures among coloured ones do not take their colours: all are read as RGB."""
    folder = pictures(3)
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:d=1", "-frames:v", "1")
    make("in/f8.png", *source, "-pix_fmt", "gray")
    media = probe_source(folder)
    assert media.video.color.chroma is Chroma.RGB
    assert any(n.startswith("f8.png has fewer colours") for n in media.notices)
    with read_source(media) as reader:
        frames = list(reader)
    gray = decoded(folder / "f8.png", "gray")
    for plane in frames[0].planes:
        np.testing.assert_array_equal(plane, gray)
    np.testing.assert_array_equal(np.stack(frames[1].planes, -1), decoded(folder / "f9.png"))


def test_fitted_depth() -> None:
    """8 bits become 16 so that black and white stay black and white."""
    plane = np.array([[0, 1, 255]], np.uint8)
    own = ColorSpec(chroma=Chroma.GRAY, depth=8)
    deep = ColorSpec(chroma=Chroma.RGB, depth=16)
    out = fitted((plane,), own, deep)
    assert [p.tolist() for p in out] == [[[0, 257, 65535]]] * 3
    with pytest.raises(ValueError, match="rgb samples among gray"):
        fitted((plane,) * 3, deep, own)


def test_unsupported_samples(make: Make, tmp_path: Path) -> None:
    """OpenEXR's floats are refused in one line that names the picture."""
    (tmp_path / "in").mkdir()
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:d=1", "-frames:v", "1")
    make("in/a.exr", *source, "-pix_fmt", "gbrpf32le")
    with pytest.raises(InputError, match=r"a\.exr: pixel format gbrpf32le is not supported"):
        probe_source(tmp_path / "in")


def test_fingerprint(pictures: Callable[..., Path]) -> None:
    """A picture that is replaced, renamed or added changes what a resumed run compares."""
    folder = pictures(3)
    before = fingerprint_of(folder)
    assert fingerprint_of(folder) == before
    (folder / "f9.png").write_bytes((folder / "f9.png").read_bytes() + b"\0")
    changed = fingerprint_of(folder)
    assert changed["input names, sizes and times"] != before["input names, sizes and times"]
    (folder / "f11.png").write_bytes((folder / "f10.png").read_bytes())
    assert fingerprint_of(folder)["input pictures"] == "4"
