"""Every fault of `benchmarks/faults.py` ends as promised there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.skipif(os.name == "nt", reason="the faults are those of POSIX systems"),
]
ROOT = Path(__file__).parents[2]


def test_every_fault_ends_as_promised(environment: dict[str, str]) -> None:
    """No fault gives another exit code, a traceback, a lost part, or a file that is not whole."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "faults.py")],
        env=environment, capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.rstrip().endswith("faults, 0 not as promised")
