"""How strongly a job takes out traces of codecs."""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.errors import OutputError, UsageError
from vinr_cli.events import Event, FramesDone
from vinr_cli.jobs.decisions import details, tags
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.plan.job import EncodeOptions, JobSpec, SizeRequest

ClipMaker = Callable[..., Path]
STEP = 512
TWICE = SizeRequest(scale=Fraction(2))


@pytest.fixture
def fine(clip: ClipMaker) -> Path:
    """Coded at QP 10, as every clip of these tests."""
    return clip("fine.mp4", range(0, 12 * STEP, STEP))


def recoded(source: Path, path: Path, options: dict[str, str]) -> Path:
    """The clip through x264 once more."""
    with av.open(str(source)) as frames, av.open(str(path), "w") as target:
        video = target.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        for frame in frames.decode(video=0):
            target.mux(video.encode(frame))
        target.mux(video.encode())
    return path


@pytest.fixture
def coarse(fine: Path, tmp_path: Path) -> Path:
    """The same at QP 40."""
    return recoded(fine, tmp_path / "coarse.mp4", {"qp": "40"})


def told(spec: JobSpec) -> tuple[str | None, bool]:
    """The plan's line about it at twice the size, and whether the result's comment has one."""
    plan = plan_upscale(replace(spec, size=TWICE))
    return dict(details(plan)).get("deblock"), "deblock" in tags(plan)["comment"]


def test_the_source_chooses(fine: Path, coarse: Path) -> None:
    """A fine source gets half of it, a coarse one the most, and the plan says why."""
    for source, words in ((fine, r"0\.5: mean quantizer 9\.\d of h264"),
                          (coarse, r"1\.75: mean quantizer 3\d\.\d of h264")):  # fmt: skip
        line, tagged = told(JobSpec(source))
        assert re.fullmatch(words, line or "")
        assert tagged


def test_what_is_asked_for_is_done(coarse: Path) -> None:
    """A strength of the user's goes before what the source says."""
    assert told(JobSpec(coarse, deblock=0.25)) == ("0.25: as asked", True)


def test_a_silent_source(clip: ClipMaker) -> None:
    """A source that does not tell its quantizers gets the weights as they are."""
    source = clip("a.avi", range(0, 6 * STEP, STEP), codec="mjpeg", pix_fmt="yuvj420p")
    assert told(JobSpec(source)) == ("1: the source does not tell its quantizers", True)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.nut", "rawvideo")])
def test_a_lossless_source(clip: ClipMaker, name: str, codec: str) -> None:
    """A source that was coded without loss gets half of it."""
    source = clip(name, range(0, 6 * STEP, STEP), codec=codec)
    assert told(JobSpec(source)) == ("0.5: the source was coded without loss", True)


def test_the_same_size_is_not_cleaned(coarse: Path) -> None:
    """Where the source's own frames are shown, those between are no cleaner than `video` is."""
    for spec, line in (
        (JobSpec(coarse), r"1: mean quantizer 3.* of h264, and no more where the size stays"),
        (JobSpec(coarse, deblock=1.5), r"1\.5: as asked"),
    ):
        assert re.fullmatch(line, dict(details(plan_upscale(spec)))["deblock"])


def test_only_what_is_used_counts(clip: ClipMaker, tmp_path: Path) -> None:
    """Of a source whose second half is coarse, a job of the first half sees the first half."""
    zones = {"x264-params": "zones=0,11,q=10/12,23,q=51:keyint=12:min-keyint=12"}
    source = recoded(clip("a.mp4", range(0, 24 * STEP, STEP)), tmp_path / "both.mp4", zones)
    half = Fraction(12, 25)
    found = [
        told(job)[0]
        for job in (JobSpec(source, end=half), JobSpec(source), JobSpec(source, start=half))
    ]
    strengths = [float((line or "").partition(":")[0]) for line in found]
    assert strengths[0] == 0.5
    assert 0.5 < strengths[1] < 1.75
    assert strengths[2] == 1.75


def test_other_models_have_one_strength(fine: Path, tiny: Path) -> None:
    """A model without a line says nothing about it, and refuses to be asked for a place on it."""
    for model in ("clean", str(tiny)):
        assert told(JobSpec(fine, model=model)) == (None, False)
        with pytest.raises(UsageError, match="means nothing to the model"):
            plan_upscale(JobSpec(fine, model=model, deblock=1.0))
    with pytest.raises(UsageError, match=r"from 0 to 1\.75"):
        plan_upscale(JobSpec(fine, deblock=2.0))


def pictures(path: Path) -> list[NDArray[Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def test_strengths_change_the_picture(coarse: Path, tmp_path: Path) -> None:
    """Strength 0 makes the frames of `clean`, and every other strength other ones."""
    exact = EncodeOptions(codec="ffv1")
    spec = JobSpec(coarse, size=TWICE, device="cpu", encode=exact)
    jobs = {
        "clean": replace(spec, model="clean"),
        **{f"{s:g}": replace(spec, deblock=s) for s in (0.0, 1.0, 1.75)},
        "auto": spec,
    }
    made = {
        name: pictures(run_upscale(replace(job, output=tmp_path / f"{name}.mkv")).output)
        for name, job in jobs.items()
    }
    np.testing.assert_array_equal(made["0"], made["clean"])
    np.testing.assert_array_equal(made["auto"], made["1.75"])
    assert (np.stack(made["1"]) != np.stack(made["0"])).any()
    assert (np.stack(made["1.75"]) != np.stack(made["1"])).any()


def test_another_strength_is_another_job(coarse: Path, tmp_path: Path) -> None:
    """Parts of a run are not continued with another strength; the refusal names both."""
    out = tmp_path / "out.mkv"
    spec = JobSpec(coarse, out, TWICE, device="cpu", part_frames=4, work_dir=tmp_path)

    def fail(event: Event) -> None:
        if isinstance(event, FramesDone) and event.done > 8:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_upscale(spec, fail)
    with pytest.raises(OutputError, match=r"deblock was 1\.75, is 1"):
        run_upscale(replace(spec, deblock=1.0))
    assert run_upscale(replace(spec, deblock=1.75)).output.exists()
