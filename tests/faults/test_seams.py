"""Seams between parts, at the default quality: a short run of `benchmarks/seams.py`."""

from pathlib import Path

import pytest

from harness.seams import measure


@pytest.mark.parametrize("kind", ["noise", "still"])
def test_no_seam_shows_at_the_default_quality(tmp_path: Path, kind: str) -> None:
    """A seam's step of mean luma and of sharpness is not above the encoder's 99th percentile."""
    found = measure(tmp_path, kind, frames=80, part_frames=20, multiply=1)
    assert found.count >= 2
    assert not found.show, found
