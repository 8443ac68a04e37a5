import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vinr_cli import __version__
from vinr_cli.engine.stream import STAGES
from vinr_cli.errors import DeviceError, OutputError, UsageError, VerificationError, WeightsError
from vinr_cli.events import Event, Finished, FramesDone, Notice, Planned
from vinr_cli.jobs import finishing
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest, SlowAudio

ClipMaker = Callable[..., Path]
STEP = 512  # ticks of a 25 frames/s clip at 1/12800
FILM = Fraction(24000, 1001)
LOSSLESS = EncodeOptions(codec="ffv1")
MS = Fraction(1, 1000)


def multiply(value: str) -> RateRequest:
    return RateRequest(RateKind.MULTIPLY, Fraction(value))


def target(value: str) -> RateRequest:
    return RateRequest(RateKind.TARGET, Fraction(value))


def scale(value: str) -> SizeRequest:
    return SizeRequest(scale=Fraction(value))


class Result:
    """A finished file, read back."""

    def __init__(self, path: Path) -> None:
        self.planes: list[Any] = []
        self.times: list[Fraction] = []
        self.sound: list[Fraction] = []
        with av.open(path) as container:
            video = container.streams.video[0]
            self.size = (video.width, video.height)
            for frame in container.decode(video):
                assert frame.pts is not None
                assert frame.time_base is not None
                self.times.append(frame.pts * frame.time_base)
                self.planes.append(frame.to_ndarray())
        with av.open(path) as container:
            for packet in container.demux():
                if packet.stream.type == "audio" and packet.pts is not None and packet.size:
                    self.sound.append(packet.pts * packet.time_base)

    @property
    def intervals(self) -> set[Fraction]:
        return {b - a for a, b in itertools.pairwise(self.times)}


@pytest.fixture
def run(tiny: Path, tmp_path: Path) -> Callable[..., Result]:
    """Run a job with the tiny network and read its output back; no other file is left."""

    def go(source: Path, name: str = "out.mp4", **options: Any) -> Result:
        before = set(tmp_path.iterdir())
        output = tmp_path / name
        report = options.pop("report", lambda _: None)
        finished = run_upscale(
            JobSpec(source, output, model=str(tiny), device="cpu", **options), report
        )
        assert set(tmp_path.iterdir()) == before | {output}
        result = Result(output)
        assert finished.output == output
        assert finished.frames == len(result.times)
        return result

    return go


Run = Callable[..., Result]


def test_film_rate_times_two_and_a_half(clip: ClipMaker, run: Run) -> None:
    """24000/1001 x 2.5 at x 3.5 is 60000/1001 with exact times, sound and duration kept."""
    source = clip(
        "in.mp4",
        [1001 * i for i in range(24)],
        time_base=Fraction(1, 24000),
        rate=FILM,
        sound=Fraction(1),
    )
    result = run(source, size=scale("3.5"), rate=multiply("5/2"))
    assert result.size == (168, 112)
    assert len(result.times) == 60
    assert result.intervals == {Fraction(1001, 60000)}
    assert result.times[0] == 0
    sound = Result(source).sound
    assert len(result.sound) == len(sound)
    assert abs(result.sound[0] - sound[0]) < MS


