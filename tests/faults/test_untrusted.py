"""Files from strangers: weights that are programs, names that are options."""

import ast
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.faults import Evil

SRC = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize("name", ["evil.pth", "evil.pt", "evil.safetensors"])
def test_a_pickle_as_weights_does_not_run(
    vinr: Callable[..., Any], sample: Path, tmp_path: Path, name: str
) -> None:
    """A malicious pickle given as weights ends with exit code 6, one line, and has not run."""
    mark = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps({"state": Evil(mark)}))
    ended = vinr("upscale", sample, "--model", name, "-o", "out.mp4")
    assert ended.returncode == 6
    assert "Traceback" not in ended.stderr
    assert not mark.exists()
    assert not (tmp_path / "out.mp4").exists()


def test_no_shell_is_ever_started() -> None:
    """No module passes shell=True or calls os.system or os.popen."""
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            assert not any(word.arg == "shell" for word in node.keywords), path
            assert ast.unparse(node.func) not in {"os.system", "os.popen"}, path
