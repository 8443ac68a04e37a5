from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.color.spec import ColorSpec
from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.media.animate import write_gif
from vinr_cli.media.encoders import choose
from vinr_cli.media.mux import check, finish
from vinr_cli.media.probe import probe
from vinr_cli.media.streams import changed_tracks
from vinr_cli.plan.job import EncodeOptions

Make = Callable[..., Path]


def test_a_gif_has_all_frames_and_their_times(clip: Make, tmp_path: Path, ffmpeg: Path) -> None:
    """A GIF joined from two parts is an endless animation of the planned frames and duration."""
    encode = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
    first, both = clip("a.mp4", *encode, seconds=0.4), clip("in.mp4", *encode, seconds=0.8)
    rest = clip("b.mp4", *encode, "-metadata", "comment=vinr-origin=2/5", seconds=0.4)
    out = tmp_path / "out.gif"

    kinds = finish([first, rest], probe(both), out, ffmpeg=ffmpeg, notices=[])

    check(
        out, frames=20, duration=Fraction(4, 5), tolerance=Fraction(1, 25), size=(64, 48),
        streams=kinds,
    )  # fmt: skip
    assert b"NETSCAPE2.0\x03\x01\x00\x00\x00" in out.read_bytes()


def test_what_a_gif_cannot_be_is_told_before(clip: Make) -> None:
    """Rates above 50 frames/s are refused, and sound is said to be lost."""
    source = probe(clip("in.mp4", "-f", "lavfi", "-i", "sine=d=1"))

    with pytest.raises(UsageError, match="--fps 50"):
        choose(EncodeOptions(), "gif", ColorSpec(), rate=Fraction(60))
    assert changed_tracks(source, "gif") == ["audio stream 1 (aac) is not kept: gif cannot hold it"]


def test_a_film_that_is_none_is_told(tmp_path: Path, ffmpeg: Path) -> None:
    """The words of ffmpeg itself come through."""
    (tmp_path / "a.mp4").write_bytes(b"no film")

    with pytest.raises(EncoderError, match="no GIF"):
        write_gif(ffmpeg, tmp_path / "a.mp4", tmp_path / "a.gif")
