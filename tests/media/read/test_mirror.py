import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.color.spec import Chroma, ColorSpec, Siting
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.planes import mirrored
from vinr_cli.media.read.reader import FrameReader

Make = Callable[..., Path]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", ["-display_hflip", "-display_vflip", None])
def test_pictures_are_shown_as_ffmpeg_shows_them(
    clip: Make, make: Make, ffmpeg: Path, turn: int, flip: str | None
) -> None:
    """Mirrored pixels, turned as the result is marked, are the picture that ffmpeg shows."""
    plain = clip("plain.mp4", "-c:v", "libx264", "-pix_fmt", "yuv444p", seconds=0.1)
    marks = ["-display_rotation", str(turn), *([flip] if flip else [])]
    path = make("marked.mp4", *marks, "-i", f"file:{plain}", "-c", "copy")
    raw = ("-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuv444p", "-")
    shown = subprocess.run(
        [ffmpeg, "-v", "error", "-i", path, *raw], capture_output=True, check=True
    )

    video = probe(path).video
    with FrameReader(path, video) as reader:
        planes = next(iter(reader)).planes

    upright = [np.rot90(plane, -video.rotation // 90) for plane in planes]
    assert b"".join(p.tobytes() for p in upright) == shown.stdout
    assert video.mirrored is (flip is not None)


def _scene(x: NDArray[Any]) -> NDArray[Any]:
    """A smooth chroma signal at places in luma samples, in 8-bit codes."""
    return 128 + 60 * np.sin(x / 7) + 0.7 * x


@pytest.mark.parametrize("width", [64, 65])
@pytest.mark.parametrize("siting", list(Siting))
@pytest.mark.parametrize("chroma", [Chroma.C420, Chroma.C422])
def test_mirrored_chroma_lies_where_it_is_said_to(
    width: int, siting: Siting, chroma: Chroma
) -> None:
    """A mirrored picture's chroma is the scene's, mirrored, at the places of the same siting."""
    place = 0.5 if siting is Siting.CENTER else 0.0
    columns = 2 * np.arange((width + 1) // 2) + place
    luma = np.arange(width, dtype=np.uint8)[None].repeat(2, 0)
    plane = np.floor(_scene(columns) + 0.5).astype(np.uint8)[None]
    color = ColorSpec(chroma, siting=siting)

    y, u, v = mirrored((luma, plane, plane), color)

    assert np.array_equal(y, luma[:, ::-1])
    wanted = _scene(width - 1 - columns)
    inside = slice(3, -3)  # beyond the border nothing is known
    assert np.abs(u[0].astype(float) - wanted)[inside].max() <= 1.01
    assert np.array_equal(u, v)


def test_mirroring_twice_gives_full_chroma_back() -> None:
    """Where no chroma is left out, mirroring moves samples and changes none."""
    rng = np.random.default_rng(1)
    planes = tuple(rng.integers(0, 1023, (4, 9)).astype(np.uint16) for _ in range(4))
    color = ColorSpec(Chroma.C444, depth=10, alpha=True)
    twice = mirrored(mirrored(planes, color), color)
    assert all(np.array_equal(a, b) for a, b in zip(planes, twice, strict=True))
