import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from vinr_cli.errors import InputError, OutputError, UsageError
from vinr_cli.jobs.plan_upscale import plan_upscale, require_target
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest

ClipMaker = Callable[..., Path]
STEP = 512  # ticks of a 25 frames/s clip at 1/12800


@pytest.fixture
def source(clip: ClipMaker) -> Path:
    """Ten frames at 25 frames a second."""
    return clip("in.mp4", range(0, 10 * STEP, STEP))


def rate(kind: RateKind, value: str) -> RateRequest:
    return RateRequest(kind, Fraction(value))


def test_the_plan_of_a_constant_rate(source: Path) -> None:
    """Size, rate, count, duration and name of a constant-rate clip are as asked for."""
    plan = plan_upscale(
        JobSpec(
            source,
            size=SizeRequest(scale=Fraction(7, 2)),
            rate=rate(RateKind.MULTIPLY, "4"),
        )
    )
    assert plan.size == (168, 112)
    assert plan.rate == 100
    assert plan.frames == 40
    assert plan.duration == Fraction(2, 5)
    assert plan.output == source.with_name("in-3.5x-100fps.mp4")
    assert plan.window.cut is None
    assert plan.encoder.encoder == "libx264"


def test_the_plan_of_a_variable_rate(clip: ClipMaker) -> None:
    """A variable rate stays variable under a multiplier and becomes constant under a target."""
    source = clip("in.mkv", [0, 40, 100, 110, 400], time_base=Fraction(1, 1000))
    plan = plan_upscale(JobSpec(source, rate=rate(RateKind.MULTIPLY, "2")))
    assert plan.rate is None
    assert plan.frames == 10
    assert plan.output.name == "in-vfr.mkv"
    assert "the frame rate varies" in plan.notices

    plan = plan_upscale(JobSpec(source, rate=rate(RateKind.TARGET, "50")))
    assert plan.rate == 50
    assert plan.frames == -(-plan.window.duration * 50 // 1)


def test_film_rate_in_milliseconds_stays_exact(clip: ClipMaker) -> None:
    """23.976 in Matroska's milliseconds is planned as 24000/1001, times the multiplier."""
    film = Fraction(24000, 1001)
    pts = [round(i * 1000 / film) for i in range(30)]
    source = clip("in.mkv", pts, time_base=Fraction(1, 1000), rate=film)
    plan = plan_upscale(JobSpec(source, rate=rate(RateKind.MULTIPLY, "5/2")))
    assert plan.rate == Fraction(60000, 1001)
    assert plan.frames == 75
    assert plan.output.name == "in-59.94fps.mkv"


@pytest.mark.parametrize(
    ("asked", "first", "after"),
    [
        ((None, None), 0, 10),
        (("0", "100"), 0, 10),
        (("0.08", None), 2, 10),
        (("0.081", None), 3, 10),
        ((None, "0.2"), 0, 5),
        (("0.12", "0.2401"), 3, 7),
        (("0.36", None), 9, 10),
    ],
)
def test_start_and_end_are_frame_exact(
    source: Path, asked: tuple[str | None, str | None], first: int, after: int
) -> None:
    """Frames with start <= time < end are used, counted from the first frame."""
    start, end = (None if s is None else Fraction(s) for s in asked)
    plan = plan_upscale(JobSpec(source, start=start, end=end))
    window = plan.window
    assert window.frames == plan.frames == after - first
    assert window.start_pts == (first * STEP or None)
    assert window.end_pts == (None if after == 10 else after * STEP)
    assert window.duration == Fraction(after - first, 25)
    assert (window.cut is None) == (after - first == 10)


def test_an_output_folder_gets_the_planned_name(source: Path, tmp_path: Path) -> None:
    """Where the output is a folder, the name is chosen inside of it."""
    folder = tmp_path / "results"
    folder.mkdir()
    plan = plan_upscale(JobSpec(source, output=folder, size=SizeRequest(height=64)))
    assert plan.output == folder / "in-96x64-25fps.mp4"


def test_a_codec_may_choose_the_container_of_the_planned_name(source: Path) -> None:
    """FFV1 does not go into MP4, so the planned name is Matroska's."""
    plan = plan_upscale(JobSpec(source, encode=EncodeOptions(codec="ffv1")))
    assert plan.output.suffix == ".mkv"
    with pytest.raises(UsageError, match="does not go into mp4"):
        plan_upscale(JobSpec(source, source.with_name("x.mp4"), encode=EncodeOptions(codec="ffv1")))


def test_odd_sizes_become_even_only_where_the_encoder_needs_it(clip: ClipMaker) -> None:
    """4:2:0 H.264 needs even sides; 4:4:4 keeps the odd ones."""
    source = clip("in.mkv", [0, 40], time_base=Fraction(1, 1000), size=(37, 21), pix_fmt="yuv444p")
    assert plan_upscale(JobSpec(source)).size == (37, 21)
    even = JobSpec(source, encode=EncodeOptions(pix_fmt="yuv420p"))
    assert plan_upscale(even).size == (38, 22)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": SizeRequest(scale=Fraction(1, 5))}, "factor of 0.2"),
        ({"size": SizeRequest(scale=Fraction(17))}, "factor of 17"),
        ({"rate": rate(RateKind.TARGET, "1001")}, "--fps: 1001 means 1001 frames/s"),
        ({"rate": rate(RateKind.MULTIPLY, "41")}, "--fps-mult: 41 means 1025 frames/s"),
        ({"rate": rate(RateKind.SLOW_MOTION, "1000000000")}, "frames"),
        ({"start": Fraction(4)}, "--start: 4 s is beyond the last frame"),
        ({"start": Fraction(1, 1000), "end": Fraction(2, 1000)}, "no frame of .* lies between"),
        ({"encode": EncodeOptions(codec="nonsense")}, "unknown codec"),
    ],
)
def test_what_cannot_be_is_refused_with_its_value(
    source: Path, options: dict[str, Any], words: str
) -> None:
    """Impossible scales, rates and ranges raise UsageError that names option and value."""
    with pytest.raises(UsageError, match=words):
        plan_upscale(JobSpec(source, **options))


