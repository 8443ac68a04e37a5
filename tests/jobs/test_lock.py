import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vinr_cli.errors import OutputError
from vinr_cli.jobs.lock import STALE_SECONDS, hold

HOLDER = """
import sys, time
from pathlib import Path
from vinr_cli.jobs.lock import hold
with hold(Path(sys.argv[1]), Path("out.mp4")):
    (Path(sys.argv[1]) / "work").touch()
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out.mp4.vinr"


def holder(folder: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def test_a_second_run_is_refused(folder: Path, environment: dict[str, str]) -> None:
    """While a process holds the lock, another is refused, and told which process it is."""
    with holder(folder, environment) as process:
        try:
            with (
                pytest.raises(OutputError, match=f"another run works on it .process {process.pid}"),
                hold(folder, Path("out.mp4")),
            ):
                pass
        finally:
            process.kill()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_owner_is_stale(folder: Path, environment: dict[str, str]) -> None:
    """After kill -9 the lock is free at once, and the next owner knows whom it follows."""
    with holder(folder, environment) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with hold(folder, Path("out.mp4")) as lock:
        assert lock.stale.startswith(f"process {process.pid} on ")
    with hold(folder, Path("out.mp4")) as lock:
        assert lock.stale == ""


def test_an_owner_elsewhere_counts_while_it_is_fresh(folder: Path) -> None:
    """A lock signed on another machine holds until it has given no sign for a while."""
    folder.mkdir()
    path = folder / "lock"
    path.write_text(json.dumps({"pid": 7, "host": "another-machine"}))
    with pytest.raises(OutputError, match="process 7 on another-machine"), hold(folder, path):
        pass
    old = time.time() - STALE_SECONDS - 1
    os.utime(path, (old, old))
    with hold(folder, path) as lock:
        lock.beat()
        assert lock.stale == "process 7 on another-machine"
        assert time.time() - path.stat().st_mtime < STALE_SECONDS


def test_an_empty_folder_does_not_stay(folder: Path) -> None:
    """The folder goes with the lock if nothing else is in it, also after a failure."""
    with hold(folder, Path("out.mp4")):
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(ZeroDivisionError), hold(folder, Path("out.mp4")):
        raise ZeroDivisionError
    assert not folder.exists()
    with hold(folder, Path("out.mp4")):
        (folder / "part").touch()
    assert (folder / "part").exists()


def test_garbage_in_the_lock_file_is_no_owner(folder: Path) -> None:
    """A lock file that was torn names nobody and keeps nobody out."""
    folder.mkdir()
    (folder / "lock").write_bytes(b"\xff{")
    with hold(folder, Path("out.mp4")) as lock:
        assert lock.stale == ""


def test_a_second_run_of_one_process_is_refused(folder: Path) -> None:
    """A process that holds the lock is refused a second time, and holds it on."""
    with hold(folder, Path("out.mp4")):
        with (
            pytest.raises(OutputError, match=f"another run works on it .process {os.getpid()} "),
            hold(folder, Path("out.mp4")),
        ):
            pass
        assert json.loads((folder / "lock").read_text())["pid"] == os.getpid()
    assert not folder.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_in_the_place_of_the_lock_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """A link called `lock` makes the run fail, and what it leads to is as before."""
    folder.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (folder / "lock").symlink_to(precious)
    with pytest.raises(OutputError, match="work folder cannot be written"), hold(folder, folder):
        pass
    assert precious.read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    """A file in the place of the folder is told in one line."""
    (tmp_path / "out.vinr").touch()
    with (
        pytest.raises(OutputError, match="work folder cannot be written"),
        hold(tmp_path / "out.vinr", Path("out.mp4")),
    ):
        pass
