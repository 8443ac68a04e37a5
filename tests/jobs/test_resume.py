"""A job in parts: what a run leaves, and what the next one does with it."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vinr_cli.errors import InputError, Interrupted, OutputError
from vinr_cli.events import Event, Finished, FramesDone, Notice, PartDone, silent
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.stop import Stop
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest

ClipMaker = Callable[..., Path]
STEP = 512
TWICE = RateRequest(RateKind.MULTIPLY, Fraction(2))


class Job:
    """One job with parts of 16 output frames, run again and again."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self.events: list[Event] = []
        assert spec.output is not None
        self.output = spec.output
        self.work = self.output.with_name(f"{self.output.name}.vinr")

    def run(self, report: Any = None, stop: Stop | None = None, **changes: Any) -> Finished:
        self.events = []

        def both(event: Event) -> None:
            self.events.append(event)
            if report is not None:
                report(event)

        return run_upscale(replace(self.spec, **changes), both, stop)

    def fail_after(self, parts: int) -> None:
        """Run until some parts are finished, then fail as a bug would."""
        count = 0

        def fail(event: Event) -> None:
            nonlocal count
            count += isinstance(event, PartDone)
            if count >= parts:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            self.run(fail)
        assert not self.output.exists()

    @property
    def records(self) -> list[Path]:
        return sorted(self.work.glob("*-*.json"))

    @property
    def parts(self) -> list[Path]:
        return [path.with_suffix(self.output.suffix) for path in self.records]

    @property
    def made(self) -> int:
        """Frames that the latest run has made itself."""
        done = [e for e in self.events if isinstance(e, FramesDone)]
        return done[-1].done - done[0].earlier if done else 0

    @property
    def notices(self) -> str:
        return " ".join(e.text for e in self.events if isinstance(e, Notice))


def pictures(path: Path) -> list[tuple[Fraction, bytes]]:
    """Time and samples of every frame."""
    with av.open(path) as container:
        return [
            ((frame.pts or 0) * (frame.time_base or Fraction(1)), frame.to_ndarray().tobytes())
            for frame in container.decode(container.streams.video[0])
        ]


@pytest.fixture
def source(clip: ClipMaker) -> Path:
    """Sixty frames with a cut, a B-frame codec, and sound."""
    return clip("in.mp4", range(0, 60 * STEP, STEP), sound=Fraction(12, 5), cut_at=19)


@pytest.fixture
def job(source: Path, tiny: Path, tmp_path: Path) -> Job:
    return Job(
        JobSpec(
            source, tmp_path / "out.mp4", model=str(tiny), device="cpu", rate=TWICE, part_frames=16
        )
    )


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_parts_are_pixel_exact(source: Path, tiny: Path, tmp_path: Path, suffix: str) -> None:
    """Many parts give the frames and times of one part, bit for bit, before a lossy encoder."""
    exact = EncodeOptions(codec="ffv1") if suffix == ".mkv" else EncodeOptions(crf=0, codec="h264")
    spec = JobSpec(
        source, tmp_path / f"one{suffix}", model=str(tiny), device="cpu", rate=TWICE, encode=exact,
        part_frames=0,
    )  # fmt: skip
    run_upscale(spec)
    many = replace(spec, output=tmp_path / f"many{suffix}", part_frames=16)
    parts: list[Event] = []
    run_upscale(many, lambda e: parts.append(e) if isinstance(e, PartDone) else None)
    assert len(parts) > 5
    assert pictures(tmp_path / f"many{suffix}") == pictures(tmp_path / f"one{suffix}")


