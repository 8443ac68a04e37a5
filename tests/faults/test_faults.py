"""Every fault of `benchmarks/faults.py`, in shares, ends as promised there."""

import os
import re
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


SHARES = 16


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_every_fault_ends_as_promised(share: int, environment: dict[str, str]) -> None:
    """No fault gives another exit code, a traceback, a lost part, or a file that is not whole."""
    command = [sys.executable, str(ROOT / "benchmarks" / "faults.py")]
    result = subprocess.run(
        [*command, "--share", f"{share}/{SHARES}"],
        env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^[3-9] faults, 0 not as promised$", result.stdout, re.MULTILINE)
