"""Kill -9 at random moments: a short series of `benchmarks/kill_resume.py`."""

import os
from pathlib import Path

import pytest

from harness.kill_resume import Series

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL"),
]


def test_a_job_survives_kills(tmp_path: Path) -> None:
    """After five kills at random moments the output has the bytes of an undisturbed run."""
    series = Series(tmp_path, frames=300, part_frames=30)
    report = series.run(5, seed=3)
    assert report.faults == ()
    assert report.identical
    assert report.one_job
    assert sum(report.kills.values()) == 5
