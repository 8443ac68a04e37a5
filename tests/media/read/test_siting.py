from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.color.spec import ColorSpec, Siting
from vinr_cli.media.read.describe import probe
from vinr_cli.media.write.writer import FrameWriter
from vinr_cli.plan.job import EncodeOptions

Make = Callable[..., Path]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("siting", list(Siting))
def test_the_codec_header_says_the_siting(clip: Make, siting: Siting, suffix: str) -> None:
    """Chroma siting that H.264 states is read in every container."""
    number = {Siting.LEFT: 0, Siting.CENTER: 1, Siting.TOPLEFT: 2}[siting]
    arguments = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", f"chromaloc={number}")

    video = probe(clip(f"a.{suffix}", *arguments, seconds=0.2)).video

    assert video.color.siting is siting


def test_siting_that_nobody_states_is_the_codecs_own(clip: Make) -> None:
    """Without a statement MJPEG is centred and FFV1 is left."""
    jpeg = clip("a.avi", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", seconds=0.2)
    ffv1 = clip("b.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p", seconds=0.2)

    assert probe(jpeg).video.color.siting is Siting.CENTER
    assert probe(ffv1).video.color.siting is Siting.LEFT


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("siting", list(Siting))
def test_siting_goes_into_the_output(
    tmp_path: Path, picture: Callable[..., list[object]], siting: Siting, codec: str
) -> None:
    """What the writer is told of the siting is read again from its part."""
    spec = ColorSpec(siting=siting)
    path = tmp_path / "part.mp4"
    with FrameWriter(
        path, width=64, height=48, color=spec, time_base=Fraction(1, 25), rate=Fraction(25),
        options=EncodeOptions(codec=codec, preset="ultrafast"),
    ) as writer:  # fmt: skip
        for k in range(3):
            writer.write(picture(spec, 48, 64, k), k)  # type: ignore[arg-type]

    assert probe(path).video.color.siting is siting
