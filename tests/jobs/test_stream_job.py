"""Jobs that read a stream, write one, or both."""

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vinr_cli.errors import (
    InputError,
    Interrupted,
    OutputExistsError,
    ReaderGoneError,
    UsageError,
    VinrError,
)
from vinr_cli.events import Event, Finished, FramesDone, Notice, Planned, silent
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.run import is_piped
from vinr_cli.jobs.stop import Stop
from vinr_cli.jobs.stream_job import run_piped, show_piped
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.stream import StreamSource
from vinr_cli.plan.job import STDIO, EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest

ClipMaker = Callable[..., Path]
STEP = 512
MS = Fraction(1, 1000)
TWICE = RateRequest(RateKind.MULTIPLY, Fraction(2))


class Pipes:
    """Runs jobs whose standard input and output are pipes of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.events: list[Event] = []

    def run(self, spec: JobSpec, data: bytes = b"", stop: Stop | None = None) -> bytes:
        """Do a job; returns what came out of its standard output."""
        source, feed = os.pipe()
        drain, sink = os.pipe()
        got: list[bytes] = []
        threads = [
            threading.Thread(target=_feed, args=(feed, data)),
            threading.Thread(target=_drain, args=(drain, got)),
        ]
        for thread in threads:
            thread.start()
        self.events = []
        try:
            run_piped(spec, self.events.append, stop, stdin=source, stdout=sink)
        finally:
            os.close(sink)
            os.close(source)
            for thread in threads:
                thread.join()
        return b"".join(got)

    def file(self, spec: JobSpec, data: bytes = b"", suffix: str = ".mkv") -> Path:
        """Do a job; returns a file with what came out of its standard output."""
        path = self._folder / f"piped{suffix}"
        path.write_bytes(self.run(spec, data))
        return path

    @property
    def notices(self) -> list[str]:
        return [e.text for e in self.events if isinstance(e, Notice)]


def _feed(descriptor: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        pass
    finally:
        os.close(descriptor)


def _drain(descriptor: int, got: list[bytes]) -> None:
    with os.fdopen(descriptor, "rb") as pipe:
        got.append(pipe.read())


def frames_of(path: Path) -> list[tuple[Fraction, Any]]:
    """(time, samples) of each frame."""
    with av.open(str(path)) as container:
        return [
            ((f.pts or 0) * (f.time_base or Fraction(1)), f.to_ndarray())
            for f in container.decode(video=0)
        ]


def offset(path: Path) -> Fraction:
    """By how much the picture begins after the sound, in seconds."""
    starts: dict[str, Fraction] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                time = packet.pts * (packet.time_base or Fraction(1))
                kind = packet.stream.type
                starts[kind] = min(starts.get(kind, time), time)
    return starts["video"] - starts["audio"]


@pytest.fixture
def pipes(tmp_path: Path) -> Pipes:
    return Pipes(tmp_path)


@pytest.fixture
def spec(tiny: Path) -> JobSpec:
    return JobSpec(
        STDIO, STDIO, model=str(tiny), device="cpu", encode=EncodeOptions(codec="ffv1"), rate=TWICE
    )


@pytest.fixture
def source(clip: ClipMaker) -> Path:
    """Twenty frames with a cut, reordered, and sound that begins before them."""
    return clip("in.mkv", range(0, 20 * STEP, STEP), sound=Fraction(4, 5), cut_at=9)


def test_stream_to_stream(pipes: Pipes, spec: JobSpec, source: Path, tmp_path: Path) -> None:
    """A stream through a pipe has the frames and times that the same file has, and its sound."""
    out = pipes.file(spec, source.read_bytes())
    whole = tmp_path / "whole.mkv"
    run_upscale(replace(spec, input=source, output=whole))
    piped, made = frames_of(out), frames_of(whole)
    assert len(piped) == len(made) == 40
    assert [t - piped[0][0] for t, _ in piped] == [t - made[0][0] for t, _ in made]
    for (_, a), (_, b) in zip(piped, made, strict=True):
        np.testing.assert_array_equal(a, b)
    assert abs(offset(out) - offset(source)) < MS
    assert "vinr" in dict(probe(out).metadata).get("COMMENT", "")
    planned = next(e for e in pipes.events if isinstance(e, Planned))
    assert (planned.frames_in, planned.frames_out) == (None, None)
    assert planned.output_rate == 50
    done = [e for e in pipes.events if isinstance(e, FramesDone)]
    assert (done[-1].done, done[-1].total) == (40, None)
    finished = next(e for e in pipes.events if isinstance(e, Finished))
    assert (finished.frames, finished.duration) == (40, Fraction(4, 5))


def test_colours_are_tagged(pipes: Pipes, spec: JobSpec, clip: ClipMaker) -> None:
    """A codec that says nothing of its colours is tagged by the container, as in a file."""
    source = clip("in.mkv", range(0, 5 * STEP, STEP), size=(1280, 720))
    color = probe(pipes.file(spec, source.read_bytes())).video.color
    assert (color.tagged_matrix, color.primaries, color.transfer) == ("bt709",) * 3
    assert not color.full_range


def test_everything_comes_along(pipes: Pipes, spec: JobSpec, source: Path, tmp_path: Path) -> None:
    """Sound tracks, subtitles, a font, chapters, tags and languages pass through a pipe."""
    (tmp_path / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,600\nHello\n")
    (tmp_path / "font.ttf").write_bytes(b"\0\1\0\0font")
    (tmp_path / "meta").write_text(
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=800\ntitle=Two\n"
    )
    rich = tmp_path / "rich.mkv"
    command = [str(find_ffmpeg(EncodeOptions())), "-v", "error", "-i", str(source)]
    command += ["-i", str(tmp_path / "s.srt"), "-i", str(tmp_path / "meta")]
    command += ["-attach", str(tmp_path / "font.ttf"), "-metadata:s:t", "mimetype=font/ttf"]
    command += ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "1", "-map_metadata", "2"]
    command += ["-metadata:s:a:1", "language=fra", "-metadata:s:v", "language=deu"]
    subprocess.run([*command, "-c", "copy", "-c:s", "srt", str(rich)], check=True)
    out = pipes.file(spec, rich.read_bytes())
    media = probe(out)
    assert [t.kind for t in media.tracks] == ["audio", "audio", "subtitle", "attachment"]
    assert media.tracks[1].language == "fra"
    assert dict(media.metadata)["title"] == "A film"
    with av.open(str(out)) as container:
        chapters = [
            (c["metadata"]["title"], c["start"] * (c["time_base"] or Fraction(1)))
            for c in container.chapters()
        ]
        video = container.streams.video[0]
        texts = [bytes(p) for p in container.demux(container.streams.subtitles[0]) if p.size]
    assert chapters == [("One", 0), ("Two", Fraction(2, 5))]
    assert video.language == "deu"
    assert texts == [b"Hello"]
    assert not any("is not kept" in n for n in pipes.notices)


@pytest.mark.parametrize("form", ["mkv", "nut", "ts", "fmp4"])
def test_reordered_frames(pipes: Pipes, spec: JobSpec, source: Path, form: str) -> None:
    """An encoder that reorders frames gives a stream in sync, in every format of pipes."""
    encode = EncodeOptions(codec="h264", preset="veryfast")
    out = pipes.file(replace(spec, encode=encode, container=form), source.read_bytes(), f".{form}")
    times = [t for t, _ in frames_of(out)]
    assert len(times) == 40
    assert all(abs(t - times[0] - Fraction(k, 50)) <= MS for k, t in enumerate(times))
    assert abs(offset(out) - offset(source)) < MS


@pytest.mark.parametrize("piped", [False, True])
def test_fragmented_mp4(
    pipes: Pipes, spec: JobSpec, source: Path, tmp_path: Path, piped: bool
) -> None:
    """fmp4 is MP4 that is whole after each fragment, to a pipe and as a file, exact in time."""
    encode = EncodeOptions(codec="h264", preset="veryfast", extra=("-g", "10"))
    job = replace(spec, input=source, container="fmp4", encode=encode)
    out = tmp_path / "out.mp4"
    if piped:
        out.write_bytes(pipes.run(job))
    else:
        run_upscale(replace(job, output=out))
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"moof") < data.index(b"mdat")
    assert [t for t, _ in frames_of(out)] == [Fraction(k, 50) for k in range(40)]
    assert offset(out) == offset(source)
    assert "vinr" in dict(probe(out).metadata)["comment"]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: data.rindex(b"moof") - 4])
    assert 0 < len(frames_of(cut)) < 40


def test_broadcast_sound(pipes: Pipes, spec: JobSpec, clip: ClipMaker) -> None:
    """AAC of MPEG-TS, which has no header, goes into Matroska that is never written again."""
    source = clip("in.ts", range(0, 20 * STEP, STEP), sound=Fraction(4, 5))
    out = pipes.file(spec, source.read_bytes())
    with av.open(str(out)) as container:
        assert sum(f.samples for f in container.decode(audio=0)) > 30_000
    assert abs(offset(out) - offset(source)) < MS


def test_y4m(pipes: Pipes, spec: JobSpec, source: Path) -> None:
    """y4m has the rate and the samples; that it has no sound is told."""
    job = replace(spec, container="y4m", encode=EncodeOptions())
    out = pipes.file(job, source.read_bytes(), ".y4m")
    head = out.read_bytes()[:60]
    assert head.startswith(b"YUV4MPEG2 W48 H32 F50:1")
    assert len(frames_of(out)) == 40
    assert any("audio stream 1 (aac) is not kept: y4m cannot hold it" in n for n in pipes.notices)


def test_y4m_in(pipes: Pipes, spec: JobSpec, clip: ClipMaker) -> None:
    """y4m comes in with its rate."""
    source = clip(
        "in.y4m", range(5), codec="wrapped_avframe", rate=Fraction(30000, 1001),
        time_base=Fraction(1001, 30000),
    )  # fmt: skip
    out = pipes.file(spec, source.read_bytes())
    rate = probe(out).video.rate  # which Matroska rounds to a nanosecond a frame
    assert rate is not None
    assert abs(rate - Fraction(60000, 1001)) < Fraction(1, 1000)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif", ".png"])
def test_stream_to_file(
    pipes: Pipes, spec: JobSpec, source: Path, tmp_path: Path, suffix: str
) -> None:
    """A stream becomes a checked file under its final name, and nothing is left beside it."""
    folder = tmp_path / "out"
    folder.mkdir()
    output = folder / ("%02d.png" if suffix == ".png" else f"a{suffix}")
    job = replace(spec, output=output, encode=EncodeOptions(), end=Fraction(3, 10))
    assert pipes.run(job, source.read_bytes()) == b""
    found = sorted(path.name for path in folder.iterdir())
    if suffix == ".png":
        assert found == [f"{k:02}.png" for k in range(16)]
        return
    assert found == [f"a{suffix}"]
    assert len(frames_of(output)) == 16
    with pytest.raises(OutputExistsError):
        pipes.run(job, source.read_bytes())


def test_file_to_stream(pipes: Pipes, spec: JobSpec, source: Path) -> None:
    """A file goes to standard output with its sound, cut as asked, by its exact times."""
    job = replace(spec, input=source, start=Fraction(1, 5), end=Fraction(3, 5))
    out = pipes.file(job)
    assert len(frames_of(out)) == 20
    assert -Fraction(1, 20) < offset(out) < Fraction(1, 20)
    planned = next(e for e in pipes.events if isinstance(e, Planned))
    assert planned.frames_out == 20


def test_range_of_a_stream(pipes: Pipes, spec: JobSpec, source: Path) -> None:
    """--start and --end are frame-exact in a stream as in a file."""
    cut = replace(spec, start=Fraction(1, 5), end=Fraction(3, 5))
    piped = frames_of(pipes.file(cut, source.read_bytes()))
    made = frames_of(pipes.file(replace(cut, input=source)))
    assert len(piped) == len(made) == 20
    for (_, a), (_, b) in zip(piped, made, strict=True):
        np.testing.assert_array_equal(a, b)


def test_slow_motion(pipes: Pipes, spec: JobSpec, source: Path) -> None:
    """Slow motion of a stream stretches the picture; that the sound is lost is told."""
    job = replace(spec, rate=RateRequest(RateKind.SLOW_MOTION, Fraction(2)))
    out = pipes.file(job, source.read_bytes())
    times = [t for t, _ in frames_of(out)]
    assert len(times) == 40
    assert abs(times[-1] - times[0] - Fraction(39, 25)) <= MS
    assert any("sound is not stretched in a stream" in n for n in pipes.notices)


def test_variable_rate(pipes: Pipes, spec: JobSpec, clip: ClipMaker) -> None:
    """A stream of a variable rate keeps its times to 0.1 ms, whatever rate its header claims."""
    pts = [0, 512, 700, 1800, 2000, 4096, 4400]
    source = clip("in.nut", pts, codec="ffv1", rate=Fraction(17))
    job = replace(spec, rate=RateRequest(), container="nut", size=SizeRequest(scale=Fraction(2)))
    out = pipes.file(job, source.read_bytes(), ".nut")
    times = [t for t, _ in frames_of(out)]
    assert len(times) == len(pts)
    wrong = [abs(t - times[0] - Fraction(p, 12800)) for t, p in zip(times, pts, strict=True)]
    assert max(wrong) < Fraction(1, 10_000)


def test_endless_pause(pipes: Pipes, spec: JobSpec, clip: ClipMaker) -> None:
    """A stream whose next frame claims to come in a year does not fill the pipe until then."""
    year = 365 * 86400
    source = clip("in.nut", [0, 1, year, year + 1], codec="ffv1", time_base=Fraction(1))
    job = replace(spec, rate=RateRequest(RateKind.TARGET, Fraction(60)))
    with pytest.raises(UsageError, match=r"frames would be made of it"):
        pipes.run(job, source.read_bytes())


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "standard input: is empty"),
        (b"neither this nor that" * 100, "standard input: cannot be read as a video"),
    ],
)
def test_no_stream(pipes: Pipes, spec: JobSpec, data: bytes, cause: str) -> None:
    """What is no video is refused in one line, and nothing is written."""
    with pytest.raises(InputError, match=cause):
        pipes.run(spec, data)


def test_mp4_that_cannot_be_read_forwards(pipes: Pipes, spec: JobSpec, clip: ClipMaker) -> None:
    """An MP4 with its index at the end is refused with what to send instead."""
    source = clip("in.mp4", range(0, 20 * STEP, STEP), size=(640, 480))
    with pytest.raises(InputError, match="Send Matroska, NUT"):
        pipes.run(spec, source.read_bytes())


def test_interrupted_at_the_beginning() -> None:
    """Ctrl-C while nothing comes yet is not lost in the library that waits for it."""
    source, feed = os.pipe()

    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StreamSource(source, interrupt)
    os.close(source)
    os.close(feed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": None}, "has no name of which the result's could be made"),
        ({"container": "mp4"}, "--format mp4: cannot be written to standard output"),
        ({"input_rate": Fraction(24)}, "--input-fps: is for pictures"),
        ({"container": "webm"}, "ffv1: does not go into webm"),
    ],
)
def test_refused(
    pipes: Pipes, spec: JobSpec, source: Path, changes: dict[str, Any], message: str
) -> None:
    """What cannot be with a stream is refused before any frame is computed."""
    with pytest.raises(UsageError, match=message):
        pipes.run(replace(spec, **changes), source.read_bytes())
    assert not any(isinstance(e, FramesDone) for e in pipes.events)


@pytest.mark.parametrize("form", ["mkv", "y4m"])
def test_reader_that_goes(spec: JobSpec, source: Path, form: str) -> None:
    """A reader that closes the pipe ends the job with an error of its own, and no thread stays."""
    drain, sink = os.pipe()
    os.close(drain)
    job = replace(spec, input=source, container=form, encode=EncodeOptions())
    before = threading.active_count()
    with pytest.raises(ReaderGoneError):
        run_piped(job, silent, stdout=sink)
    os.close(sink)
    assert threading.active_count() <= before


@pytest.mark.parametrize("output", [STDIO, Path("a.mkv")])
def test_stop(pipes: Pipes, spec: JobSpec, source: Path, tmp_path: Path, output: Path) -> None:
    """A request to stop closes a pipe's container well, and leaves no file that is not complete."""
    stop = Stop()
    target = output if output == STDIO else tmp_path / "out" / output
    (tmp_path / "out").mkdir()

    class Stopping(list[Event]):
        def append(self, event: Event, /) -> None:
            if isinstance(event, FramesDone):
                stop.requested = True

    pipes.events = Stopping()
    drain, sink = os.pipe()
    got: list[bytes] = []
    thread = threading.Thread(target=_drain, args=(drain, got))
    thread.start()
    events = Stopping()
    long = replace(spec, input=source, output=target, rate=RateRequest(value=Fraction(8)))
    with pytest.raises(Interrupted, match=r"stopped after \d+ frames"):
        run_piped(long, events.append, stop, stdout=sink)
    os.close(sink)
    thread.join()
    if output == STDIO:
        path = tmp_path / "part.mkv"
        path.write_bytes(got[0])
        assert 0 < len(frames_of(path)) < 160
    assert not list((tmp_path / "out").iterdir())


