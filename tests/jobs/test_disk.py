from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vinr_cli.errors import OutputError
from vinr_cli.jobs import disk
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.plan import Plan
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.plan.job import EncodeOptions, JobSpec

ClipMaker = Callable[..., Path]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def plan(clip: ClipMaker, tmp_path: Path) -> Plan:
    source = clip("in.mp4", range(0, 20 * 512, 512))
    return plan_upscale(JobSpec(source, tmp_path / "o.mkv", encode=EncodeOptions(codec="ffv1")))


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, count))


def test_the_estimate_is_near_for_a_lossless_codec(plan: Plan, tiny: Path) -> None:
    """FFV1 needs between a quarter and four times what is estimated."""
    from dataclasses import replace

    size = run_upscale(replace(plan.spec, model=str(tiny), device="cpu")).output.stat().st_size
    assert disk.bytes_needed(plan) / 4 < size < disk.bytes_needed(plan) * 4


def test_room_is_compared_before_work(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enough room says nothing, less than the estimate warns, far less is refused."""
    need = 2 * disk.bytes_needed(plan)
    free(monkeypatch, need)
    assert disk.check_space(plan, tmp_path, tmp_path, 0) == ""
    free(monkeypatch, need - 1)
    assert "are needed in" in disk.check_space(plan, tmp_path, tmp_path, 0)
    free(monkeypatch, need // 10)
    with pytest.raises(OutputError, match="are free"):
        disk.check_space(plan, tmp_path, tmp_path, 0)


def test_finished_parts_need_no_more_room(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a job that goes on, only what is missing counts, and the whole file."""
    free(monkeypatch, disk.bytes_needed(plan))
    assert disk.check_space(plan, tmp_path, tmp_path, plan.frames) == ""


def test_a_refusal_leaves_nothing(plan: Plan, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is too small is refused before the first frame, and no folder stays."""
    from dataclasses import replace

    free(monkeypatch, 10)

    def never(event: Any) -> None:
        assert type(event).__name__ != "FramesDone"

    with pytest.raises(OutputError, match="are free"):
        run_upscale(replace(plan.spec, model=str(tiny), device="cpu"), never)
    assert not list(plan.output.parent.glob("*.vinr"))
