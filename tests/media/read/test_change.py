from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.media.read.change import change_of
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.plan.repeats import DEFAULT_REPEAT, SHARE

Make = Callable[..., Path]


def changes(path: Path) -> list[float]:
    """Change of every frame but the first from the one before."""
    info = probe(path).video
    with FrameReader(path, info) as reader:
        planes = [frame.planes for frame in reader]
    return [change_of(a, b, info.color.depth) for a, b in pairwise(planes)]


def test_the_block_that_changes_most_counts() -> None:
    """A mark of 8x8 counts as itself, however large the picture, in any plane and at any edge."""
    luma, chroma = np.full((1083, 1921), 100, np.uint8), np.full((542, 961), 128, np.uint8)
    for row, column in ((0, 0), (160, 800), (1075, 1913)):
        marked = luma.copy()
        marked[row : row + 8, column : column + 8] = 151
        assert 100 * 51 / 255 / 4 <= change_of([luma], [marked], 8) <= 100 * 51 / 255
    tinted = chroma.copy()
    tinted[8:16, 8:16] = 102
    assert change_of([luma, chroma], [luma, tinted], 8) == pytest.approx(100 * 26 / 255)


def test_the_depth_is_taken_into_account() -> None:
    """The same picture in 10 bits gives the same share of the range."""
    a, b = np.full((16, 16), 400, np.uint16), np.full((16, 16), 502, np.uint16)
    assert change_of([a], [b], 10) == pytest.approx(100 * 102 / 1023)
    assert change_of([a], [a], 10) == 0


@pytest.mark.parametrize(
    "encoder",
    [
        ["-c:v", "libx264", "-crf", "28", "-preset", "veryfast", "-g", "10"],
        ["-c:v", "libx265", "-crf", "23", "-preset", "fast", "-x265-params", "log-level=none"],
        ["-c:v", "libvpx-vp9", "-crf", "36", "-b:v", "0", "-cpu-used", "8"],
        ["-c:v", "mpeg4", "-q:v", "8"],
    ],
    ids=lambda a: a[1],
)
def test_repeats_are_told_from_motion_through_codecs(make: Make, encoder: list[str]) -> None:
    """On twos, what a codec adds to a repeat stays below the thresholds, and motion above them."""
    path = make(
        "twos.mkv", "-f", "lavfi", "-i", "mandelbrot=s=192x108:r=12,scroll=h=0.03,fps=24",
        "-frames:v", "24", "-pix_fmt", "yuv420p", *encoder,
    )  # fmt: skip
    found = changes(path)
    repeats, motion = found[0::2], found[1::2]
    assert max(repeats) <= DEFAULT_REPEAT
    assert max(repeats) <= SHARE * min(motion)
