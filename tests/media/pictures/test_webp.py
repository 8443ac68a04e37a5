from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, Siting
from vinr_cli.errors import UsageError, VerificationError
from vinr_cli.media.base.containers import container_named
from vinr_cli.media.join.mux import finish
from vinr_cli.media.pictures.webp import check_webp, read_animation
from vinr_cli.media.read.describe import probe
from vinr_cli.media.write.encoders import choose
from vinr_cli.plan.job import EncodeOptions

Make = Callable[..., Path]


@pytest.fixture
def animation(clip: Make, tmp_path: Path, ffmpeg: Path) -> Path:
    """Ten frames in 0.4 s."""
    noise = ("-vf", "noise=alls=40:allf=t")  # libwebp merges neighbours that are alike
    film = clip("in.mp4", *noise, "-c:v", "ffv1", "-pix_fmt", "yuv420p", seconds=0.4)
    out = tmp_path / "out.webp"
    assert finish(film, probe(film), out, decisions=(), ffmpeg=ffmpeg, notices=[]) == ("video",)
    return out


def test_read_back(animation: Path) -> None:
    """An animation has the planned size, frames and duration, read from the file itself."""
    found = read_animation(animation)
    assert found.size == (64, 48)
    assert found.durations == (Fraction(1, 25),) * 10
    check_webp(animation, frames=10, duration=Fraction(2, 5), size=(64, 48))


@pytest.mark.parametrize(
    ("planned", "message"),
    [
        ({"frames": 9}, "has 10 frames, planned were 9"),
        ({"size": (64, 50)}, "is 64x48, planned was 64x50"),
        ({"duration": Fraction(1)}, "lasts 0.400 s, planned were 1.000 s"),
    ],
)
def test_other_than_planned(animation: Path, planned: dict[str, object], message: str) -> None:
    """An animation that differs from the plan is told with both values."""
    plan: dict[str, object] = {"frames": 10, "duration": Fraction(2, 5), "size": (64, 48)}
    with pytest.raises(VerificationError, match=message):
        check_webp(animation, **(plan | planned))  # type: ignore[arg-type]


def test_damaged(animation: Path) -> None:
    """A file that breaks off, or a picture that cannot be decoded, is found."""
    data = animation.read_bytes()
    animation.write_bytes(data[:-100])
    with pytest.raises(VerificationError, match="no whole WebP"):
        read_animation(animation)
    at = data.index(b"VP8 ") + 8
    animation.write_bytes(data[:at] + b"\xff" * 20 + data[at + 20 :])
    with pytest.raises(VerificationError, match="cannot be read back"):
        read_animation(animation)


def test_colours_are_those_of_webp() -> None:
    """Whatever the source, WebP gets BT.601 in studio range with centred chroma, 8 bits."""
    hdr = ColorSpec(
        depth=10, matrix=Matrix.BT2020, full_range=True, primaries="bt2020", transfer="smpte2084"
    )
    encoder = choose(EncodeOptions(), container_named("webp"), hdr)
    color = encoder.color
    assert (color.chroma, color.depth, color.full_range) == (Chroma.C420, 8, False)
    assert (color.matrix, color.siting) == (Matrix.BT601, Siting.CENTER)
    assert any("HDR" in text for text in encoder.notices)
    assert any(text.startswith("webp does not take 420 10 bit") for text in encoder.notices)


def test_crf() -> None:
    """A quality that WebP does not know by that name is refused."""
    with pytest.raises(UsageError, match="webp has no such quality"):
        choose(EncodeOptions(crf=20), container_named("webp"), ColorSpec())
