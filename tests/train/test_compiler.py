import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, torch
from vinr_cli.train.compiler import load_compiler
load_compiler()
weight = torch.nn.Parameter(torch.zeros(3))
weight.grad = torch.ones(3)
torch.optim.AdamW([weight]).step()
print(os.environ.get("TORCHINDUCTOR_CACHE_DIR"))
"""


def test_an_optimizer_leaves_no_folder(tmp_path: Path, environment: dict[str, str]) -> None:
    """A step of an optimizer leaves nothing in TMPDIR, and the compiler's own setting as it was."""
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment | {"TMPDIR": os.fspath(tmp_path)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout == "None\n"
    assert list(tmp_path.iterdir()) == []
