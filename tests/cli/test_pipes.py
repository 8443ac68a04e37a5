"""The program between two others, as a shell would start it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions

from ..conftest import HANG_SECONDS

VINR = (sys.executable, "-m", "vinr_cli")
SOURCE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=24:d=0.5", "-f", "lavfi", "-i", "sine=d=0.5")


@pytest.fixture(scope="module")
def ffmpeg() -> tuple[str, ...]:
    return (str(find_ffmpeg(EncodeOptions())), "-hide_banner", "-loglevel", "error", "-y")


def start(*command: str, **pipes: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, **pipes)


def close(*pipes: Any) -> None:
    for pipe in pipes:
        pipe.close()


def test_between_two_ffmpegs(ffmpeg: tuple[str, ...], tmp_path: Path) -> None:
    """Ffmpeg | vinr | ffmpeg makes a film with sound, and stdout has nothing else."""
    out = tmp_path / "out.mp4"
    piped = {"stdout": subprocess.PIPE}
    first = start(*ffmpeg, *SOURCE, "-c:a", "aac", "-f", "matroska", "-", **piped)
    vinr = start(
        *VINR, "upscale", "-", "-o", "-", "--scale", "2", stdin=first.stdout,
        stderr=subprocess.PIPE, **piped,
    )  # fmt: skip
    last = start(*ffmpeg, "-i", "-", "-c", "copy", str(out), stdin=vinr.stdout)
    close(first.stdout, vinr.stdout)
    said = vinr.stderr.read().decode() if vinr.stderr else ""
    codes = [process.wait(HANG_SECONDS) for process in (first, vinr, last)]
    close(vinr.stderr)
    assert codes == [0, 0, 0], said
    assert "12 frames" in said
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
        assert len(container.streams.audio) == 1
    assert len(frames) == 12
    assert (frames[0].width, frames[0].height) == (128, 96)


def test_reader_that_goes(ffmpeg: tuple[str, ...], tmp_path: Path) -> None:
    """A reader that has enough ends the program with one line and exit code 141."""
    source = tmp_path / "in.mkv"
    subprocess.run([*ffmpeg, *SOURCE, str(source)], check=True)
    vinr = start(
        *VINR, "upscale", str(source), "-o", "-", "--fps-mult", "8", "--format", "y4m", "-q",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert vinr.stdout is not None
    assert vinr.stderr is not None
    assert vinr.stdout.read(10) == b"YUV4MPEG2 "
    vinr.stdout.close()
    said = vinr.stderr.read().decode()
    vinr.stderr.close()
    assert vinr.wait(HANG_SECONDS) == 141
    assert said == "vinr: error: standard output: whoever read it has gone\n"


def test_stdin_is_left_alone(ffmpeg: tuple[str, ...], tmp_path: Path) -> None:
    """What waits on standard input is still there after a job that was not told to read it."""
    source = tmp_path / "in.mkv"
    subprocess.run([*ffmpeg, *SOURCE, str(source)], check=True)
    read, feed = os.pipe()
    os.write(feed, b"the names of further files\n")
    os.close(feed)
    command = [*VINR, "upscale", str(source), "-o", str(tmp_path / "out.gif"), "--scale", "1"]
    done = subprocess.run(
        command, stdin=read, capture_output=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert os.read(read, 100) == b"the names of further files\n"
    os.close(read)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "a.mp4", "-o", "x.mp4"], "is no folder, and there are 2 inputs"),
        (["a.mp4", "b.mp4", "-o", "-"], "is one stream, and there are 2 inputs"),
        (["-", "-o", "-", "--json"], "writes to standard output, and so does -o -"),
        (["-", "-o", "-", "--format", "pdf"], "--format pdf: is not known"),
    ],
)
def test_refused(arguments: list[str], message: str) -> None:
    """What cannot be with pipes is one line and exit code 2, and nothing is read."""
    command = [*VINR, "upscale", *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [("probe",), ("upscale", "-o", "-", "--scale", "1")])
def test_a_full_standard_output_is_told(sample: Path, arguments: tuple[str, ...]) -> None:
    """What cannot be written to standard output is one line and exit code 4."""
    command = (*VINR, arguments[0], str(sample), *arguments[1:])
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, check=False
        )
    last = done.stderr.decode().splitlines()[-1]
    assert last == "vinr: error: standard output: cannot be written: No space left on device"
    assert done.returncode == 4


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a shell")
def test_a_closed_standard_output_is_told(sample: Path) -> None:
    """A video for a standard output that is closed is refused, and others go on without it."""
    for arguments, code, words in (
        ("-o - --scale 1", 2, "vinr: error: standard output: is closed"),
        ("--dry-run", 0, ""),
    ):
        command = f"exec {shlex.join(VINR)} upscale {shlex.quote(str(sample))} {arguments} >&-"
        done = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, check=False)
        assert done.returncode == code
        assert words in done.stderr.decode()