def test_a_part_ends_at_the_cut(job: Job) -> None:
    """Where a scene cut lies in a window, the part ends there and not in the scene."""
    job.run(part_frames=36)
    spans = [(e.start, e.stop) for e in job.events if isinstance(e, PartDone)]
    assert spans[0] == (0, 19)
    assert all(a[1] == b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize("parts", [1, 3, 6])
def test_a_failed_run_is_continued(job: Job, parts: int) -> None:
    """The same command keeps finished parts and gives the file of an undisturbed run."""
    calm = run_upscale(replace(job.spec, output=job.output.with_name("calm.mp4")))
    job.fail_after(parts)
    kept = {path: path.stat().st_mtime_ns for path in job.parts}
    assert len(kept) >= parts
    frames = sum(json.loads(path.read_text())["frames"] for path in job.records)
    finished = job.run()
    assert job.made == 120 - frames
    assert f"going on: {frames} of 120 frames" in job.notices
    assert job.output.read_bytes() == calm.output.read_bytes()
    assert finished.frames == 120
    assert not job.work.exists()


@pytest.mark.parametrize("harm", ["shorter", "flipped", "gone", "record", "record gone"])
def test_a_damaged_part_is_made_again(job: Job, harm: str) -> None:
    """A part that is not as its record says is made again, alone, and a notice names it."""
    calm = run_upscale(replace(job.spec, output=job.output.with_name("calm.mp4")))
    job.fail_after(4)
    part, record = job.parts[1], job.records[1]
    frames = sum(json.loads(path.read_text())["frames"] for path in job.records)
    lost = json.loads(record.read_text())["frames"]
    data = bytearray(part.read_bytes())
    if harm == "shorter":
        part.write_bytes(data[:-10])
    elif harm == "flipped":
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
    elif harm == "record":
        record.write_text(record.read_text()[:30])
    else:
        (part if harm == "gone" else record).unlink()
    job.run()
    assert job.made == 120 - frames + lost
    assert (part.name[:17] in job.notices) == (harm != "record gone")
    assert job.output.read_bytes() == calm.output.read_bytes()


def test_a_torn_manifest_costs_no_part(job: Job) -> None:
    """With half a job.json the parts are known by their records, and a notice says so."""
    job.fail_after(3)
    manifest = job.work / "job.json"
    manifest.write_text(manifest.read_text()[:50])
    frames = sum(json.loads(path.read_text())["frames"] for path in job.records)
    job.run()
    assert "job.json was damaged; the parts themselves are kept" in job.notices
    assert job.made == 120 - frames


def test_a_torn_manifest_of_another_job_is_refused(job: Job) -> None:
    """Half a job.json with parts of other options is refused; nothing is deleted."""
    job.fail_after(3)
    (job.work / "job.json").write_text("{")
    before = set(job.work.iterdir())
    with pytest.raises(OutputError, match="is damaged, and its parts are of another job"):
        job.run(start=Fraction(1, 5))
    assert set(job.work.iterdir()) == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rate": RateRequest(RateKind.MULTIPLY, Fraction(3))}, "rate was kind multiply, value 2"),
        ({"encode": EncodeOptions(crf=30)}, "encoder was libx264"),
        ({"scene_threshold": None}, "scene threshold was 8.0, is not set"),
        ({"precision": "bf16"}, "precision was auto, is bf16"),
        ({"end": Fraction(1)}, "end was not set, is 1"),
    ],
)
def test_other_options_are_refused(job: Job, changes: dict[str, Any], named: str) -> None:
    """Options that change pixels are refused, with both values; --restart takes them."""
    job.fail_after(2)
    before = {path: path.read_bytes() for path in job.work.iterdir()}
    with pytest.raises(OutputError, match=named) as caught:
        job.run(**changes)
    assert "--restart" in caught.value.fix
    assert {path: path.read_bytes() for path in job.work.iterdir()} == before
    job.run(**changes, restart=True)
    assert job.output.exists()


@pytest.mark.parametrize("how", ["size", "time", "content"])
def test_another_input_is_refused(job: Job, source: Path, how: str) -> None:
    """An input that has changed in size, time or content since the parts were made is refused."""
    import os

    job.fail_after(2)
    status = source.stat()
    data = bytearray(source.read_bytes())
    if how == "size":
        data += bytes(8)
    elif how == "content":
        data[len(data) // 2] ^= 255
    source.write_bytes(data)
    moved = 10**9 if how == "time" else 0
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns + moved))
    with pytest.raises((OutputError, InputError), match=f"input {how}"):
        job.run()


def test_harmless_options_may_change(job: Job) -> None:
    """Sound, tiles and memory do not decide what a part holds."""
    job.fail_after(3)
    job.run(audio=False, memory_limit=1 << 30)
    assert "going on" in job.notices


def test_restart_makes_all_anew(job: Job) -> None:
    """--restart keeps no part."""
    job.fail_after(3)
    job.run(restart=True)
    assert job.made == 120


def test_a_stop_keeps_every_frame_that_was_made(job: Job) -> None:
    """A request to stop ends the open part early; the next run starts right there."""
    calm = run_upscale(replace(job.spec, output=job.output.with_name("calm.mp4")))
    stop = Stop()

    def ask(event: Event) -> None:
        if isinstance(event, PartDone):
            stop.requested = True

    with pytest.raises(Interrupted, match="frames are finished and kept in") as caught:
        job.run(ask, stop)
    assert caught.value.exit_code == 130
    assert not job.output.exists()
    assert not [path for path in job.work.iterdir() if ".part" in path.name]
    frames = sum(json.loads(path.read_text())["frames"] for path in job.records)
    assert 16 < frames < 120
    job.run(stop=Stop())
    assert job.made == 120 - frames
    times = [time for time, _ in pictures(job.output)]
    assert times == [time for time, _ in pictures(calm.output)]


