"""The scripts in examples/ do what they say."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import MediaInfo
from vinr_cli.media.read.timestamps import scan_timestamps

EXAMPLES = Path(__file__).parents[1] / "examples"

Script = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")


@pytest.fixture
def script(tmp_path: Path, tiny: Path, environment: dict[str, str]) -> Script:
    """Run an example as its first line says, in the test's folder, on a tiny network."""
    program = tmp_path / "bin" / "vinr"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vinr_cli "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])

    def run(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [EXAMPLES / name, *arguments, "--end", "0.1", "--model", tiny],
            env=environment | {"PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def frames(path: Path) -> tuple[MediaInfo, int]:
    media = probe(path)
    return media, len(scan_timestamps(path, media.video).pts)


def test_the_clip_is_small_moving_and_has_sound(sample: Path) -> None:
    """The generated clip has 48 frames at 24000/1001, an AAC track as long, and below 200 kB."""
    media, count = frames(sample)
    assert (media.video.width, media.video.height, count) == (160, 96, 48)
    assert media.video.rate == Fraction(24000, 1001)
    (track,) = media.tracks
    assert track.kind == "audio"
    assert track.duration == pytest.approx(48 * 1001 / 24000, abs=0.03)
    assert sample.stat().st_size < 200_000


def test_the_clip_is_the_same_every_time(sample: Path, tmp_path: Path) -> None:
    """Run as a program, with other values in unused memory, it writes the very bytes again."""
    again = tmp_path / "again.mp4"
    command = [sys.executable, str(EXAMPLES / "make_clip.py"), str(again)]
    subprocess.run(command, env=os.environ | {"MALLOC_PERTURB_": "77"}, check=True)
    assert again.read_bytes() == sample.read_bytes()


def test_single(script: Script, sample: Path, tmp_path: Path) -> None:
    """single.sh makes one file 3.5 times as large with four times the frames, sound kept."""
    done = script("single.sh", sample, "out.mp4")
    assert done.returncode == 0, done.stderr
    media, count = frames(tmp_path / "out.mp4")
    assert (media.video.width, media.video.height, count) == (560, 336, 12)
    assert [track.codec for track in media.tracks] == ["aac"]


def test_film_to_60(script: Script, sample: Path, tmp_path: Path) -> None:
    """film_to_60.sh makes a constant 60 frames/s of the same size and length."""
    done = script("film_to_60.sh", sample, "out.mp4")
    assert done.returncode == 0, done.stderr
    media = probe(tmp_path / "out.mp4")
    times = scan_timestamps(media.path, media.video).pts
    steps = {(b - a) * media.video.time_base for a, b in pairwise(times)}
    assert media.video.width == 160
    assert steps == {Fraction(1, 60)}
    assert len(times) == 8  # three frames of 1001/24000 s last 7.5 frames of 1/60 s


def test_batch_reads_its_own_list(script: Script, sample: Path, tmp_path: Path) -> None:
    """batch.sh does every file of its read loop, odd names included, past one that fails."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a b.mp4", "-c.mp4", "new\nline.mp4"):
        (folder / name).write_bytes(sample.read_bytes())
    (folder / "bad.mp4").write_text("no video")
    done = script("batch.sh", folder, "out")
    assert done.returncode == 1
    assert done.stdout == "1 failed\n"
    assert done.stderr.count("vinr: error: ") == 1
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == [f"{name}-2x-23.976fps.mp4" for name in ("-c", "a b", "new\nline")]


def test_batch_at_once(script: Script, sample: Path, tmp_path: Path) -> None:
    """batch_at_once.sh does a folder in one run of the program and sums up."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).symlink_to(sample)
    done = script("batch_at_once.sh", folder, "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("vinr: 2 of 2 done\n")
    heights = {probe(path).video.height for path in (tmp_path / "out").iterdir()}
    assert heights == {192}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.sh")), ids=lambda path: path.name)
def test_every_example_is_run_here(path: Path) -> None:
    """Each shell example can be started, and a test of this file is named after it."""
    assert path.stat().st_mode & stat.S_IXUSR
    assert any(name == f"test_{path.stem}" or name.startswith(f"test_{path.stem}_")
               for name in globals())  # fmt: skip
