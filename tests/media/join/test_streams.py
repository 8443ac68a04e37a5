from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from vinr_cli.media.base.containers import AVI, MP4, container_named
from vinr_cli.media.base.names import container_of
from vinr_cli.media.base.opening import codec_name
from vinr_cli.media.join.decisions import Act, Wishes, decide
from vinr_cli.media.join.mux import finish
from vinr_cli.media.join.times import Times
from vinr_cli.media.join.verification import check
from vinr_cli.media.join.words import name_of
from vinr_cli.media.join.words import notices as said
from vinr_cli.media.read.describe import probe

Make = Callable[..., Path]

SUBTITLE = "1\n00:00:00,200 --> 00:00:00,900\nfirst\n\n2\n00:00:00,950 --> 00:00:03,000\nlast\n"


@pytest.fixture
def rich(make: Make, tmp_path: Path) -> Path:
    """Two videos, two sounds, a text and an attachment in one Matroska file."""
    (tmp_path / "a.srt").write_text(SUBTITLE)
    (tmp_path / "font.ttf").write_bytes(b"no real font")
    return make(
        "rich.mkv",
        "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2",
        "-f", "lavfi", "-i", "testsrc=s=32x32:r=25:d=2",
        "-f", "lavfi", "-i", "sine=d=2",
        "-i", f"file:{tmp_path / 'a.srt'}",
        "-attach", str(tmp_path / "font.ttf"), "-metadata:s:t", "mimetype=font/ttf",
        "-map", "0", "-map", "1", "-map", "2", "-map", "2", "-map", "3",
        "-c:a:0", "aac", "-c:a:1", "libvorbis", "-c:s", "srt",
    )  # fmt: skip


@pytest.mark.parametrize("form", ["mp4", "mov", "matroska", "webm", "mpegts"])
def test_what_is_decided_is_what_happens(
    rich: Path, clip: Make, tmp_path: Path, ffmpeg: Path, form: str
) -> None:
    """The finished file has the streams that were decided on, converted where that was said."""
    codec = ("libvpx-vp9", "-deadline", "realtime") if form == "webm" else ("libx264", "-bf", "0")
    part = clip("part.mp4", "-c:v", *codec, seconds=2)
    source, target, out = probe(rich), container_named(form), tmp_path / "out"
    decisions = decide(source, target)
    surprises: list[str] = []

    kinds = finish(
        part, source, out, decisions=decisions, ffmpeg=ffmpeg, notices=surprises, container=target
    )

    kept = [d for d in decisions if d.act in (Act.COPY, Act.CONVERT)]
    assert surprises == []
    assert kinds == ("video", *(d.kind for d in kept))
    with av.open(out) as container:
        names = [codec_name(s) for s in container.streams if s.type != "attachment"][1:]
    made = [d.conversion.codec if d.conversion else d.label for d in kept if d.kind != "attachment"]
    assert names == [name.removeprefix("lib") for name in made]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_no_subtitle_outlasts_the_end(
    rich: Path, clip: Make, tmp_path: Path, ffmpeg: Path, suffix: str
) -> None:
    """A text that is on at `--end` goes off there."""
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0", seconds=1)
    out = tmp_path / f"out.{suffix}"

    source = probe(rich)
    finish(
        part, source, out, decisions=decide(source, container_of(out)),
        kept_span=(Fraction(0), Fraction(1)), ffmpeg=ffmpeg, notices=[],
    )  # fmt: skip

    with av.open(out) as container:
        stream = container.streams.subtitles[0]
        tick = stream.time_base or Fraction(1)
        ends = [
            (p.pts + (p.duration or 0)) * tick
            for p in container.demux(stream)
            if p.size > 2 and p.pts is not None
        ]
    assert len(ends) == 2
    assert max(ends) == 1


