"""What runs on a GPU, by the benchmark that checks it; elsewhere only its rehearsal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def checks(folder: Path, environment: dict[str, str], *options: str) -> list[dict[str, object]]:
    """What the benchmark's checks found."""
    found = folder / "found.json"
    command = [sys.executable, str(BENCHMARK), "--checks-only", "--json", str(found), *options]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[dict[str, object]] = json.loads(found.read_text())["checks"]
    return rows


@pytest.mark.slow
def test_the_gpu_benchmark_can_be_rehearsed(tmp_path: Path, environment: dict[str, str]) -> None:
    """On a CPU, at small sizes, every check passes and every way of computing is among them."""
    rows = checks(tmp_path, environment, "--device", "cpu", "--rehearse")
    names = " ".join(str(row["what"]) for row in rows)
    assert all(row["passes"] for row in rows)
    assert all(word in names for word in ("kernel", "planes", "Triton", "published"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_agrees_with_the_cpu(tmp_path: Path, environment: dict[str, str]) -> None:
    """Every way of computing keeps its floor against the CPU in float32; the kernel compiles."""
    rows = checks(tmp_path, environment, "--device", "cuda")
    assert all(row["passes"] for row in rows)
