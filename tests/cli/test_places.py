"""Names and folders that no command can use: one line and an exit code, whatever the command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vinr_cli.cli.app import main

from ..conftest import HANG_SECONDS

LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        ["upscale", f"{LONG}.mp4"], ["upscale", "here.mp4", "-o", f"{LONG}.mp4"],
        ["upscale", "here.mp4", "-o", f"{LONG}/a.mp4"], ["upscale", "here.mp4", "--model", LONG],
        ["upscale", "here.mp4", "--model", f"{LONG}.safetensors"],
        ["upscale", "here.mp4", "--model", f"hf:org/{LONG}"], ["probe", f"{LONG}.mp4"],
        ["models", "--remove", LONG], ["models", "--remove", ".."], ["models", "--remove", ""],
        ["download-weights", LONG], ["download-weights", LONG, "--from", "here.mp4"],
        ["download-weights", f"hf:org/{LONG}"], ["download-weights", "mine", "--from", LONG],
        ["convert-weights", f"{LONG}.pth", "-o", "o.safetensors"],
        ["convert-weights", "here.mp4", "-o", f"{LONG}.safetensors"],
        ["evaluate", LONG], ["train", LONG, "--run-dir", "run"], ["bench", "--model", LONG],
    ],
    ids=lambda words: " ".join(words).replace(LONG, "LONG"),
)  # fmt: skip
def test_a_name_that_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    """A name that is too long, or leads elsewhere, is one line that is no bug; no file is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VINR_HOME", str(tmp_path / "home"))
    (tmp_path / "here.mp4").write_bytes(b"nothing")
    assert main(words) in (2, 3, 4, 6)
    said = capsys.readouterr().err
    assert re.fullmatch(r"vinr: error: .+\n", said)
    assert "a bug in vinr" not in said
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["here.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the current folder")
@pytest.mark.parametrize(
    ("words", "code"), [("models", 2), ("upscale /a.mp4", 2), ("evaluate .", 2), ("--help", 0)]
)
def test_a_folder_that_has_been_deleted(
    tmp_path: Path, environment: dict[str, str], words: str, code: int
) -> None:
    """In a current folder that is gone a command says so in one line; help is still given."""
    gone = tmp_path / "gone"
    gone.mkdir()
    program = (
        "import os, sys; os.rmdir(os.getcwd());"
        "from vinr_cli.cli.app import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words.split()], cwd=gone, env=environment,
        capture_output=True, text=True, check=False, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert done.returncode == code
    assert done.stderr.count("\n") == (code != 0)
    assert code == 0 or "the current folder: has been deleted" in done.stderr
