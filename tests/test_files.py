import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vinr_cli import files

LONGEST = 255


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new content is there, and no other file is."""
    path = tmp_path / "state.json"
    path.write_text("old")
    files.write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    assert names(tmp_path) == ["state.json"]


@pytest.mark.parametrize("sole", [False, True])
def test_a_failure_leaves_the_old_file(tmp_path: Path, sole: bool) -> None:
    """Whatever is raised while it is written, the name holds what it did, and no other is there."""
    path = tmp_path / "state"
    path.write_text("old")

    def fail() -> None:
        with files.replacing(path, sole=sole) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["state"]


@pytest.mark.parametrize("name", ["x" * LONGEST, "\N{GRINNING FACE}" * (LONGEST // 4)])
def test_the_longest_name_can_be_replaced(tmp_path: Path, name: str) -> None:
    """A name of 255 bytes, which leaves no room for a suffix, is written as any other."""
    files.write_text(tmp_path / name, "new")
    assert names(tmp_path) == [name]


def test_bytes_are_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced, then renamed, then its folder is synced."""
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/dev/fd/{descriptor}") else "file")
        sync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    files.write_text(tmp_path / "a", "a")
    (tmp_path / "b.part").write_bytes(b"b")
    files.publish(tmp_path / "b.part", tmp_path / "b")
    assert done == ["file", "rename", "folder"] * 2


KILLED = """
import os, signal, sys
from pathlib import Path
from vinr_cli.files import replacing
with replacing(Path(sys.argv[1]), sole=True) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_sole_writer_leaves_one_file_at_most(tmp_path: Path, environment: dict[str, str]) -> None:
    """Runs that are killed in the middle leave one unfinished file, and a whole one removes it."""
    path = tmp_path / "checkpoint.pt"
    path.write_text("old")
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(path)], env=environment, check=False
        )
        assert done.returncode == -signal.SIGKILL
        assert names(tmp_path) == ["checkpoint.pt", "checkpoint.pt.part"]
        assert path.read_text() == "old"
    with files.replacing(path, sole=True) as file:
        file.write(b"new")
    assert names(tmp_path) == ["checkpoint.pt"]
    assert path.read_text() == "new"
