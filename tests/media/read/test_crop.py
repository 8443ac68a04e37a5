"""Cropping that a container states: what it says is not shown is not there."""

import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest

Make = Callable[..., Path]
WIDTH, HEIGHT = 96, 64
PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def with_clap(path: Path, width: int, height: int) -> Path:
    """Put a clean aperture (ISO/IEC 14496-12, `clap`) in the middle of an MP4's picture."""
    data = bytearray(path.read_bytes())
    box = struct.pack(">I4s8I", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    at, sizes = 0, []
    for name in PARENTS:
        while data[at + 4 : at + 8] != name:
            at += struct.unpack_from(">I", data, at)[0]
        sizes.append(at)
        at += 8
    entry = at + 8  # behind the version and the count of `stsd`
    for place in (*sizes, entry):
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(box))
    end = entry + struct.unpack_from(">I", data, entry)[0] - len(box)
    data[end:end] = box
    path.write_bytes(data)
    return path


@pytest.fixture
def cropped_clip(make: Make) -> Make:
    """A lossless clip of which a container shows only the middle."""

    def run(suffix: str, pix_fmt: str, width: int, height: int) -> Path:
        picture = f"testsrc2=s={WIDTH}x{HEIGHT}:r=25:d=0.2"
        path = make("whole.mp4", "-f", "lavfi", "-i", picture, "-pix_fmt", pix_fmt,
                    "-c:v", "libx264", "-qp", "0")  # fmt: skip
        with_clap(path, width, height)
        return path if suffix == ".mp4" else make(f"in{suffix}", "-i", str(path), "-c", "copy")

    return run


def shown(path: Path, pix_fmt: str) -> NDArray[np.uint8]:
    """The samples of all frames as ffmpeg, which applies the cropping, shows them."""
    command: list[str | Path] = [find_ffmpeg(EncodeOptions()), "-v", "error", "-i", path]
    command += ["-pix_fmt", pix_fmt, "-f", "rawvideo", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("pix_fmt", "width", "height"),
    [("yuv420p", 80, 48), ("yuv422p", 76, 50), ("yuv444p", 90, 62), ("yuv420p", 90, 58)],
)
def test_what_is_not_shown_is_left_out(
    cropped_clip: Make, suffix: str, pix_fmt: str, width: int, height: int
) -> None:
    """The frames are, sample for sample, those that ffmpeg shows, and a notice says so."""
    path = cropped_clip(suffix, pix_fmt, width, height)

    media = probe(path)
    with FrameReader(path, media.video) as reader:
        found = [plane.reshape(-1) for frame in reader for plane in frame.planes]

    assert (media.video.width, media.video.height) == (width, height)
    assert any(f"shows {width}x{height} of {WIDTH}x{HEIGHT}" in text for text in media.notices)
    np.testing.assert_array_equal(np.concatenate(found), shown(path, pix_fmt))


def test_chroma_stays_on_its_samples(cropped_clip: Make) -> None:
    """An odd edge of 4:2:0 moves out by one sample; the size is as the container says."""
    video = probe(cropped_clip(".mp4", "yuv420p", 90, 58)).video
    assert video.crop == (2, 2, 4, 4)
    assert (video.width, video.height) == (90, 58)


def test_a_result_is_as_large_as_what_is_shown(
    cropped_clip: Make, tiny: Path, tmp_path: Path
) -> None:
    """At scale 1 every second frame is what the source shows of it, and nothing is cut again."""
    source = cropped_clip(".mp4", "yuv420p", 80, 48)
    target = tmp_path / "out.mkv"
    rate = RateRequest(RateKind.MULTIPLY, Fraction(2))
    encode = EncodeOptions("ffv1", lossless=True)

    run_upscale(
        JobSpec(
            source, target, SizeRequest(scale=Fraction(1)), rate, model=str(tiny), encode=encode
        )
    )

    made = probe(target).video
    assert (made.width, made.height, made.crop) == (80, 48, (0, 0, 0, 0))
    frames = shown(target, "yuv420p").reshape(-1, 80 * 48 * 3 // 2)
    np.testing.assert_array_equal(frames[::2].reshape(-1), shown(source, "yuv420p"))


def test_without_a_word_nothing_is_cut(clip: Make) -> None:
    """A container that says nothing of cropping leaves frames whole."""
    assert probe(clip("in.mp4")).video.crop == (0, 0, 0, 0)
