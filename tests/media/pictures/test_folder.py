from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.errors import VerificationError
from vinr_cli.media.base.listing import Pattern
from vinr_cli.media.pictures.folder import numbered, pictures_of, with_comment, write_pictures
from vinr_cli.media.read.stills import decode

Make = Callable[..., Path]


@pytest.fixture
def part(clip: Make) -> Path:
    """Five PNGs in a part."""
    return clip("part.mov", "-c:v", "png", "-pix_fmt", "rgb48be", seconds=0.2)


def test_comment(part: Path, tmp_path: Path) -> None:
    """A comment in a PNG is found again by its chunk and leaves the samples alone."""
    before, after = tmp_path / "a.png", tmp_path / "b.png"
    picture = next(pictures_of([part]))
    before.write_bytes(picture)
    after.write_bytes(with_comment(picture, "vinr \N{MULTIPLICATION SIGN}2"))
    assert b"iTXtComment\0\0\0\0\0vinr \xc3\x972" in after.read_bytes()
    a, b = (decode(p, "png").frame.to_ndarray(format="rgb48le") for p in (before, after))
    np.testing.assert_array_equal(a, b)


def test_written(part: Path, tmp_path: Path) -> None:
    """The pictures of two parts are numbered through, and nothing else is left in the folder."""
    pattern = Pattern(tmp_path / "out", "f", 3, ".png")
    pattern.folder.mkdir()
    count = write_pictures([part, part], pattern, tmp_path / "out", size=(64, 48), comment="x")
    assert count == 10
    assert [number for number, _ in numbered(pattern)] == list(range(10))
    assert sorted(p.name for p in pattern.folder.iterdir()) == [f"f{n:03}.png" for n in range(10)]
    first, sixth = (decode(pattern.folder / pattern.name(n), "png").frame for n in (0, 5))
    np.testing.assert_array_equal(first.to_ndarray(), sixth.to_ndarray())


def test_wrong_size(part: Path, tmp_path: Path) -> None:
    """A picture that is not as planned gets no name."""
    pattern = Pattern(tmp_path, "f", 3, ".png")
    with pytest.raises(VerificationError, match=r"f000\.png: is 64x48, planned was 64x50"):
        write_pictures([part], pattern, tmp_path, size=(64, 50), comment="x")
    assert not list(tmp_path.glob("*.png"))
