"""What every part's tests may use: the sample clip, a tiny network, the program as a process."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vinr_cli.model.config import CompactConfig

# As the program does, before anything imports torch: threads that wait must not spin, or tests take
# ten times as long where other programs want the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Two are enough to be several; networks this small gain nothing from more.
os.environ.setdefault("OMP_NUM_THREADS", "2")

ROOT = Path(__file__).parents[1]

HANG_SECONDS = 600.0
"""What a process may take before it counts as hanging, also on a machine with little to spare."""

Vinr = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip that `examples/make_clip.py` makes: 48 frames of 160x96 at 24000/1001, and sound."""
    spec = importlib.util.spec_from_file_location("make_clip", ROOT / "examples" / "make_clip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path_factory.mktemp("sample") / "sample.mp4"
    module.make_clip(path)
    return path


@pytest.fixture(scope="session")
def tiny_config() -> "CompactConfig":
    """The smallest sensible network of the packaged family."""
    from harness import tiny

    return tiny.tiny_config()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of a tiny, untrained network."""
    from harness.tiny import make_weights

    return make_weights(tmp_path_factory.mktemp("tiny") / "tiny.safetensors")


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a child process: this program's, and no colours."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "PY_COLORS")}
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    quiet = {"NO_COLOR": "1", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    return kept | quiet | {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def vinr(tmp_path: Path, environment: dict[str, str]) -> Vinr:
    """Run the program as a process in the test's folder: `vinr("probe", path)`."""

    def run(
        *arguments: str | bytes | Path, timeout: float = HANG_SECONDS, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "vinr_cli", *arguments],
            cwd=tmp_path,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=timeout,
            check=False,
        )

    return run