def test_an_input_that_is_no_video_is_refused(tmp_path: Path) -> None:
    """Missing files, folders and text are InputErrors."""
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    for path in (tmp_path / "missing.mp4", tmp_path, text):
        with pytest.raises(InputError):
            plan_upscale(JobSpec(path))


def refused(spec: JobSpec, words: str) -> None:
    plan = plan_upscale(spec)
    with pytest.raises(OutputError, match=words):
        require_target(plan)


def test_targets_that_must_not_be_written_are_refused(source: Path, tmp_path: Path) -> None:
    """Input as output (also through links), existing files and missing folders are refused."""
    soft, hard = tmp_path / "soft.mp4", tmp_path / "hard.mp4"
    soft.symlink_to(source)
    os.link(source, hard)
    for name in (source, soft, hard, tmp_path / "." / "in.mp4"):
        refused(JobSpec(source, name, overwrite=True), "is the input itself")
    refused(JobSpec(source, tmp_path / "no" / "out.mp4"), "does not exist")
    existing = tmp_path / "out.mp4"
    existing.write_bytes(b"mine")
    refused(JobSpec(source, existing), "exists already")
    dangling = tmp_path / "dangling.mp4"
    dangling.symlink_to(tmp_path / "nowhere.mp4")
    refused(JobSpec(source, dangling), "exists already")
    require_target(plan_upscale(JobSpec(source, existing, overwrite=True)))
    assert existing.read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder in which no file can be made is refused before any work, also for root."""
    plan = plan_upscale(JobSpec(source, tmp_path / "out.mp4", encode=EncodeOptions()))
    require_target(plan)
    assert list(tmp_path.glob(".*")) == []  # the trial leaves nothing

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        require_target(plan)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_a_special_folder_is_refused(source: Path) -> None:
    """A folder that claims to be writable and is not, such as /proc, is refused."""
    plan = plan_upscale(JobSpec(source, Path("/proc/vinr-test.mp4")))
    with pytest.raises(OutputError, match="/proc cannot be written"):
        require_target(plan)


def test_planning_needs_no_torch(source: Path) -> None:
    """Planning a job, and refusing one, never imports torch."""
    code = (
        "import sys; from pathlib import Path; from vinr_cli.jobs.upscale import plan_upscale;"
        "from vinr_cli.plan.job import JobSpec;"
        f"plan_upscale(JobSpec(Path({str(source)!r})));"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def claim(source: Path, seconds: int) -> Path:
    """A copy of an MP4 file whose last frame claims to be shown for so long."""
    path = source.with_name("claims.mp4")
    with av.open(source) as old, av.open(path, "w") as new:
        before = old.streams.video[0]
        after = new.add_stream_from_template(before)
        packets = [packet for packet in old.demux(before) if packet.size]
        assert before.time_base is not None
        packets[-1].duration = int(seconds / before.time_base)
        for packet in packets:
            packet.stream = after
            new.mux(packet)
    return path


def test_a_claim_of_thirty_hours_is_told_or_refused(clip: ClipMaker) -> None:
    """Ten frames that claim 30 hours: --fps is refused before work, --fps-mult tells it."""
    ticks = Fraction(1, 1000)
    source = claim(clip("in.mp4", range(0, 400, 40), time_base=ticks), 108_000)
    with pytest.raises(UsageError, match="is shown for 30 h 0 min: 6480000 frames would be made"):
        plan_upscale(JobSpec(source, rate=rate(RateKind.TARGET, "60")))
    plan = plan_upscale(JobSpec(source, rate=rate(RateKind.MULTIPLY, "2")))
    assert plan.frames == 20
    assert any("is shown for 30 h 0 min" in text for text in plan.notices)
    plan = plan_upscale(JobSpec(source, rate=rate(RateKind.TARGET, "60"), end=Fraction("0.36")))
    assert plan.frames == 22
