"""Damaged files: a subset of `benchmarks/fuzz.py`, with a seed that CI may set."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("VINR_FUZZ_SEED", "20"))

FUZZ = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import fuzz
results = fuzz.run_all(Path(sys.argv[2]), range(int(sys.argv[4])), int(sys.argv[3]), 60.0)
assert len(results) == int(sys.argv[4])
sys.exit(any(result.wrong for result in results))
"""


def fuzz(folder: Path, cases: int, environment: dict[str, str]) -> None:
    """Run cases in a process of their own, which forks: this one has threads."""
    import subprocess

    result = subprocess.run(
        [sys.executable, "-c", FUZZ, str(ROOT / "benchmarks"), str(folder), str(SEED), str(cases)],
        env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert result.returncode == 0, f"seed {SEED}: {result.stdout}{result.stderr}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runner forks")
def test_damaged_files_are_refused_or_told(tmp_path: Path, environment: dict[str, str]) -> None:
    """Of 14 damaged files none gives a traceback, a hang, or exit code 0 with a wrong file."""
    fuzz(tmp_path, 14, environment)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runner forks")
def test_many_damaged_files_are_refused_or_told(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """Of 98 damaged files, two for each kind and damage, none gives a wrong ending."""
    fuzz(tmp_path, 98, environment)
