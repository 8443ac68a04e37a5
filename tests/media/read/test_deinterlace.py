from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import without_deinterlacing
from vinr_cli.media.read.reader import Frame, FrameReader

Make = Callable[..., Path]


@pytest.fixture
def combed(make: Make) -> Path:
    """Ten interlaced frames of a fast bar."""
    bar = "color=black:s=96x64:r=50:d=0.4,format=yuv420p,geq=lum='if(between(X,N*4,N*4+20),220,30)'"
    return make(
        "combed.mkv", "-f", "lavfi", "-i", f"{bar}:cb=128:cr=128,interlace=scan=tff:lowpass=0",
        "-c:v", "ffv1", "-flags", "+ildct",
    )  # fmt: skip


def frames_of(path: Path, start: int | None = None, *, deinterlace: bool = True) -> list[Frame]:
    info = probe(path)
    if not deinterlace:
        info = without_deinterlacing(info)
    with FrameReader(path, info.video, start_pts=start) as reader:
        return list(reader)


def combing(frame: Frame) -> float:
    """How much neighbouring lines differ."""
    return float(np.abs(np.diff(frame.planes[0].astype(int), axis=0)).mean())


def test_interlaced_frames_become_whole_pictures(combed: Path) -> None:
    """A moving bar loses its combs, and no frame and no time is lost."""
    info = probe(combed)
    raw = frames_of(combed, deinterlace=False)
    whole = frames_of(combed)

    assert info.video.interlaced
    assert [f.pts for f in whole] == [f.pts for f in raw]
    assert len(whole) == 10
    assert min(combing(f) for f in raw[1:-1]) > 2 * max(combing(f) for f in whole[1:-1])


def test_a_later_start_gives_the_same_pictures(combed: Path) -> None:
    """Frames read from the middle on are those of a run from the beginning."""
    whole = frames_of(combed)
    later = frames_of(combed, whole[4].pts)

    for early, late in zip(whole[5:], later[1:], strict=True):
        assert np.array_equal(early.planes[0], late.planes[0])


def test_progressive_video_is_not_touched(clip: Make) -> None:
    """A clip whose frames are not marked comes out as it is decoded."""
    path = clip("a.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p", seconds=0.4)

    pairs = zip(frames_of(path), frames_of(path, deinterlace=False), strict=True)

    assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in pairs)


def test_the_notice_says_what_is_done(combed: Path) -> None:
    """The user is told of bwdif, or of the combs if it is turned off."""
    info = probe(combed)

    assert any("bwdif" in text for text in info.notices)
    assert any("combed" in text for text in without_deinterlacing(info).notices)
