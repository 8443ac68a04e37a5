import subprocess
import sys
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import pytest

import vinr_cli
from vinr_cli.events import Event, Finished, Planned
from vinr_cli.media.join.verification import decode_all
from vinr_cli.media.measure import make_test_clip
from vinr_cli.media.read.describe import probe
from vinr_cli.plan.job import JobSpec


def test_a_program_makes_a_video_in_one_call(sample: Path, tiny: Path, tmp_path: Path) -> None:
    """`upscale_video` takes numbers as people write them, and the rest as a JobSpec."""
    events: list[Event] = []
    options = JobSpec(input=Path("unused"), model=str(tiny), end=Fraction(1, 10), audio=False)
    done = vinr_cli.upscale_video(
        sample, tmp_path / "out.mkv", scale=1.5, fps=29.97, options=options, report=events.append
    )
    assert done == events[-1]
    assert isinstance(done, Finished)
    planned = next(event for event in events if isinstance(event, Planned))
    assert planned.input == sample
    assert planned.output_rate == Fraction(30000, 1001)
    media = probe(tmp_path / "out.mkv")
    assert (media.video.width, media.video.height, media.tracks) == (240, 144, ())


def test_contradictions_are_refused_as_on_the_command_line(tmp_path: Path) -> None:
    """Two sizes at once, or a number that is none, raise the same UsageError."""
    with pytest.raises(vinr_cli.VinrError, match="exclude each other"):
        vinr_cli.upscale_video("in.mp4", scale=2, size=(64, 48))
    with pytest.raises(vinr_cli.VinrError, match="fps 0: must be greater than 0"):
        vinr_cli.upscale_video("in.mp4", fps=0)
    with pytest.raises(vinr_cli.VinrError, match="no such file"):
        vinr_cli.upscale_video(tmp_path / "nix.mp4")


def run_python(code: str, stdin: Path | None, stdout: Path, *arguments: str) -> str:
    """Run a program with pipes at its ends; what it said on standard error."""
    with ExitStack() as stack:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.DEVNULL if stdin is None else stack.enter_context(stdin.open("rb")),
            stdout=stack.enter_context(stdout.open("wb")),
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stderr


PIPED = """
import sys
import vinr_cli
from vinr_cli.plan.job import JobSpec
from pathlib import Path

source, output, model = sys.argv[1:]
options = JobSpec(Path(), model=model, device="cpu", end=1)
done = vinr_cli.upscale_video(source, output, scale=1, fps_mult=2, options=options)
print(done.frames, file=sys.stderr)
"""


def test_a_call_may_write_standard_output(sample: Path, tiny: Path, tmp_path: Path) -> None:
    """`upscale_video(source, "-")` streams the video to standard output, and to nothing else."""
    result = tmp_path / "piped.mkv"

    said = run_python(PIPED, None, result, str(sample), "-", str(tiny))

    assert not Path("-").exists()
    assert decode_all(result) == int(said.split()[-1])


def test_a_call_may_read_standard_input(tiny: Path, tmp_path: Path) -> None:
    """`upscale_video("-", file)` makes the file of what comes in."""
    source, result = tmp_path / "in.mkv", tmp_path / "made.mkv"
    make_test_clip(source, frames=6, size=(64, 48))

    said = run_python(PIPED, source, tmp_path / "nothing", "-", str(result), str(tiny))

    assert decode_all(result) == int(said.split()[-1]) == 12
    assert (tmp_path / "nothing").stat().st_size == 0
