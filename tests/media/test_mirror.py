import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.media.probe import probe
from vinr_cli.media.reader import FrameReader

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