def test_film_rate_in_milliseconds_to_sixty(clip: ClipMaker, run: Run) -> None:
    """23.976 in Matroska to --fps 60: frames at k/60 over the source's exact duration."""
    pts = [round(i * 1000 / FILM) for i in range(24)]
    source = clip("in.mkv", pts, time_base=MS, rate=FILM)
    result = run(source, rate=target("60"))
    assert len(result.times) == -(-24 * 60 * 1001 // 24000) == 61
    assert result.intervals == {Fraction(1, 60)}


def test_a_variable_rate_stays_variable(clip: ClipMaker, run: Run) -> None:
    """Under a multiplier every irregular interval is halved exactly; the offset stays."""
    pts = [900, 4500, 5400, 20000, 21000]
    source = clip("in.mp4", pts, time_base=Fraction(1, 90000))
    shown = Result(source).times
    result = run(source, rate=multiply("2"))
    assert len(result.times) == 10
    assert result.times[::2] == shown
    for a, b, middle in zip(shown, shown[1:], result.times[1::2], strict=False):
        assert middle == (a + b) / 2


def test_a_variable_rate_becomes_constant(clip: ClipMaker, run: Run) -> None:
    """--fps makes a constant rate out of a variable one, over the whole duration."""
    source = clip("in.mp4", [0, 3600, 4500, 20000, 21000], time_base=Fraction(1, 90000))
    result = run(source, rate=target("30"))
    assert result.intervals == {Fraction(1, 30)}
    assert len(result.times) >= 7


@pytest.mark.parametrize("threshold", [10.0, None])
def test_scenes_are_not_mixed(clip: ClipMaker, run: Run, threshold: float | None) -> None:
    """Across a cut no output lies between the scenes; without scene detection some do."""
    source = clip("in.mkv", [40 * i for i in range(12)], time_base=MS, cut_at=6)
    told: list[Event] = []
    result = run(
        source, "out.mkv", rate=multiply("4"), encode=LOSSLESS, scene_threshold=threshold,
        report=told.append,
    )  # fmt: skip
    light = [float(planes[:32].mean()) for planes in result.planes]
    dark, bright = max(light[:20]), min(light[24:])
    between = [level for level in light if dark + 5 < level < bright - 5]
    assert len(light) == 48
    assert bool(between) == (threshold is None)
    notices = [e.text for e in told if isinstance(e, Notice)]
    assert any("1 scene cut" in text for text in notices) == (threshold is not None)


@pytest.mark.parametrize(("count", "m", "out"), [(1, "4", 4), (2, "3", 6), (3, "1/2", 2)])
def test_very_short_clips(clip: ClipMaker, run: Run, count: int, m: str, out: int) -> None:
    """One and two frames give ceil(n m) frames; so do multipliers below one."""
    source = clip("in.mp4", range(0, count * STEP, STEP))
    result = run(source, rate=multiply(m), size=scale("2"))
    assert len(result.times) == out
    assert result.intervals == {1 / (25 * Fraction(m))}


def test_odd_sizes(clip: ClipMaker, run: Run) -> None:
    """An odd source at x 3 is as large as asked, made even where 4:2:0 needs it."""
    source = clip("in.mkv", [0, 40, 80], time_base=MS, size=(37, 21), pix_fmt="yuv444p")
    assert run(source, "a.mkv", size=scale("3")).size == (111, 63)
    even = EncodeOptions(pix_fmt="yuv420p")
    assert run(source, "b.mp4", size=scale("3"), encode=even).size == (112, 64)


def test_frames_at_input_times_are_the_sources_own(clip: ClipMaker, run: Run) -> None:
    """At scale 1 every second frame of x 2 is the source frame, bit for bit."""
    source = clip("in.mkv", [0, 40, 80, 120], time_base=MS, codec="ffv1")
    result = run(source, "out.mkv", rate=multiply("2"), encode=LOSSLESS)
    for i, planes in enumerate(Result(source).planes):
        assert np.array_equal(result.planes[2 * i], planes)
    assert np.array_equal(result.planes[7], result.planes[6])  # the held last frame
    assert not np.array_equal(result.planes[1], result.planes[0])


def test_ten_bits_in_and_out(clip: ClipMaker, run: Run) -> None:
    """10-bit samples pass through x 2 in time without losing their low bits."""
    source = clip("in.mkv", [0, 40, 80], time_base=MS, codec="ffv1", pix_fmt="yuv420p10le")
    result = run(source, "out.mkv", rate=multiply("2"), encode=LOSSLESS)
    assert np.array_equal(result.planes[0], Result(source).planes[0])
    assert len(np.unique(result.planes[1] % 4)) == 4


def test_slow_motion(clip: ClipMaker, run: Run) -> None:
    """--slowmo 3 shows three times the frames at the same rate; sound is stretched or dropped."""
    source = clip("in.mp4", range(0, 12 * STEP, STEP), sound=Fraction(12, 25))
    slow = RateRequest(RateKind.SLOW_MOTION, Fraction(3))
    stretched = run(source, "a.mp4", rate=slow)
    assert len(stretched.times) == 36
    assert stretched.intervals == {Fraction(1, 25)}
    assert abs(stretched.sound[-1] - 36 * Fraction(1, 25)) < Fraction(1, 10)
    dropped = run(source, "b.mp4", rate=slow, slow_audio=SlowAudio.DROP)
    assert dropped.sound == []
    assert len(dropped.times) == 36


def test_a_cut_is_frame_exact(clip: ClipMaker, run: Run) -> None:
    """--start and --end keep just the frames in between, from time 0, with their sound."""
    source = clip("in.mkv", range(0, 2000, 40), time_base=MS, codec="ffv1", sound=Fraction(2))
    result = run(source, "out.mkv", start=Fraction("0.4"), end=Fraction("1.2"), encode=LOSSLESS)
    whole = Result(source)
    assert len(result.times) == 20
    assert result.times[0] == 0
    for i, planes in enumerate(result.planes):
        assert np.array_equal(planes, whole.planes[10 + i])
    assert abs(result.sound[-1] - result.sound[0] - Fraction("0.8")) < Fraction(1, 20)


def test_sound_can_be_left_out(clip: ClipMaker, run: Run) -> None:
    """Without audio the result has no sound track."""
    source = clip("in.mp4", range(0, 5 * STEP, STEP), sound=Fraction(1, 5))
    assert run(source, audio=False).sound == []


def test_tiles_do_not_show(clip: ClipMaker, run: Run) -> None:
    """Forced tiles give the frames of the whole, within a code value of each sample."""
    source = clip("in.mkv", [0, 40, 80], time_base=MS, size=(200, 152), codec="ffv1")
    whole = run(source, "a.mkv", size=scale("3/2"), encode=LOSSLESS, tile=0)
    tiled = run(source, "b.mkv", size=scale("3/2"), encode=LOSSLESS, tile=48)
    for a, b in zip(whole.planes, tiled.planes, strict=True):
        assert np.abs(a.astype(int) - b.astype(int)).max() <= 1


def test_events_come_in_order(clip: ClipMaker, run: Run) -> None:
    """Planned once and first, then progress, then Finished once, with the stages' busy time."""
    events: list[Event] = []
    source = clip("in.mp4", range(0, 5 * STEP, STEP))
    run(source, rate=multiply("2"), report=events.append)

    assert isinstance(events[0], Planned)
    assert (events[0].frames_in, events[0].frames_out) == (5, 10)
    assert events[0].source_rate == 25
    assert events[0].output_rate == 50
    assert events[0].device == "cpu"
    assert sum(isinstance(e, Planned) for e in events) == 1
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.duration == Fraction(1, 5)
    assert [name for name, _ in last.stage_seconds] == list(STAGES)
    assert all(0 < seconds < last.seconds for _, seconds in last.stage_seconds)
    done = [e for e in events if isinstance(e, FramesDone)]
    assert (done[-1].done, done[-1].total) == (10, 10)
    assert any(isinstance(e, Notice) and "untagged" not in e.text for e in events)


def failing(
    source: Path, tiny: Path, error: type[BaseException], report: Any = None, **options: Any
) -> None:
    """Run a job that fails; the output's folder and the output are as before."""
    output = source.with_name("out.mp4")
    output.write_bytes(b"mine")
    before = set(source.parent.iterdir())
    spec = {"model": str(tiny), "device": "cpu", "overwrite": True, **options}
    with pytest.raises(error):
        run_upscale(JobSpec(source, output, **spec), report or (lambda _: None))
    assert set(source.parent.iterdir()) == before
    assert output.read_bytes() == b"mine"


@pytest.fixture
def source(clip: ClipMaker) -> Path:
    """Forty frames with sound."""
    return clip("in.mp4", range(0, 40 * STEP, STEP), sound=Fraction(8, 5))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupt_leaves_nothing_behind(
    source: Path, tiny: Path, error: type[BaseException]
) -> None:
    """Ctrl-C in the middle removes all temporary files and does not touch the final name."""

    def interrupt(event: Event) -> None:
        if isinstance(event, FramesDone):
            raise error

    failing(source, tiny, error, interrupt)


@pytest.mark.parametrize(
    ("step", "error"),
    [("finish", OutputError("x", "full")), ("check", VerificationError("x", "short"))],
)
def test_a_failure_after_the_last_frame_keeps_the_parts(
    source: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    """After a full disk while muxing, or a failed check, the same command makes no frame again."""
    output = source.with_name("out.mp4")
    output.write_bytes(b"mine")
    spec = JobSpec(source, output, model=str(tiny), device="cpu", overwrite=True)

    def fails(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(finishing, step, fails)
        with pytest.raises(type(error)):
            run_upscale(spec)
    assert output.read_bytes() == b"mine"
    assert [p.suffix for p in sorted(output.with_name("out.mp4.vinr").iterdir())] == [
        ".json", ".mp4", ".json", "",
    ]  # fmt: skip

    events: list[Event] = []
    run_upscale(spec, events.append)
    assert not any(isinstance(e, FramesDone) for e in events)
    assert len(Result(output).times) == 40
    assert set(source.parent.iterdir()) == {source, output}


def test_a_wrong_device_or_model_is_refused_before_any_frame(source: Path, tiny: Path) -> None:
    """Devices that are not there and weights that do not exist end the job before `Planned`."""

    def never(event: Event) -> None:
        raise AssertionError(event)

    failing(source, tiny, UsageError, never, device="gpu")
    failing(source, tiny, DeviceError, never, device="cuda:77")
    failing(source, tiny, WeightsError, never, model="no-such-model")
    failing(source, tiny, UsageError, never, precision="int4")


def test_an_existing_output_is_refused_and_kept(source: Path, tiny: Path) -> None:
    """Without overwrite an existing output is refused and not touched."""
    failing(source, tiny, OutputError, overwrite=False)


def test_an_output_that_appears_meanwhile_is_kept(source: Path, tiny: Path) -> None:
    """A file that gets the final name while the job runs is not overwritten without permission."""
    output = source.with_name("out.mp4")

    def appear(event: Event) -> None:
        if isinstance(event, FramesDone):
            output.write_bytes(b"mine")

    with pytest.raises(OutputError, match="appeared while the job ran"):
        run_upscale(JobSpec(source, output, model=str(tiny), device="cpu"), appear)
    assert output.read_bytes() == b"mine"


def test_overwrite_replaces(source: Path, run: Run) -> None:
    """With overwrite the existing output is replaced by the result."""
    output = source.with_name("out.mp4")
    run(source, overwrite=False)
    size = output.stat().st_size
    output.write_bytes(b"mine")
    run(source, overwrite=True)
    assert output.stat().st_size == size


def test_the_sounds_offset_is_kept(clip: ClipMaker, run: Run) -> None:
    """A picture that starts 80 ms after the sound still does, within a millisecond."""
    source = clip("in.mp4", range(1024, 1024 + 20 * STEP, STEP), sound=Fraction(1))
    before = Result(source)
    after = run(source, rate=multiply("2"), size=scale("2"))
    assert before.times[0] != before.sound[0]
    assert abs((after.times[0] - after.sound[0]) - (before.times[0] - before.sound[0])) < MS


def test_the_output_says_how_it_was_made(clip: ClipMaker, tiny: Path, tmp_path: Path) -> None:
    """Version, network without its folder, and scale stand in the output's comment."""
    source = clip("in.mp4", [k * 512 for k in range(3)])
    spec = JobSpec(source, tmp_path / "out.mp4", SizeRequest(scale=Fraction(2)), model=str(tiny))

    run_upscale(spec)

    comment = dict(probe(tmp_path / "out.mp4").metadata)["comment"]
    assert comment.startswith(f"vinr {__version__}; model tiny.safetensors; scale 2x2")


@pytest.mark.parametrize("pix_fmt", ["gray", "yuvj420p"])
def test_full_range_is_lossless_in_matroska(clip: ClipMaker, tmp_path: Path, pix_fmt: str) -> None:
    """FFV1 says nothing of its range, so Matroska does, and every sample comes back as it was."""
    codec = "ffv1" if pix_fmt == "gray" else "libx264"
    source = clip("in.mkv", [0, 40, 80], time_base=Fraction(1, 1000), codec=codec, pix_fmt=pix_fmt)
    encode = EncodeOptions("ffv1", lossless=True)

    run_upscale(JobSpec(source, tmp_path / "out.mkv", encode=encode))

    given, found = (probe(path).video for path in (source, tmp_path / "out.mkv"))
    assert given.color.full_range
    assert found.color.full_range
    for before, after in zip(
        FrameReader(source, given), FrameReader(tmp_path / "out.mkv", found), strict=True
    ):
        for one, other in zip(before.planes, after.planes, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("pix_fmt", "tag"), [("yuv444p", "ap4h"), ("yuv422p", "apch")])
def test_prores_is_what_its_tag_says(
    clip: ClipMaker, tmp_path: Path, pix_fmt: str, tag: str
) -> None:
    """QuickTime finds ProRes's profile in the tag alone."""
    source = clip("in.mp4", [0, 512, 1024], pix_fmt=pix_fmt)

    run_upscale(JobSpec(source, tmp_path / "out.mov", encode=EncodeOptions("prores")))

    with av.open(str(tmp_path / "out.mov")) as container:
        context = container.streams.video[0].codec_context
        assert context.codec_tag == tag
        assert ("444" in str(context.pix_fmt)) == (tag == "ap4h")
