from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.color.spec import Chroma, ColorSpec, Matrix
from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.media.base.containers import GIF, container_named
from vinr_cli.media.join.decisions import decide
from vinr_cli.media.join.mux import finish
from vinr_cli.media.join.verification import check
from vinr_cli.media.join.words import notices
from vinr_cli.media.pictures.animate import render_film
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.write.encoders import choose
from vinr_cli.plan.job import EncodeOptions

Make = Callable[..., Path]


def test_a_gif_has_all_frames_and_their_times(clip: Make, tmp_path: Path, ffmpeg: Path) -> None:
    """A GIF joined from two parts is an endless animation of the planned frames and duration."""
    encode = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
    first, both = clip("a.mp4", *encode, seconds=0.4), clip("in.mp4", *encode, seconds=0.8)
    rest = clip("b.mp4", *encode, "-metadata", "comment=vinr-origin=2/5", seconds=0.4)
    out = tmp_path / "out.gif"

    kinds = finish([first, rest], probe(both), out, decisions=(), ffmpeg=ffmpeg, notices=[])

    check(
        out, frames=20, duration=Fraction(4, 5), tolerance=Fraction(1, 25), size=(64, 48),
        streams=kinds,
    )  # fmt: skip
    assert b"NETSCAPE2.0\x03\x01\x00\x00\x00" in out.read_bytes()


def test_what_a_gif_cannot_be_is_told_before(clip: Make) -> None:
    """Rates above 50 frames/s are refused, and sound is said to be lost."""
    source = probe(clip("in.mp4", "-f", "lavfi", "-i", "sine=d=1"))

    with pytest.raises(UsageError, match="--fps 50"):
        choose(EncodeOptions(), container_named("gif"), ColorSpec(), rate=Fraction(60))
    assert notices(decide(source, GIF)) == ["audio stream 1 (aac) is not kept: gif cannot hold it"]


def test_a_film_that_is_none_is_told(tmp_path: Path, ffmpeg: Path) -> None:
    """The words of ffmpeg itself come through."""
    (tmp_path / "a.mp4").write_bytes(b"no film")

    with pytest.raises(EncoderError, match="cannot be made"):
        render_film(ffmpeg, tmp_path / "a.mp4", tmp_path / "a.gif", GIF)


@pytest.mark.parametrize("kind", ["yuv420p", "yuv444p10le", "gray"])
def test_y4m_has_the_samples_of_its_parts(
    clip: Make, tmp_path: Path, ffmpeg: Path, kind: str
) -> None:
    """A y4m file holds the film's frames, rate and samples."""
    part = clip("a.mp4", "-c:v", "ffv1", "-pix_fmt", kind, rate="24000/1001", seconds=0.4)
    out = tmp_path / "out.y4m"

    finish(part, probe(part), out, decisions=(), ffmpeg=ffmpeg, notices=[])

    made = probe(out).video
    assert made.rate == Fraction(24000, 1001)
    with FrameReader(part, probe(part).video) as before, FrameReader(out, made) as after:
        for a, b in zip(before, after, strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


def test_what_y4m_cannot_be_is_told_before() -> None:
    """A variable rate is refused, and RGB becomes Y'CbCr."""
    rgb = ColorSpec(Chroma.RGB, Matrix.RGB, full_range=True, tagged_matrix="gbr")

    with pytest.raises(UsageError, match="variable"):
        choose(EncodeOptions(), container_named("y4m"), ColorSpec())
    assert (
        choose(EncodeOptions(), container_named("y4m"), rgb, rate=Fraction(25)).pix_fmt == "yuv444p"
    )
