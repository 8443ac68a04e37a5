"""The finished file: nothing of the source lost, nothing moved."""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vinr_cli.color.spec import ColorSpec
from vinr_cli.errors import InputError, OutputError, VerificationError
from vinr_cli.media.base.names import container_of, temporary_name
from vinr_cli.media.join.decisions import Wishes, decide
from vinr_cli.media.join.mux import finish
from vinr_cli.media.join.reencode import sound_length
from vinr_cli.media.join.times import ONE, ZERO, Times
from vinr_cli.media.join.verification import check
from vinr_cli.media.join.words import notices as said
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import MediaInfo
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.read.timestamps import scan_timestamps
from vinr_cli.media.write.encoders import choose
from vinr_cli.media.write.writer import FrameWriter
from vinr_cli.plan.job import EncodeOptions

Make = Callable[..., Path]
Packets = Callable[..., list[tuple[Fraction, bytes]]]
Picture = Callable[..., Any]
MILLISECOND = Fraction(1, 1000)
TONE = ("-f", "lavfi", "-i", "sine=d=1:r=48000")


class Bench:
    """Doubles the frames of a source and finishes the result, as a job would."""

    def __init__(self, folder: Path, picture: Picture, ffmpeg: Path) -> None:
        self.folder, self.picture, self.ffmpeg = folder, picture, ffmpeg
        self.notices: list[str] = []
        self.planned = Fraction(0)
        self.frames = 0

    def part(
        self,
        suffix: str,
        pts: list[int],
        tick: Fraction,
        rate: Fraction | None = None,
        codec: str | None = None,
    ) -> Path:
        options = EncodeOptions(codec=codec)
        encoder = choose(options, container_of(Path(f"out{suffix}")), ColorSpec(), rate=rate)
        path = self.folder / f"part{suffix}"
        with FrameWriter(
            path, width=64, height=48, color=encoder.color, time_base=tick, rate=rate,
            options=options, encoder=encoder,
        ) as writer:  # fmt: skip
            for k, time in enumerate(pts):
                writer.write(self.picture(encoder.color, 48, 64, k), time)
        self.frames = len(pts)
        return path

    def double(self, source: Path, suffix: str, codec: str | None = None, **further: Any) -> Path:
        info = probe(source)
        times = scan_timestamps(source, info.video)
        tick = info.video.time_base / 2
        last = times.last_duration or times.median or 1
        ends = [*times.pts[1:], times.pts[-1] + last]
        pts = [t for a, b in zip(times.pts, ends, strict=True) for t in (2 * a, a + b)]
        rate = None if times.variable else 2 * (info.video.rate or Fraction(25))
        self.planned = (ends[-1] - times.pts[0]) * info.video.time_base
        part = self.part(suffix, pts, tick, rate, codec)
        return self.finish(part, info, suffix, last_duration=last * tick, **further)

    def finish(self, part: Path, info: MediaInfo, suffix: str, **further: Any) -> Path:
        target = self.folder / f"out{suffix}"
        times = Times(shift=further.get("shift", ZERO), kept_span=further.get("kept_span"))
        stretched = further.get("stretch", ONE) != 1
        wishes = Wishes(further.pop("left_out", ()), stretched=stretched, times=times)
        decisions = decide(info, container_of(target), wishes)
        self.notices += said(decisions)
        finish(
            part, info, target, decisions=decisions, ffmpeg=self.ffmpeg, notices=self.notices,
            **further,
        )  # fmt: skip
        return target


@pytest.fixture
def bench(tmp_path: Path, picture: Picture, ffmpeg: Path) -> Bench:
    return Bench(tmp_path, picture, ffmpeg)


def heard(packets: list[tuple[Fraction, bytes]]) -> Fraction:
    return packets[0][0]