def test_truncated_stream(pipes: Pipes, spec: JobSpec, clip: ClipMaker) -> None:
    """A stream that ends in the middle of a frame gives what came before."""
    source = clip("in.nut", range(20), codec="rawvideo", time_base=Fraction(1, 25))
    data = source.read_bytes()
    out = pipes.file(spec, data[: len(data) * 3 // 4])
    assert 20 <= len(frames_of(out)) < 40


def test_dry_run(spec: JobSpec, source: Path) -> None:
    """The plan of a stream is known from its beginning alone."""
    read, feed = os.pipe()
    data = source.read_bytes()
    thread = threading.Thread(target=_feed, args=(feed, data))
    thread.start()
    plan = show_piped(spec, stdin=read)
    os.close(read)
    thread.join()
    assert (plan.frames, plan.size) == (0, (48, 32))
    assert plan.rate == 50
    assert is_piped(plan.spec)


def test_terminal(spec: JobSpec) -> None:
    """A terminal is neither read nor written."""
    master, slave = os.openpty()
    try:
        with pytest.raises(UsageError, match="standard input: is a terminal"):
            run_piped(spec, stdin=slave)
        with pytest.raises(VinrError, match="standard output: is a terminal"):
            run_piped(replace(spec, input=Path("none.mkv")), stdin=slave, stdout=slave)
    finally:
        os.close(master)
        os.close(slave)


def test_timecode(pipes: Pipes, spec: JobSpec, source: Path, tmp_path: Path) -> None:
    """A timecode counts at the new rate, as in a file."""
    labelled = tmp_path / "labelled.mkv"
    ffmpeg = str(find_ffmpeg(EncodeOptions()))
    command = [ffmpeg, "-loglevel", "error", "-i", str(source), "-c", "copy"]
    subprocess.run([*command, "-metadata:s:v", "timecode=01:00:00:10", str(labelled)], check=True)
    out = pipes.file(spec, labelled.read_bytes())
    with av.open(str(out)) as container:
        tags = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
    assert tags["timecode"] == "01:00:00:20"


def test_a_timecode_in_a_stream_of_its_own(
    pipes: Pipes, spec: JobSpec, source: Path, tmp_path: Path
) -> None:
    """MOV keeps the timecode apart; in a pipe it is counted on, and the plan says so."""
    labelled = tmp_path / "labelled.mov"
    ffmpeg = str(find_ffmpeg(EncodeOptions()))
    command = [ffmpeg, "-loglevel", "error", "-i", str(source), "-c", "copy", "-an"]
    subprocess.run([*command, "-timecode", "01:00:00:10", str(labelled)], check=True)
    out = pipes.file(replace(spec, input=labelled))
    planned = next(event for event in pipes.events if isinstance(event, Planned))
    with av.open(str(out)) as container:
        tags = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
    assert tags["timecode"] == "01:00:00:20"
    assert dict(planned.details)["data stream 1"] == "counted on at the new rate"
    assert pipes.notices == [text for text in pipes.notices if "not kept" not in text]


def test_the_head_of_a_stream_says_how_it_was_made(
    pipes: Pipes, spec: JobSpec, source: Path
) -> None:
    """The comment of what is written to a pipe is the one of the plan that was reported."""
    out = pipes.file(spec, source.read_bytes())
    comment = {k.lower(): v for k, v in probe(out).metadata}["comment"]
    planned = next(event for event in pipes.events if isinstance(event, Planned))
    precision = dict(planned.details)["precision"]  # bf16 where the kernels round
    assert precision in ("fp32", "bf16")
    assert f"precision {precision} on cpu" in comment
    assert "multiply 2: constant 25 fps to constant 50 fps" in comment
