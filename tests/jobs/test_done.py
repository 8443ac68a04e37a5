"""A run that was killed after the rename: nothing is done again, and nothing of it stays."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.errors import OutputExistsError
from vinr_cli.events import Event, Finished, FramesDone, Notice
from vinr_cli.jobs import file_job
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.plan.job import JobSpec

STEP = 512
ClipMaker = Callable[..., Path]


@pytest.fixture
def killed(clip: ClipMaker, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobSpec:
    """A job whose run ended between the rename and the clean-up."""
    source = clip("in.mp4", range(0, 12 * STEP, STEP), sound=Fraction(1, 2))
    spec = JobSpec(source, tmp_path / "out.mp4", model=str(tiny), device="cpu", part_frames=6)
    with monkeypatch.context() as patch:
        patch.setattr(file_job, "discard", lambda folder: None)
        run_upscale(spec)
    assert (tmp_path / "out.mp4.vinr" / "job.json.done").exists()
    return spec


def test_the_same_command_says_that_it_is_done(killed: JobSpec, tmp_path: Path) -> None:
    """The next run removes the work folder, keeps the file, and tells what the first would have."""
    output = tmp_path / "out.mp4"
    before = output.stat()
    events: list[Event] = []
    finished = run_upscale(killed, events.append)
    assert (finished.output, finished.frames, finished.duration) == (output, 12, Fraction(12, 25))
    assert [type(event) for event in events] == [Notice, Finished]
    assert os.path.samestat(output.stat(), before)
    assert output.stat().st_mtime_ns == before.st_mtime_ns
    assert set(tmp_path.iterdir()) == {output, killed.input}
    with pytest.raises(OutputExistsError):
        run_upscale(killed)


def test_with_overwrite_it_is_made_of_the_same_parts(killed: JobSpec, tmp_path: Path) -> None:
    """--overwrite asks for the file anew: it is joined again, and no frame is made again."""
    events: list[Event] = []
    run_upscale(replace(killed, overwrite=True), events.append)
    assert not any(isinstance(event, FramesDone) for event in events)
    assert set(tmp_path.iterdir()) == {tmp_path / "out.mp4", killed.input}


@pytest.mark.parametrize("how", ["file", "options"])
def test_what_is_not_its_file_is_refused(killed: JobSpec, tmp_path: Path, how: str) -> None:
    """Another file under the final name, or other options, are refused, and the parts stay."""
    output = tmp_path / "out.mp4"
    if how == "file":
        shutil.copy2(output, tmp_path / "copy.mp4")
        os.replace(tmp_path / "copy.mp4", output)
    else:
        killed = replace(killed, scene_threshold=None)
    parts = set((tmp_path / "out.mp4.vinr").iterdir())
    with pytest.raises(OutputExistsError):
        run_upscale(killed)
    assert set((tmp_path / "out.mp4.vinr").iterdir()) == parts
