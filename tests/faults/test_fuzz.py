"""Damaged files: a subset of `benchmarks/fuzz.py`, with a seed that CI may set."""

import os
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEED = int(os.environ.get("VINR_FUZZ_SEED", "20"))

FUZZ = """
import sys
from pathlib import Path
from harness.fuzz import run_all
cases = range(int(sys.argv[3]), int(sys.argv[4]))
results = run_all(Path(sys.argv[1]), cases, int(sys.argv[2]), 60.0)
assert len(results) == len(cases)
sys.exit(any(result.wrong for result in results))
"""


def fuzz(folder: Path, cases: range, environment: dict[str, str]) -> None:
    """Run cases in a process of their own, which forks: this one has threads."""
    import subprocess

    numbers = [str(SEED), str(cases.start), str(cases.stop)]
    result = subprocess.run(
        [sys.executable, "-c", FUZZ, str(folder), *numbers],
        cwd=BENCHMARKS, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert result.returncode == 0, f"seed {SEED}: {result.stdout}{result.stderr}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runner forks")
def test_damaged_files_are_refused_or_told(tmp_path: Path, environment: dict[str, str]) -> None:
    """Of 14 damaged files none gives a traceback, a hang, or exit code 0 with a wrong file."""
    fuzz(tmp_path, range(14), environment)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runner forks")
@pytest.mark.parametrize("first", [14, 42, 70])
def test_many_damaged_files_are_refused_or_told(
    tmp_path: Path, environment: dict[str, str], first: int
) -> None:
    """Of 98 damaged files, two for each kind and damage, none gives a wrong ending."""
    fuzz(tmp_path, range(first, first + 28), environment)
