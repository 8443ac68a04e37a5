from fractions import Fraction
from pathlib import Path

import pytest

import vinr_cli
from vinr_cli.events import Event, Finished, Planned
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