def test_parts_elsewhere(job: Job, tmp_path: Path) -> None:
    """--work-dir keeps the parts in that folder, which is made, and leaves nothing there."""
    elsewhere = tmp_path / "fast" / "disk"
    job.spec = replace(job.spec, work_dir=elsewhere)
    job.fail_after(2)
    assert not list(job.work.parent.glob("out.mp4.vinr/*.mp4"))
    assert len(list(elsewhere.glob("*out.mp4.vinr/*.mp4"))) >= 2
    job.run()
    assert "going on" in job.notices
    assert list(elsewhere.iterdir()) == []
    assert not job.work.exists()


def test_a_killed_runs_leavings_are_cleaned(job: Job) -> None:
    """Unfinished files in the work folder go; what is not ours stays."""
    job.fail_after(2)
    (job.work / "00000000-deadbeef.part.mp4").touch()
    (job.work / "whole-deadbeef.part.mp4").touch()
    (job.work / ".vinr-abc").mkdir()
    mine = job.work / "notes.txt"
    mine.touch()
    job.run()
    assert set(job.work.iterdir()) == {mine, job.work / "lock"}


def test_no_seam_shows(source: Path, tiny: Path, tmp_path: Path) -> None:
    """Across parts, mean luma and sharpness change as they do within one (lossy encoding)."""
    spec = JobSpec(
        source, tmp_path / "a.mkv", model=str(tiny), device="cpu", rate=TWICE,
        encode=EncodeOptions(codec="h264", crf=6),
    )  # fmt: skip
    run_upscale(replace(spec, part_frames=0))
    run_upscale(replace(spec, part_frames=16, output=tmp_path / "b.mkv"))

    def pulse(path: Path) -> tuple[Any, Any]:
        with av.open(path) as container:
            luma = np.array([f.to_ndarray()[:32].astype(float) for f in container.decode(video=0)])
        return luma.mean((1, 2)), np.abs(np.diff(luma, axis=2)).mean((1, 2))

    for one, many in zip(pulse(tmp_path / "a.mkv"), pulse(tmp_path / "b.mkv"), strict=True):
        assert np.abs(one - many).max() < 0.5


@pytest.fixture
def broken(clip: ClipMaker) -> Path:
    """Sixty frames, the data of the eleventh of which is blank."""
    path = clip("broken.mp4", range(0, 60 * STEP, STEP))
    with av.open(path) as container:
        packet = next(p for p in container.demux(video=0) if p.pts == 10 * STEP)
        place, size = packet.pos or 0, packet.size
    data = bytearray(path.read_bytes())
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    return path


def test_a_damaged_frame_is_concealed_and_told(broken: Path, job: Job) -> None:
    """A frame that cannot be decoded is told with its PTS by the run that finishes the job."""
    job.spec = replace(job.spec, input=broken)
    job.fail_after(3)
    finished = job.run()
    assert finished.frames == 120
    assert len(pictures(job.output)) == 120
    assert any("PTS 5120" in text for text in finished.losses)


def test_strict_stops_at_a_damaged_frame(broken: Path, job: Job) -> None:
    """Under strict a damaged frame is an error that names its PTS, and nothing is written."""
    with pytest.raises(InputError, match="PTS 5120"):
        job.run(input=broken, strict=True)
    assert not job.output.exists()


def test_a_file_without_times_is_continued(clip: ClipMaker, job: Job) -> None:
    """Where the container gives no times (AVI with B-frames), a run goes on all the same."""
    source = clip("in.avi", range(60), time_base=Fraction(1, 25), codec="libx264")
    job.spec = replace(job.spec, input=source)
    calm = run_upscale(replace(job.spec, output=job.output.with_name("calm.mp4")))
    job.fail_after(2)
    job.run()
    assert job.output.read_bytes() == calm.output.read_bytes()


def test_nothing_is_said_to_a_silent_reporter(job: Job) -> None:
    """The library's default reporter takes every event."""
    assert run_upscale(job.spec, silent).frames == 120


def test_times_that_go_back_lose_no_frame(clip: ClipMaker, job: Job, tmp_path: Path) -> None:
    """Pictures that are not reordered and whose times go back are all shown, and that is told."""
    plain = clip("plain.mkv", range(0, 480, 40), codec="mjpeg", pix_fmt="yuvj420p")
    mixed = [0, 80, 40, 120, 200, 160, 240, 320, 280, 360, 440, 400]
    with av.open(plain) as old, av.open(tmp_path / "back.mkv", "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            packet.pts, packet.dts, packet.time_base = mixed[number], None, Fraction(1, 1000)
            packet.dts = min(mixed[number:])
            packet.stream = stream
            new.mux(packet)
    finished = job.run(input=tmp_path / "back.mkv")
    assert (finished.frames, finished.losses) == (24, ())
    assert "the times of some frames go back" in job.notices