@pytest.mark.parametrize(
    "way",
    [
        ("in.mp4", ".mp4", "none"),
        ("in.mp4", ".mp4", "video"),
        ("in.mp4", ".mp4", "audio"),
        ("in.mp4", ".mkv", "video"),
        ("in.mp4", ".mov", "audio"),
        ("in.mp4", ".ts", "audio"),
        ("in.mkv", ".mp4", "video"),
        ("in.mkv", ".mkv", "audio"),
        ("in.ts", ".mp4", "video"),
        ("in.ts", ".ts", "none"),
    ],
    ids="-".join,
)
def test_sound_is_copied_and_stays_in_place(
    clip: Make, make: Make, packets: Packets, bench: Bench, way: tuple[str, str, str]
) -> None:  # fmt: skip
    """Sound packets are the source's own bytes, and lie at the same times from the first frame."""
    name, suffix, late = way
    video = clip("v.mp4", "-bf", "2")
    tone = make("a.mp4", *TONE, "-c:a", "aac")
    delay = {"video": ("0.5", "0"), "audio": ("0", "0.3"), "none": ("0", "0")}[late]
    source = make(
        name, "-itsoffset", delay[0], "-i", str(video), "-itsoffset", delay[1], "-i", str(tone),
        "-c", "copy", "-map", "0", "-map", "1",
    )  # fmt: skip

    out = bench.double(source, suffix)

    before, after = packets(source), packets(out)
    payload = [body for _, body in before]
    found = [body for _, body in after]
    if ".ts" in (name[-3:], suffix) and name[-3:] != suffix:
        # MPEG-TS puts a 7-byte header before each AAC packet.
        payload, found = ([b[7:] if b[:1] == b"\xff" else b for b in x] for x in (payload, found))
    assert found == payload
    first = [packets(p, "video")[0][0] for p in (source, out)]
    for (a, _), (b, _) in zip(before, after, strict=True):
        assert abs((b - first[1]) - (a - first[0])) <= MILLISECOND
    check(
        out, frames=bench.frames, duration=bench.planned, tolerance=Fraction(1, 50), size=(64, 48)
    )
    assert not [n for n in bench.notices if "audio" in n]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("b.mp4", ["-bf", "3", "-r", "30000/1001"]),
        ("vfr.mp4", ["-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "passthrough"]),
        ("one.mp4", ["-frames:v", "1"]),
        ("two.mp4", ["-frames:v", "2"]),
        ("late.mkv", ["-output_ts_offset", "0.48"]),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_and_duration_are_as_planned(
    clip: Make, packets: Packets, bench: Bench, *, name: str, arguments: list[str], suffix: str
) -> None:  # fmt: skip
    """Every frame has its time and the last its duration; the container adds and loses nothing."""
    source = clip(name, *arguments)
    info = probe(source).video
    given = scan_timestamps(source, info).pts

    out = bench.double(source, suffix)

    times = [t for t, _ in packets(out, "video")]
    exact = suffix in (".mp4", ".mov")
    slack = Fraction(0) if exact else MILLISECOND / 2
    assert len(times) == 2 * len(given)
    assert all(abs(t - p * info.time_base) <= slack for t, p in zip(times[::2], given, strict=True))
    assert times[0] == given[0] * info.time_base or not exact
    check(
        out, frames=bench.frames, duration=bench.planned, tolerance=2 * MILLISECOND, size=(64, 48)
    )
    found = probe(out)
    if exact:
        assert found.video.duration == bench.planned
    with FrameReader(out, found.video) as reader:
        assert len(list(reader)) == bench.frames


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("last", [Fraction(1, 100), Fraction(1, 25), Fraction(3)])
def test_the_last_frame_is_shown_as_long_as_said(
    clip: Make, bench: Bench, suffix: str, last: Fraction
) -> None:
    """The duration given for the last frame is the one that the container tells."""
    info = probe(clip("in.mp4", "-frames:v", "1"))
    part = bench.part(suffix, [0, 40, 80], Fraction(1, 1000), None)

    out = bench.finish(part, info, suffix, last_duration=last)

    length = Fraction(80, 1000) + last
    check(out, frames=3, duration=length, tolerance=MILLISECOND, size=(64, 48))
    assert probe(out).duration == length


def test_avi_keeps_a_constant_rate(clip: Make, packets: Packets, bench: Bench) -> None:
    """AVI gets the frames at their constant rate and the sound beside them."""
    source = clip("in.avi", *TONE, "-c:v", "mpeg4", "-c:a", "pcm_s16le")

    out = bench.double(source, ".avi")

    times = [t for t, _ in packets(out, "video")]
    assert [t - times[0] for t in times] == [Fraction(k, 50) for k in range(50)]
    assert b"".join(b for _, b in packets(out)) == b"".join(b for _, b in packets(source))


def test_avi_refuses_a_variable_rate(clip: Make, bench: Bench) -> None:
    """Frames of a variable rate are not put into AVI, where their times would be lost."""
    info = probe(clip("in.mp4"))
    part = bench.part(".mkv", [0, 40, 100], Fraction(1, 1000))

    with pytest.raises(OutputError, match="variable"):
        bench.finish(part, info, ".avi")


@pytest.mark.parametrize(
    ("codec", "suffix", "copied"),
    [
        ("aac", ".mkv", True),
        ("libopus", ".mp4", True),
        ("flac", ".mp4", True),
        ("ac3", ".mov", True),
        ("pcm_s16le", ".mov", True),
        ("libvorbis", ".webm", True),
        ("aac", ".webm", False),
        ("pcm_s16le", ".ts", False),
        ("libvorbis", ".mp4", False),
    ],
)
def test_sound_is_converted_only_where_it_must_be(
    clip: Make, packets: Packets, bench: Bench, *, codec: str, suffix: str, copied: bool
) -> None:  # fmt: skip
    """A codec that the container holds is copied; another is converted, and a notice says so."""
    source = clip("in.mkv", *TONE, "-c:a", codec)

    out = bench.double(source, suffix)

    same = [b for _, b in packets(source)] == [b for _, b in packets(out)]
    assert same == copied
    assert bool(bench.notices) != copied
    assert probe(out).tracks[0].kind == "audio"


def click(path: Path) -> Fraction:
    """Time of the loudest sample of a file's sound, from the file's first video frame."""
    with av.open(str(path)) as container:
        loudest, when = 0.0, Fraction(0)
        for frame in container.decode(audio=0):
            values = np.abs(frame.to_ndarray().astype(np.float64)).reshape(-1)
            values = values[:: 1 if frame.format.is_planar else len(frame.layout.channels)]
            peak = int(np.argmax(values))
            if values[peak] > loudest and frame.pts is not None and frame.time_base is not None:
                loudest = float(values[peak])
                when = frame.pts * frame.time_base + Fraction(peak, frame.sample_rate)
    return when - first_frame(path)


def first_frame(path: Path) -> Fraction:
    """Time of a file's first video frame.

    Readers of H.264 in AVI, which knows coding times alone, guess one frame of delay that no
    decoder makes; so there the first coding time counts.
    """
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        times = [
            p.dts if path.suffix == ".avi" else p.pts for p in container.demux(video) if p.size
        ]
        return min(t for t in times if t is not None) * (video.time_base or Fraction(1))


@pytest.fixture
def clicking(clip: Make) -> Make:
    """A clip whose sound is one click, one second after its first frame."""

    def run(name: str, *arguments: str) -> Path:
        pulse = "aevalsrc='if(between(t,1,1.0005),0.9,0)':s=48000:d=2"
        return clip(name, "-f", "lavfi", "-i", pulse, *arguments, seconds=2)

    return run


CONTAINERS = (".mp4", ".mov", ".mkv", ".webm", ".ts", ".avi")


@pytest.mark.parametrize(
    ("codec", "suffix", "offset"),
    [
        *((codec, suffix, "0") for codec in ("aac", "ac3", "libopus") for suffix in CONTAINERS),
        *(("aac", suffix, "0.1") for suffix in CONTAINERS),
        ("libmp3lame", ".avi", "0"),
        ("pcm_s16le", ".avi", "0.1"),
        ("pcm_s16le", ".ts", "0"),
        ("libvorbis", ".mov", "0"),
    ],
)
def test_a_click_stays_where_it_was(
    clicking: Make, make: Make, bench: Bench, *, codec: str, suffix: str, offset: str
) -> None:  # fmt: skip
    """Copied or converted, in any container, a click stays within 1 ms of its place."""
    plain = clicking("plain.mkv", "-c:a", codec)
    source = make("in.mkv", "-i", str(plain), "-itsoffset", offset, "-i", str(plain), "-c", "copy",
                  "-map", "0:v", "-map", "1:a")  # fmt: skip

    out = bench.double(source, suffix)

    assert abs(click(out) - click(source)) <= MILLISECOND


def middle_of_sound(path: Path) -> tuple[Fraction, Fraction]:
    """(middle of a file's sound by energy, from its first video frame; length of its sound)."""
    weight = moment = 0.0
    samples = 0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            energy = np.square(frame.to_ndarray().astype(np.float64)).mean(axis=0)
            start = float((frame.pts or 0) * (frame.time_base or 0))
            moment += float((energy * (start + np.arange(energy.size) / frame.sample_rate)).sum())
            weight += float(energy.sum())
            samples += frame.samples
            rate = frame.sample_rate
    info = probe(path).video
    first = (info.start_pts or 0) * info.time_base
    return Fraction(moment / weight) - first, Fraction(samples, rate)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize(
    ("factor", "offset"),
    [(Fraction(2), "0"), (Fraction(5, 2), "0.4"), (Fraction(4), "0.4"), (Fraction(1, 2), "0.4")],
)
def test_slow_motion_stretches_sound_with_the_picture(
    clip: Make, make: Make, bench: Bench, *, suffix: str, factor: Fraction, offset: str
) -> None:  # fmt: skip
    """A tone in the middle of a clip is heard at the stretched time, and for as long.

    The filter joins windows of a twelfth of a second where they fit best, so a place is only
    as exact as that.
    """
    tone = "aevalsrc='if(between(t,0.9,1.1),0.5*sin(2*PI*440*t),0)':s=48000:d=2"
    plain = clip("plain.mkv", "-f", "lavfi", "-i", tone, "-c:a", "pcm_s16le", seconds=2)
    source = make("in.mkv", "-itsoffset", offset, "-i", str(plain), "-c", "copy")
    info = probe(source)
    first = info.video.start_pts or 0
    pts = [first + round(40 * factor) * k for k in range(50)]
    part = bench.part(suffix, pts, Fraction(1, 1000))

    out = bench.finish(part, info, suffix, stretch=factor)

    middle, length = middle_of_sound(out)
    assert abs(middle - factor) < Fraction(1, 12)
    assert abs(length - 2 * factor) < Fraction(1, 5)


@pytest.mark.parametrize(
    ("codec", "rate", "factor", "suffix"),
    [
        ("aac", 44100, "2", ".mp4"),
        ("aac", 48000, "8", ".mov"),
        ("flac", 22050, "5/2", ".mp4"),
        ("libopus", 48000, "4", ".webm"),
        ("pcm_s16le", 44100, "1/2", ".mov"),
        ("libmp3lame", 32000, "4", ".avi"),
        ("ac3", 48000, "5/2", ".webm"),
        ("aac", 48000, "1/2", ".webm"),
        ("libvorbis", 44100, "2", ".avi"),
    ],
)
@pytest.mark.parametrize("offset", ["0", "0.4"])
def test_stretched_sound_begins_and_ends_exactly(
    clip: Make, make: Make, packets: Packets, bench: Bench,
    *, codec: str, rate: int, factor: str, suffix: str, offset: str,
) -> None:  # fmt: skip
    """Slow motion's sound starts and ends within 1 ms of where the factor puts the source's."""
    slow = Fraction(factor)
    plain = clip("p.mkv", "-f", "lavfi", "-i", f"sine=d=0.7:r={rate}", "-c:a", codec)
    source = make("in.mkv", "-i", str(plain), "-itsoffset", offset, "-i", str(plain), "-c", "copy",
                  "-map", "0:v", "-map", "1:a")  # fmt: skip
    info = probe(source)
    with av.open(str(source)) as container:
        frames = [f for f in container.decode(audio=0) if f.pts is not None]
        start = (frames[0].pts or 0) * (frames[0].time_base or Fraction(1)) - first_frame(source)
    length = sound_length(source, info.tracks[0].index, None, None)
    step = round(40 * slow)
    part = bench.part(suffix, [step * k for k in range(25)], MILLISECOND, Fraction(1000, step))

    out = bench.finish(part, info, suffix, stretch=slow)

    with av.open(str(out)) as container:
        sound = next(s for s in container.streams if s.type == "audio")
        tick = sound.time_base or Fraction(1)
        ends = [
            ((p.pts or 0) * tick, ((p.pts or 0) + (p.duration or 0)) * tick)
            for p in container.demux(sound) if p.size
        ]  # fmt: skip
    primed = {".webm": Fraction(312, 48000), ".avi": Fraction(0)}.get(suffix, Fraction(1024, rate))
    first = first_frame(out)
    heard_from = ends[0][0] + primed - first
    if suffix == ".avi":  # there are plain samples, and silence before them
        assert ends[0][0] == first
        heard_from += slow * start
    heard_to = ends[-1][1] - first
    if suffix == ".webm":  # the last packet says itself how much of it is sound
        heard_to = start * slow + decoded_length(out)
    assert abs(heard_from - slow * start) <= MILLISECOND
    assert abs(heard_to - slow * (start + length)) <= MILLISECOND


def decoded_length(path: Path) -> Fraction:
    """Seconds of sound that come out of a file's decoder."""
    with av.open(str(path)) as container:
        return sum(
            (Fraction(f.samples, f.sample_rate) for f in container.decode(audio=0)), Fraction(0)
        )


def test_a_cut_takes_the_sound_along(clicking: Make, packets: Packets, bench: Bench) -> None:
    """With --start and --end the sound is cut to the span and stays with the picture."""
    source = clicking("in.mp4", "-c:a", "aac")
    info = probe(source)
    part = bench.part(".mp4", [40 * k for k in range(20)], Fraction(1, 1000), Fraction(25))
    start = Fraction(6, 10)

    out = bench.finish(part, info, ".mp4", shift=start, kept_span=(start, start + Fraction(8, 10)))

    assert abs(click(out) - Fraction(4, 10)) < 2 * MILLISECOND
    sound = packets(out)
    assert Fraction(78, 100) < sound[-1][0] - sound[0][0] < Fraction(84, 100)
    assert abs((probe(out).duration or 0) - Fraction(8, 10)) < 30 * MILLISECOND


def test_a_cut_and_a_stretch_go_together(clicking: Make, bench: Bench) -> None:
    """Slow motion of a span keeps the click in its place within the span."""
    source = clicking("in.mp4", "-c:a", "aac")
    part = bench.part(".mp4", [80 * k for k in range(20)], Fraction(1, 1000), Fraction(25, 2))
    start = Fraction(6, 10)

    out = bench.finish(
        part, probe(source), ".mp4", shift=start, kept_span=(start, start + Fraction(8, 10)),
        stretch=Fraction(2),
    )  # fmt: skip

    assert abs(click(out) - Fraction(8, 10)) < 40 * MILLISECOND


def test_a_broadcast_clock_starts_at_zero(clip: Make, packets: Packets, bench: Bench) -> None:
    """The arbitrary start of an MPEG-TS clock is taken off, sound and picture alike."""
    source = clip("in.ts", *TONE, "-c:a", "mp2", "-output_ts_offset", "5000")

    out = bench.double(source, ".mp4")

    assert min(heard(packets(out)), heard(packets(out, "video"))) == 0
    gaps = [heard(packets(p, "video")) - heard(packets(p)) for p in (source, out)]
    assert abs(gaps[0] - gaps[1]) < MILLISECOND


def test_frames_before_zero_move_to_zero(clip: Make, packets: Packets, bench: Bench) -> None:
    """Negative times, which containers hide, are moved up with everything else."""
    info = probe(clip("in.mp4", *TONE, "-c:a", "aac"))
    part = bench.part(".mp4", [-3000 + 40 * k for k in range(10)], Fraction(1, 1000), Fraction(25))

    out = bench.finish(part, info, ".mp4")

    assert heard(packets(out, "video")) == 0
    assert abs(heard(packets(out)) - 3) < 30 * MILLISECOND


def test_no_audio_means_none(clip: Make, bench: Bench) -> None:
    """Without sound wanted, no sound is there, and no notice either."""
    out = bench.double(clip("in.mp4", *TONE), ".mp4", left_out={"audio"})

    assert not probe(out).tracks
    assert not bench.notices


@pytest.mark.parametrize(
    ("degrees", "suffix"), [(90, ".mp4"), (180, ".mov"), (270, ".mkv"), (90, ".mkv")]
)
def test_rotation_is_kept(clip: Make, make: Make, bench: Bench, degrees: int, suffix: str) -> None:
    """A turned source gives a result that is turned the same way."""
    plain = clip("plain.mp4")
    source = make("in.mp4", "-display_rotation", str(-degrees), "-i", str(plain), "-c", "copy")

    assert probe(bench.double(source, suffix)).video.rotation == degrees
    assert not bench.notices


SRT = "1\n00:00:00,200 --> 00:00:00,600\nHello\n\n2\n00:00:00,700 --> 00:00:00,900\nAgain\n"
CHAPTERS = (
    ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=1000\ntitle=Two\n"
)


@pytest.fixture
def rich(clip: Make, make: Make, tmp_path: Path) -> Path:
    """A Matroska file with sound, text, chapters, tags and a font."""
    (tmp_path / "s.srt").write_text(SRT)
    (tmp_path / "meta").write_text(CHAPTERS)
    (tmp_path / "font.ttf").write_bytes(bytes(range(256)))
    plain = clip("plain.mp4")
    return make(
        "rich.mkv", "-i", str(plain), *TONE, "-i", str(tmp_path / "s.srt"), "-i",
        str(tmp_path / "meta"), "-map", "0:v", "-map", "1:a", "-map", "2:s", "-map_metadata", "3",
        "-map_chapters", "3", "-c:v", "copy", "-c:a", "aac", "-c:s", "srt", "-metadata:s:a:0",
        "language=fra", "-metadata:s:v:0", "title=Picture", "-disposition:s:0", "forced",
        "-attach", str(tmp_path / "font.ttf"), "-metadata:s:t", "mimetype=font/ttf",
    )  # fmt: skip


def test_matroska_keeps_everything(rich: Path, packets: Packets, bench: Bench) -> None:
    """Text, chapters, tags, languages, dispositions and attachments all arrive in Matroska."""
    out = bench.double(rich, ".mkv")

    with av.open(str(out)) as found, av.open(str(rich)) as given:
        assert found.metadata["title"] == "A film"
        assert [c["metadata"]["title"] for c in found.chapters()] == ["One", "Two"]
        assert [c["start"] * (c["time_base"] or 1) for c in found.chapters()] == [
            0,
            Fraction(4, 10),
        ]
        kinds = [s.type for s in found.streams]
        assert kinds == ["video", "audio", "subtitle", "attachment"]
        assert found.streams.audio[0].language == "fra"
        assert found.streams.video[0].metadata["title"] == "Picture"
        assert found.streams.subtitles[0].disposition == given.streams.subtitles[0].disposition
        assert found.streams.attachments[0].data == bytes(range(256))
    assert [b for _, b in packets(out, "subtitle")] == [b for _, b in packets(rich, "subtitle")]
    assert not bench.notices


def test_mp4_keeps_what_it_can_and_says_the_rest(
    rich: Path, packets: Packets, bench: Bench
) -> None:
    """In MP4 text is converted, chapters and tags arrive, the font is told as lost."""
    out = bench.double(rich, ".mp4")

    text = [(t, b) for t, b in packets(out, "subtitle") if b"Hello" in b or b"Again" in b]
    assert [t for t, _ in text] == [Fraction(2, 10), Fraction(7, 10)]
    with av.open(str(out)) as found:
        assert found.metadata["title"] == "A film"
        assert [c["metadata"]["title"] for c in found.chapters()] == ["One", "Two"]
        assert found.streams.audio[0].language == "fra"
    assert len(bench.notices) == 2
    assert any("font.ttf" in n for n in bench.notices)
    assert any("mov_text" in n for n in bench.notices)


def test_chapters_and_text_follow_cut_and_stretch(
    rich: Path, packets: Packets, bench: Bench
) -> None:
    """Chapters and text outside a span are dropped; those inside move and stretch with it."""
    part = bench.part(".mkv", [80 * k for k in range(10)], Fraction(1, 1000), Fraction(25, 2))
    start = Fraction(5, 10)

    out = bench.finish(
        part, probe(rich), ".mkv", shift=start, kept_span=(start, start + Fraction(4, 10)),
        stretch=Fraction(2),
    )  # fmt: skip

    base = packets(out, "video")[0][0]
    assert [t - base for t, _ in packets(out, "subtitle")][-1] == Fraction(4, 10)
    with av.open(str(out)) as found:
        assert [c["metadata"]["title"] for c in found.chapters()] == ["Two"]


def test_a_cover_picture_is_kept(clip: Make, make: Make, packets: Packets, bench: Bench) -> None:
    """A cover picture arrives byte for byte as a cover picture."""
    movie = clip("plain.mp4")
    cover = make("cover.png", "-f", "lavfi", "-i", "color=red:s=64x48", "-frames:v", "1")
    source = make(
        "in.mp4", "-i", str(movie), "-i", str(cover), "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:1", "attached_pic",
    )  # fmt: skip

    out = bench.double(source, ".mp4")

    assert packets(out, "video", 1) == packets(source, "video", 1)
    assert probe(out).video.codec == "h264"


def test_damaged_sound_does_not_lose_the_picture(
    clip: Make, packets: Packets, bench: Bench
) -> None:
    """A source that has lost its second half since still gives the whole picture."""
    source = clip("in.mkv", *TONE, "-c:a", "pcm_s16le", seconds=1)
    info = probe(source)
    part = bench.part(".mkv", [40 * k for k in range(25)], Fraction(1, 1000), Fraction(25))
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])

    out = bench.finish(part, info, ".mkv")

    assert len(packets(out, "video")) == 25
    assert 0 < len(packets(out)) < 60


