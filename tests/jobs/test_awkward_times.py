"""Sources with awkward times, through the whole program; what is written is opened again."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from vinr_cli.events import Event, Notice
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.plan.job import JobSpec, RateKind, RateRequest

ClipMaker = Callable[..., Path]
FILM = Fraction(24000, 1001)
MS = Fraction(1, 1000)
TWICE = RateRequest(RateKind.MULTIPLY, Fraction(2))


def times_of(path: Path, kind: str = "video") -> list[Fraction]:
    """Times of a file's packets of a kind, in order."""
    with av.open(path) as container:
        stream = next(s for s in container.streams if s.type == kind)
        tick = stream.time_base or Fraction(1)
        found = [p.pts for p in container.demux(stream) if p.size and not p.is_discard]
    return sorted(time * tick for time in found if time is not None)


@pytest.fixture
def double(tiny: Path, tmp_path: Path) -> Callable[..., tuple[Path, list[str]]]:
    """Twice as many frames of a source in a file of a suffix; (the file, what was told)."""

    def go(source: Path, suffix: str, **options: Any) -> tuple[Path, list[str]]:
        said: list[str] = []

        def listen(event: Event) -> None:
            if isinstance(event, Notice):
                said.append(event.text)

        spec = JobSpec(source, tmp_path / f"out{suffix}", model=str(tiny), rate=TWICE, **options)
        run_upscale(spec, listen)
        return tmp_path / f"out{suffix}", said

    return go


Double = Callable[..., tuple[Path, list[str]]]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("in.mp4", ".mp4"), ("in.mkv", ".mkv"), ("in.mov", ".mov"), ("in.ts", ".ts"),
     ("in.ts", ".mp4"), ("in.mkv", ".mov")],
)  # fmt: skip
def test_ten_hours_in_frames_keep_their_places(
    clip: ClipMaker, double: Double, *, name: str, suffix: str
) -> None:  # fmt: skip
    """Film that begins nine hours and 59 minutes late keeps its exact rate and its place."""
    first = 24000 * 35940 // 1001 * 1001
    source = clip(name, [first + 1001 * i for i in range(8)], time_base=Fraction(1, 24000),
                  rate=FILM)  # fmt: skip
    before = times_of(source)

    out, _ = double(source, suffix)

    after = times_of(out)
    rounding = MS if suffix in (".mkv", ".ts") or name in ("in.mkv", "in.ts") else Fraction(0)
    assert len(after) == 16
    for k, time in enumerate(after):
        assert abs((time - after[0]) - k / (2 * FILM)) <= rounding
    if suffix != ".ts" and name != "in.ts":  # a broadcast clock starts anywhere
        assert abs(after[0] - before[0]) <= rounding


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_an_hour_between_two_frames_is_kept(clip: ClipMaker, double: Double, suffix: str) -> None:
    """Frames with an hour between them are as far apart in the result, to a tick."""
    steps = [0, 40, 80, 1_800_000, 3_600_000, 3_600_040]
    source = clip("in.mkv", steps, time_base=MS)

    out, said = double(source, suffix)

    after = times_of(out)
    slack = MS if suffix == ".mkv" else Fraction(1, 90000)
    assert len(after) == 12
    for k, step in enumerate(steps):
        assert abs(after[2 * k] - after[0] - step * MS) <= slack
    assert any("varies" in text for text in said)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("shift", [-1920, 0, 3840], ids=["before", "with", "after"])
def test_sound_keeps_its_place_in_every_container(
    clip: ClipMaker, double: Double, suffix: str, shift: int
) -> None:
    """A picture that starts before, with or after its sound does so in the result, to 1 ms."""
    pts = [5120 + shift + 512 * k for k in range(10)]
    source = clip("in.mp4", pts, sound=Fraction(1))

    out, _ = double(source, suffix)

    # Of the first packet, which holds a codec's delay, MP4 alone says that it is not heard.
    gaps = [times_of(path, "audio")[-1] - times_of(path)[0] for path in (source, out)]
    assert abs(gaps[1] - gaps[0]) <= MS


def patched(path: Path, boxes: Sequence[bytes], factor: int) -> Path:
    """An MP4 whose headers claim a duration that is so many times the true one."""
    data = bytearray(path.read_bytes())
    for box in boxes:
        at = data.index(box) + 4
        offset = at + 20 if box == b"tkhd" else at + 16
        (length,) = struct.unpack_from(">I", data, offset)
        struct.pack_into(">I", data, offset, length * factor if factor else 0)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
def test_an_end_takes_nothing_from_the_beginning(
    clip: ClipMaker, double: Double, name: str
) -> None:
    """With --end alone, sound from before the first frame is all there, and in its place."""
    tick = Fraction(1, 12800) if name == "in.mp4" else MS
    pts = [round((Fraction("0.4") + Fraction(k, 25)) / tick) for k in range(30)]
    source = clip(name, pts, time_base=tick, sound=Fraction(2))

    out, _ = double(source, ".mkv", end=Fraction("0.4"))

    video, sound = times_of(out), times_of(out, "audio")
    assert len(video) == 20
    before = [t for t in times_of(source, "audio") if t < times_of(source)[0]]
    kept = [t for t in sound if t < video[0]]
    assert len(before) > 10
    assert len(kept) >= len(before)
    assert abs((video[0] - kept[-1]) - (times_of(source)[0] - before[-1])) <= MS


@pytest.mark.parametrize("factor", [0, 3])
def test_a_wrong_duration_in_the_header_does_not_matter(
    clip: ClipMaker, double: Double, factor: int
) -> None:
    """Whatever length a header claims, the result has the frames that are there."""
    source = clip("in.mp4", [512 * k for k in range(12)])
    patched(source, [b"mvhd", b"tkhd", b"mdhd"], factor)

    out, _ = double(source, ".mp4")

    assert times_of(out) == [Fraction(k, 50) for k in range(24)]


def test_equal_and_missing_times_are_spread(
    clip: ClipMaker, double: Double, tmp_path: Path
) -> None:
    """Frames that share a time or have none come evenly between their neighbours, none lost."""
    source = clip("in.mkv", [0, 40, 80, 80, 160, 200, 200, 280], time_base=MS)
    assert times_of(source)[2] == times_of(source)[3]

    out, said = double(source, ".mkv")

    after = times_of(out)
    assert [t for t in after[::2]] == [Fraction(40 * k, 1000) for k in range(8)]
    assert any("have the time of another" in text for text in said)
