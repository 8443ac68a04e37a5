"""How coarsely a codec has rounded, as its decoder tells."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.quantizers import Coarseness, is_lossless, measure_coarseness
from vinr_cli.media.read.timestamps import scan_timestamps

Make = Callable[..., Path]

FIXED_QP = ("-x264-params", "ipratio=1:pbratio=1:aq-mode=0")


def told(path: Path, places: int = 3) -> Coarseness | None:
    media = probe(path)
    times = scan_timestamps(path, media.video).pts
    return measure_coarseness(media, [times[len(times) * k // places] for k in range(places)])


def mean(path: Path) -> float:
    found = told(path)
    assert found is not None
    return found.quantizer


@pytest.mark.parametrize("qp", [12, 27, 40])
def test_h264(clip: Make, qp: int) -> None:
    """A file that was coded with one QP tells that QP."""
    path = clip("a.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-qp", str(qp), *FIXED_QP)
    found = told(path)
    assert found is not None
    assert found.codec == "h264"
    assert found.quantizer == pytest.approx(qp)


def test_a_stream_of_one_key_frame(clip: Make) -> None:
    """An MPEG-TS whose only key frame is its first frame tells what that one tells."""
    path = clip("a.ts", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-qp", "27", *FIXED_QP)
    media, times = probe(path), scan_timestamps(path, probe(path).video).pts
    found = measure_coarseness(media, [times[len(times) // 2]])
    assert found is not None
    assert found.quantizer == pytest.approx(27)


def test_deep_h264(clip: Make) -> None:
    """A file of ten bits tells what it would at eight: the same CRF, about the same quantizer."""
    plain, deep = (
        mean(clip(f"{layout}.mp4", "-c:v", "libx264", "-crf", "30", "-pix_fmt", layout))
        for layout in ("yuv420p", "yuv420p10le")
    )
    assert deep == pytest.approx(plain, abs=1.5)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("mpeg1video", "mpg"), ("mpeg2video", "mkv"), ("mpeg4", "avi")]
)
def test_mpeg(clip: Make, codec: str, suffix: str) -> None:
    """A quantizer scale of 5 is a step of about 10."""
    path = clip(f"a.{suffix}", "-c:v", codec, "-q:v", "5", "-bf", "0")
    found = told(path)
    assert found is not None
    assert found.codec == codec
    assert found.quantizer == pytest.approx(10, abs=1)


def test_vp9(clip: Make) -> None:
    """Worse quality is a larger index, within VP9's 0 to 255."""
    fine, poor = (
        mean(clip(f"{q}.webm", "-c:v", "libvpx-vp9", "-crf", str(q), "-b:v", "0", "-g", "5"))
        for q in (15, 50)
    )
    assert 0 < fine < poor - 50 < poor < 256


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", ("-c:v", "ffv1")),
        ("a.mov", ("-c:v", "prores_ks")),
        ("a.mp4", ("-c:v", "libx265", "-x265-params", "log-level=error")),
    ],
)
def test_silent_codecs(clip: Make, name: str, options: tuple[str, ...]) -> None:
    """Nothing is told by codecs whose decoders do not, and nothing is guessed."""
    assert told(clip(name, *options)) is None


@pytest.mark.parametrize(
    ("codec", "lossless"),
    [
        ("ffv1", True), ("png", True), ("rawvideo", True), ("huffyuv", True),
        ("h264", False), ("hevc", False), ("prores", False), ("mjpeg", False), ("none such", False),
    ],
)  # fmt: skip
def test_what_is_lossless(codec: str, lossless: bool) -> None:
    """A codec is lossless if all that it can do is; an unknown one is not."""
    assert is_lossless(codec) is lossless


def test_damage_is_no_failure(clip: Make) -> None:
    """Random bytes in the middle of a file cost what they cover, and never the job."""
    path = clip(
        "a.mkv", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-qp", "30", "-g", "5", *FIXED_QP
    )
    media, times = probe(path), scan_timestamps(path, probe(path).video).pts
    data = bytearray(path.read_bytes())
    start = len(data) // 2
    data[start : start + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(data)

    found = measure_coarseness(media, [times[0], times[len(times) // 2]])

    assert found is not None
    assert 20 < found.quantizer < 40
    path.write_bytes(data[:200])
    assert measure_coarseness(media, [times[0]]) is None