def test_colour_tags_reach_the_container(
    clip: Make, bench: Bench, tmp_path: Path, picture: Picture
) -> None:
    """HDR tags, ten bits and HEVC's Apple tag are told by the finished file."""
    info = probe(clip("in.mp4"))
    color = ColorSpec(
        depth=10, primaries="bt2020", transfer="arib-std-b67", tagged_matrix="bt2020nc"
    )
    for suffix in (".mp4", ".mkv", ".webm"):
        part = tmp_path / f"hdr{suffix}"
        with FrameWriter(
            part, width=64, height=48, color=color, time_base=Fraction(1, 25), rate=Fraction(25),
            options=EncodeOptions(),
        ) as writer:  # fmt: skip
            writer.write(picture(color, 48, 64), 0)
        out = bench.finish(part, info, suffix)
        found = probe(out).video
        tags = (found.color.primaries, found.color.transfer, found.color.tagged_matrix)
        assert tags == ("bt2020", "arib-std-b67", "bt2020nc")
        assert found.color.depth == 10
        if suffix == ".mp4":
            with av.open(str(out)) as container:
                assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_pixel_shape_reaches_the_container(
    clip: Make, bench: Bench, tmp_path: Path, picture: Picture
) -> None:
    """The sample aspect ratio of the part is told by every container that has one."""
    info = probe(clip("in.mp4"))
    for suffix in (".mp4", ".mov", ".mkv", ".ts"):
        part = tmp_path / f"shape{suffix}"
        with FrameWriter(
            part, width=64, height=48, color=ColorSpec(), time_base=Fraction(1, 25),
            rate=Fraction(25), options=EncodeOptions(), sample_aspect=Fraction(4, 3),
        ) as writer:  # fmt: skip
            writer.write(picture(ColorSpec(), 48, 64), 0)
        assert probe(bench.finish(part, info, suffix)).video.sample_aspect == Fraction(4, 3)