def test_subtitles_can_be_left_out(rich: Path, clip: Make, tmp_path: Path, ffmpeg: Path) -> None:
    """Unwanted kinds of streams are neither copied nor told."""
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0", seconds=2)
    source = probe(rich)

    decisions = decide(source, MP4, Wishes(left_out={"subtitle", "audio"}))
    kinds = finish(
        part, source, tmp_path / "out.mp4", decisions=decisions, ffmpeg=ffmpeg, notices=[]
    )

    assert kinds == ("video", "video")
    assert [line.split()[0] for line in said(decisions)] == ["attachment"]


def test_tags_are_added_to_the_sources(
    rich: Path, clip: Make, tmp_path: Path, ffmpeg: Path
) -> None:
    """A tag of ours stands in the finished container."""
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0", seconds=2)
    out = tmp_path / "out.mp4"

    finish(
        part, probe(rich), out, decisions=(), tags={"comment": "vinr 0"}, ffmpeg=ffmpeg, notices=[]
    )

    assert dict(probe(out).metadata)["comment"] == "vinr 0"


def decoded(path: Path, kind: str, index: int) -> list[tuple[Fraction, bytes]]:
    """Time and samples of each frame of one of a file's streams, decoded without complaint."""
    found: list[tuple[Fraction, bytes]] = []
    with av.open(path) as container:
        stream = [s for s in container.streams if s.type == kind][index]
        for frame in container.decode(stream):
            assert isinstance(frame, VideoFrame | AudioFrame)
            time = (frame.pts or 0) * (frame.time_base or Fraction(0))
            found.append((time, frame.to_ndarray().tobytes()))
    return found


