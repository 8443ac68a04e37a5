from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from vinr_cli.media.mux import finish
from vinr_cli.media.probe import probe
from vinr_cli.media.streams import changed_tracks

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
def test_what_is_foretold_is_what_happens(
    rich: Path, clip: Make, tmp_path: Path, ffmpeg: Path, form: str
) -> None:
    """The lines told before the work are those of the finished file, in every container."""
    codec = ("libvpx-vp9", "-deadline", "realtime") if form == "webm" else ("libx264", "-bf", "0")
    part = clip("part.mp4", "-c:v", *codec, seconds=2)
    source = probe(rich)
    told = changed_tracks(source, form)
    done: list[str] = []

    finish(part, source, tmp_path / "out", ffmpeg=ffmpeg, notices=done, container=form)

    assert told == done


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_no_subtitle_outlasts_the_end(
    rich: Path, clip: Make, tmp_path: Path, ffmpeg: Path, suffix: str
) -> None:
    """A text that is on at `--end` goes off there."""
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0", seconds=1)
    out = tmp_path / f"out.{suffix}"

    finish(
        part, probe(rich), out, cut=(Fraction(0), Fraction(1)), ffmpeg=ffmpeg, notices=[],
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

    told = changed_tracks(source, "mp4", left_out={"subtitle", "audio"})
    kinds = finish(
        part, source, tmp_path / "out.mp4", audio=False, subtitles=False, ffmpeg=ffmpeg, notices=[]
    )

    assert kinds == ("video",)
    assert [line.split()[0] for line in told] == ["video", "attachment"]


def test_tags_are_added_to_the_sources(
    rich: Path, clip: Make, tmp_path: Path, ffmpeg: Path
) -> None:
    """A tag of ours stands in the finished container."""
    part = clip("part.mp4", "-c:v", "libx264", "-bf", "0", seconds=2)
    out = tmp_path / "out.mp4"

    finish(part, probe(rich), out, tags={"comment": "vinr 0"}, ffmpeg=ffmpeg, notices=[])

    assert dict(probe(out).metadata)["comment"] == "vinr 0"