def test_check_names_what_differs(clip: Make, tmp_path: Path) -> None:
    """A wrong count, size or duration, and a broken file, are each told with both values."""
    path = clip("in.mp4")
    good: dict[str, Any] = {
        "frames": 25, "duration": Fraction(1), "tolerance": Fraction(1, 25), "size": (64, 48),
    }  # fmt: skip
    check(path, **good)
    for change, words in (
        ({"frames": 26}, "25 frames.*26"),
        ({"size": (64, 50)}, "64x48.*64x50"),
        ({"duration": Fraction(104, 100)}, "1.000000 s.*1.040000"),
    ):
        with pytest.raises(VerificationError, match=words):
            check(path, **{**good, **change})
    for broken in (tmp_path / "none.mp4", tmp_path / "bad.mp4"):
        if broken.name == "bad.mp4":
            broken.write_bytes(path.read_bytes()[:500])
        with pytest.raises(VerificationError, match="cannot be read back"):
            check(broken, **good)


def test_a_target_that_cannot_be_written_is_told(clip: Make, bench: Bench, tmp_path: Path) -> None:
    """A missing folder is the target's trouble, a missing part or source the input's."""
    info = probe(clip("in.mp4"))
    part = bench.part(".mp4", [0, 1], Fraction(1, 25), Fraction(25))
    with pytest.raises(OutputError, match="No such file"):
        finish(
            part, info, tmp_path / "none" / "x.mp4", decisions=(), ffmpeg=bench.ffmpeg, notices=[]
        )
    with pytest.raises(InputError):
        finish(
            tmp_path / "no", info, tmp_path / "x.mp4", decisions=(), ffmpeg=bench.ffmpeg, notices=[]
        )
    info.path.unlink()
    with pytest.raises(InputError):
        finish(part, info, tmp_path / "x.mp4", decisions=(), ffmpeg=bench.ffmpeg, notices=[])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told(clip: Make, bench: Bench, tmp_path: Path) -> None:
    """A target without space gives an OutputError with the system's words."""
    info = probe(clip("in.mp4"))
    part = bench.part(".mkv", [0, 1], Fraction(1, 25), Fraction(25))
    full = tmp_path / "full.mkv"
    full.symlink_to("/dev/full")

    with pytest.raises(OutputError, match="No space left"):
        finish(part, info, full, decisions=(), ffmpeg=bench.ffmpeg, notices=[])


def test_temporary_names_are_hidden_beside_the_output(tmp_path: Path) -> None:
    """A temporary name is hidden, in the same folder, keeps the suffix, differs, and fits."""
    for name in ("out.mp4", "ü" * 120 + ".mkv", "x" * 251 + ".mp4", os.fsdecode(b"caf\xe9.mp4")):
        output = tmp_path / name
        first, second = temporary_name(output), temporary_name(output)
        assert first != second
        assert first.parent == output.parent
        assert first.name.startswith(".")
        assert first.suffix == output.suffix
        assert len(os.fsencode(first.name)) <= 255
        first.touch()
