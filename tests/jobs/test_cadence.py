"""`--dedup` from file to file: what moved by fits and starts moves evenly."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from vinr_cli.events import Event, Notice, PartDone
from vinr_cli.jobs.announce import planned
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.plan.job import JobSpec, RateKind, RateRequest
from vinr_cli.plan.repeats import DEFAULT_REPEAT

HEIGHT, WIDTH, STEP = 64, 160, 4
TWICE = RateRequest(RateKind.MULTIPLY, Fraction(2))


def write_ball(path: Path, holds: Sequence[int], rate: int, cut_at: int = -1) -> Path:
    """A bright ball over a still texture, 4 pixels further with each picture.

    Args:
        path: The file.
        holds: How often each picture is shown.
        rate: Frames per second.
        cut_at: Picture with which another scene begins, whose texture is dark.
    """
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    texture = np.random.default_rng(0).normal(0, 5, (HEIGHT, WIDTH))
    with av.open(path, "w") as container:
        video = cast(Any, container.add_stream("libx264", rate=rate))
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"crf": "20", "preset": "veryfast"}
        for k, hold in enumerate(holds):
            level = 30 if 0 <= cut_at <= k else 100
            ball = np.clip(11 - np.hypot(x - (20 + STEP * k), y - HEIGHT / 2), 0, 1)
            gray = texture + level + (235 - level - texture) * ball
            frame = av.VideoFrame.from_ndarray(gray.clip(0, 255).astype(np.uint8), "gray")
            for _ in range(hold):
                container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode(None))
    return path


def ball(path: Path) -> list[tuple[Fraction, float]]:
    """Time of each frame, and how many pictures the ball has gone."""
    places = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            bright = frame.to_ndarray(format="gray").astype(float).clip(150) - 150
            column = (bright.sum(0) * np.arange(WIDTH)).sum() / bright.sum()
            assert frame.time_base is not None
            places.append((frame.pts * frame.time_base, float((column - 20) / STEP)))
    return places


def even(spec: JobSpec, **changes: Any) -> JobSpec:
    return replace(spec, repeat_threshold=DEFAULT_REPEAT, **changes)


@pytest.mark.parametrize(
    ("holds", "rate"),
    [([2] * 12, 24), ([3] * 8, 24), ([1, 1, 1, 2] * 4, 30), ([3, 2] * 5, 60)],
    ids=["twos", "threes", "24 in 30", "24 in 60"],
)
def test_a_ball_moves_evenly(tmp_path: Path, holds: list[int], rate: int) -> None:
    """A ball that moved by fits moves by the same step each, through the packaged network."""
    source = write_ball(tmp_path / "in.mp4", holds, rate)
    spec = JobSpec(source, tmp_path / "out.mp4", rate=TWICE)
    finished = run_upscale(even(spec))
    assert finished.duration == Fraction(sum(holds), rate)

    places = ball(tmp_path / "out.mp4")
    assert [time for time, _ in places] == [Fraction(k, 2 * rate) for k in range(2 * sum(holds))]
    moving = [place for _, place in places if place < len(holds) - 1.1]
    steps = np.diff(moving)
    assert steps.mean() == pytest.approx(len(holds) / sum(holds) / 2, rel=0.02)
    assert steps.min() > 0.7 * steps.mean()
    assert steps.max() < 1.3 * steps.mean()


def test_off_by_default(tmp_path: Path) -> None:
    """Without the option a ball on twos stands still every other time, as in the source."""
    source = write_ball(tmp_path / "in.mp4", [2] * 6, 24)
    run_upscale(JobSpec(source, tmp_path / "out.mp4", rate=TWICE))
    steps = np.diff([place for _, place in ball(tmp_path / "out.mp4")])
    assert steps.min() < 0.05


def test_nothing_moves_across_a_cut_or_a_still(tmp_path: Path) -> None:
    """The ball stays as long as it did before a cut, and in a still in the middle of motion."""
    source = write_ball(tmp_path / "in.mp4", [2] * 6 + [12] + [2] * 6, 24, cut_at=9)
    run_upscale(even(JobSpec(source, tmp_path / "out.mp4", rate=TWICE)))
    places = [place for _, place in ball(tmp_path / "out.mp4")]
    cut = 2 * (6 * 2 + 12 + 2 * 2)
    assert max(places[:cut]) < 8.1
    assert places[cut] == pytest.approx(9, abs=0.1)
    still = places[2 * 12 : 2 * 23]
    assert max(still) - min(still) < 0.1


def test_the_plan_says_how_many(tmp_path: Path) -> None:
    """Before any frame is made, the number of repeats and their pattern are told."""
    source = write_ball(tmp_path / "in.mp4", [1, 1, 1, 2] * 4, 30)
    plan = plan_upscale(even(JobSpec(source, tmp_path / "out.mp4")))
    assert "4 of 20 frames repeat the one before (as 4 in 5)" in plan.notices
    assert ("repeats", "4, interpolated across") in planned(plan).details
    later = plan_upscale(even(JobSpec(source, tmp_path / "out.mp4", start=Fraction(1, 3))))
    assert "2 of 10 frames repeat the one before" in later.notices


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_a_job_that_goes_on_makes_the_same_frames(tmp_path: Path, tiny: Path, suffix: str) -> None:
    """Parts of two runs fit together to what one run makes, at any pattern's phase."""
    source = write_ball(tmp_path / "in.mp4", [1, 1, 1, 2] * 8 + [2] * 8, 30, cut_at=14)
    spec = even(JobSpec(source, tmp_path / "whole.mkv", rate=TWICE, model=str(tiny), part_frames=9))
    run_upscale(spec)
    broken = replace(spec, output=tmp_path / "parts.mkv")

    def fail(event: Event) -> None:
        if isinstance(event, PartDone) and event.start > 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_upscale(broken, fail)
    said: list[str] = []
    run_upscale(broken, lambda e: said.append(e.text) if isinstance(e, Notice) else None)

    assert any("going on" in text for text in said)
    assert pictures(tmp_path / "parts.mkv") == pictures(tmp_path / "whole.mkv")


def pictures(path: Path) -> list[tuple[Any, bytes]]:
    with av.open(path) as container:
        return [(f.pts, f.to_ndarray().tobytes()) for f in container.decode(video=0)]


def test_the_output_says_so(tmp_path: Path, tiny: Path) -> None:
    """The result's comment names the repeats."""
    source = write_ball(tmp_path / "in.mp4", [2] * 6, 24)
    run_upscale(even(JobSpec(source, tmp_path / "out.mp4", rate=TWICE, model=str(tiny))))
    with av.open(tmp_path / "out.mp4") as container:
        assert "6 repeats interpolated across" in container.metadata["comment"]