@pytest.mark.parametrize("name", ["in.mkv", "in.mp4", "in.ts"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_a_second_video_is_copied(
    make: Make, clip: Make, tmp_path: Path, ffmpeg: Path, *, name: str, suffix: str
) -> None:  # fmt: skip
    """A further video, with B-frames, decodes to the same frames at the same times."""
    source = make(
        name, "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-f", "lavfi", "-i",
        "testsrc=s=32x32:r=10:d=1", "-map", "0", "-map", "1", "-c:v", "libx264", "-bf", "3",
    )  # fmt: skip
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0")
    out = tmp_path / f"out{suffix}"
    notices: list[str] = []

    origin = decoded(source, "video", 0)[0][0]
    media = probe(source)
    decisions = decide(media, container_of(out), Wishes(times=Times(shift=origin)))
    finish(part, media, out, decisions=decisions, shift=origin, ffmpeg=ffmpeg, notices=notices)

    assert not notices
    assert not said(decisions)
    before, after = (decoded(path, "video", 1) for path in (source, out))
    assert [body for _, body in after] == [body for _, body in before]
    # MPEG-TS begins anywhere: there, times count from the main video's first frame.
    origins = [decoded(p, "video", 0)[0][0] for p in (source, out)]
    gaps = [a - origins[1] - (b - origins[0]) for (a, _), (b, _) in zip(after, before, strict=True)]
    assert max(map(abs, gaps)) <= Fraction(1, 1000)


def test_a_second_video_follows_cut_and_stretch(
    make: Make, clip: Make, tmp_path: Path, ffmpeg: Path
) -> None:
    """From the first key frame of the span on, its frames come at the stretched times."""
    source = make(
        "in.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i",
        "testsrc=s=32x32:r=10:d=2", "-map", "0", "-map", "1", "-c:v", "libx264", "-bf", "3",
        "-g", "5",
    )  # fmt: skip
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0", seconds=2)
    out = tmp_path / "out.mp4"
    start = Fraction(4, 10)

    media, span = probe(source), (start, Fraction(14, 10))
    finish(
        part, media, out, decisions=decide(media, MP4, Wishes(times=Times(kept_span=span))),
        shift=start, kept_span=span, stretch=Fraction(2), ffmpeg=ffmpeg, notices=[],
    )  # fmt: skip

    times = [t for t, _ in decoded(out, "video", 1)]
    assert times[0] == Fraction(2, 10)  # the key frame at 0.5 s
    assert {b - a for a, b in pairwise(times)} == {Fraction(2, 10)}
    assert Fraction(14, 10) <= times[-1] <= Fraction(22, 10)


def write_with_klv(path: Path) -> list[bytes]:
    """A clip with KLV metadata (SMPTE ST 336), as drones write it, in MPEG-TS."""
    bodies = [
        bytes.fromhex("060e2b34020b01010e0103010100000002") + bytes([k, k]) for k in range(25)
    ]
    with av.open(path, "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.options = {"bf": "0"}
        data: Any = container.add_data_stream("klv")
        data.time_base = Fraction(1, 90000)
        for k, body in enumerate(bodies):
            gray = np.full((48, 64), 9 * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, "gray").reformat(format="yuv420p")
            container.mux(video.encode(frame))
            packet = av.Packet(body)
            packet.stream, packet.time_base = data, Fraction(1, 90000)
            packet.pts = packet.dts = k * 3600
            container.mux(packet)
        container.mux(video.encode(None))
    return bodies


def test_metadata_of_a_drone_is_copied(clip: Make, tmp_path: Path, ffmpeg: Path) -> None:
    """KLV stays byte for byte beside its frames in MPEG-TS; elsewhere it is told that it goes."""
    bodies = write_with_klv(tmp_path / "in.ts")
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0")
    source = probe(tmp_path / "in.ts")
    notices: list[str] = []

    shift = (source.video.start_pts or 0) * source.video.time_base
    for name in ("out.ts", "out.mp4"):
        decisions = decide(source, container_of(Path(name)), Wishes(times=Times(shift=shift)))
        notices += said(decisions)
        finish(
            part, source, tmp_path / name, decisions=decisions, shift=shift, ffmpeg=ffmpeg,
            notices=notices,
        )  # fmt: skip

    assert notices == ["data stream 1 (klv) is not kept: mp4 cannot hold it"]
    with av.open(tmp_path / "out.ts") as container:
        packets = [p for p in container.demux() if p.size]
        found = {k: [p for p in packets if p.stream.type == k] for k in ("video", "data")}
    assert [bytes(p) for p in found["data"]] == bodies
    assert [p.pts for p in found["data"]] == [p.pts for p in found["video"]]


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_chapters_survive_quicktime(
    make: Make, clip: Make, tmp_path: Path, ffmpeg: Path, suffix: str
) -> None:
    """Chapters arrive in MP4 and MOV twice in a row, and the list that these keep is no stream."""
    text = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=800\ntitle=one\n"
    (tmp_path / "chapters.txt").write_text(text)
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0")
    source = make(
        "source.mkv", "-i", f"file:{part}", "-i", f"file:{tmp_path / 'chapters.txt'}",
        "-map_chapters", "1", "-c", "copy",
    )  # fmt: skip
    for name in ("first", "second"):
        notices: list[str] = []
        media, out = probe(source), tmp_path / f"{name}.{suffix}"
        decisions = decide(media, container_named(suffix))
        streams = finish(part, media, out, decisions=decisions, ffmpeg=ffmpeg, notices=notices)
        check(
            out, frames=25, duration=Fraction(1), tolerance=Fraction(1, 100), size=(64, 48),
            streams=streams,
        )  # fmt: skip
        with av.open(str(out)) as container:
            (chapter,) = container.chapters()
        assert chapter["metadata"]["title"] == "one"
        assert chapter["end"] * (chapter["time_base"] or 0) == Fraction(4, 5)
        assert notices == []
        assert [(name_of(d), d.act) for d in decisions] == [("chapters", Act.COPY)]
        source = out


def test_chapters_that_a_format_has_not_are_told(make: Make, clip: Make, tmp_path: Path) -> None:
    """AVI has no chapters, and a line says so before the work."""
    text = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=800\ntitle=one\n"
    (tmp_path / "chapters.txt").write_text(text)
    part = clip("part.mp4", "-c:v", "libx264")
    source = make(
        "source.mkv", "-i", f"file:{part}", "-i", f"file:{tmp_path / 'chapters.txt'}",
        "-map_chapters", "1", "-c", "copy",
    )  # fmt: skip
    assert said(decide(probe(source), AVI)) == ["chapters are not kept: avi has none"]
