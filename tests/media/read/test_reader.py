"""Frames with exact times, whatever state the file is in."""

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from vinr_cli.color.spec import plane_shapes
from vinr_cli.errors import InputError
from vinr_cli.media.read.clock import Clock
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.planes import planes_of
from vinr_cli.media.read.reader import Frame, FrameReader
from vinr_cli.media.read.timestamps import scan_timestamps

Make = Callable[..., Path]


def read(path: Path, **span: Any) -> tuple[list[Frame], list[str]]:
    with FrameReader(path, probe(path).video, **span) as reader:
        return list(reader), reader.notices


def times(path: Path, **span: Any) -> list[int]:
    return [frame.pts for frame in read(path, **span)[0]]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("b-frames.mp4", ["-bf", "4", "-g", "12"]),
        ("open-gop.mp4", ["-x264-params", "open-gop=1:keyint=10:bframes=3"]),
        ("hevc.mp4", ["-c:v", "libx265", "-x265-params", "log-level=error"]),
        ("vp9.webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime"]),
        ("transport.ts", ["-bf", "2"]),
        ("mpeg4.avi", ["-c:v", "mpeg4", "-bf", "0"]),
        ("intra.mov", ["-c:v", "prores_ks"]),
    ],
)
def test_every_frame_comes_once_in_order(clip: Make, name: str, arguments: list[str]) -> None:
    """All frames come, the last delayed ones too, with the times that the packets have."""
    path = clip(name, *arguments)
    info = probe(path).video

    frames, notices = read(path)

    assert tuple(f.pts for f in frames) == scan_timestamps(path, info).pts
    assert len(frames) == 25
    assert not notices


@pytest.mark.parametrize(
    "pix_fmt",
    ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p12le", "gray", "gray10le", "gbrp",
     "gbrp10le", "yuva444p", "yuv411p"],
)  # fmt: skip
@pytest.mark.parametrize("size", ["64x48", "33x27", "1x1"])
def test_planes_have_layout_and_memory_of_their_own(clip: Make, pix_fmt: str, size: str) -> None:
    """Planes of any format and size have the described shapes and type, contiguous and writable."""
    path = clip(
        "in.nut", "-vf", f"scale={size.replace('x', ':')}", "-pix_fmt", pix_fmt, "-c:v", "ffv1",
        seconds=0.08,
    )  # fmt: skip
    info = probe(path).video

    frames, _ = read(path)

    kind = np.uint8 if info.color.depth == 8 else np.uint16
    for frame in frames:
        shapes = tuple(p.shape for p in frame.planes)
        assert shapes == plane_shapes(info.color, info.height, info.width)
        assert all(p.dtype == kind and p.flags.c_contiguous for p in frame.planes)
        assert all(p.flags.writeable for p in frame.planes)


@pytest.mark.parametrize(
    ("packed", "planar"),
    [("nv12", "yuv420p"), ("nv16", "yuv422p"), ("yuyv422", "yuv422p"), ("uyvy422", "yuv422p"),
     ("p010le", "yuv420p10le"), ("p210le", "yuv422p10le"), ("rgb24", "gbrp"), ("bgra", "gbrp"),
     ("0rgb", "gbrp"), ("rgb48le", "gbrp16le"), ("gbrp10be", "gbrp10le"), ("ya8", "gray")],
)  # fmt: skip
def test_repacking_changes_no_sample(packed: str, planar: str) -> None:
    """A packed or interleaved format gives the samples that its planar twin gives."""
    draw = np.random.default_rng(7)
    depth = 16 if "16" in planar else 10 if "10" in planar else 8
    twin = av.VideoFrame(64, 48, planar)
    for plane in twin.planes:
        values = draw.integers(0, 2**depth, plane.buffer_size // (1 if depth == 8 else 2))
        plane.update(values.astype(np.uint8 if depth == 8 else "<u2").tobytes())
    frame = twin.reformat(format=packed)
    from vinr_cli.color.spec import ColorSpec
    from vinr_cli.media.base.pixel_formats import layout_of

    layout = layout_of(packed)
    info: Any = SimpleNamespace(color=ColorSpec(layout.chroma, depth=layout.depth))

    for found, wanted in zip(planes_of(frame, info), planes_of(twin, info), strict=True):
        assert np.array_equal(found, wanted)


def test_rgb_planes_come_in_the_order_red_green_blue(clip: Make, make: Make) -> None:
    """The first plane of an RGB stream is red."""
    path = make(
        "red.nut", "-f", "lavfi", "-i", "color=red:s=16x16:d=0.1", "-pix_fmt", "gbrp", "-c:v",
        "ffv1",
    )  # fmt: skip

    red, green, blue = read(path)[0][0].planes

    assert (int(red.min()), int(green.max()), int(blue.max())) == (254, 0, 0) or int(
        red.min()
    ) > 250


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
@pytest.mark.parametrize("first", [0, 1, 13, 24, 37, 49])
def test_a_span_starts_and_ends_exactly(clip: Make, name: str, first: int) -> None:
    """Reading from the middle yields the frames that a whole read has there, and no others."""
    path = clip(name, "-g", "10", "-bf", "2", "-x264-params", "open-gop=1", seconds=2)
    every, _ = read(path)
    last = min(first + 7, 50)
    end = every[last].pts if last < 50 else None

    found, _ = read(path, start_pts=every[first].pts, end_pts=end)

    assert [f.pts for f in found] == [f.pts for f in every[first:last]]
    for a, b in zip(found, every[first:last], strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(a.planes, b.planes, strict=True))


def test_edit_lists_hide_frames(clip: Make, make: Make) -> None:
    """Frames before the start that an edit list names are not shown, and not yielded."""
    whole = clip("in.mp4", "-g", "250", seconds=2)
    cut = make("cut.mp4", "-ss", "1", "-i", str(whole), "-c", "copy")

    found = times(cut)

    assert len(found) == 25
    assert found[0] == 0


def test_variable_rates_keep_their_times(clip: Make) -> None:
    """Dropped frames leave gaps; nothing is filled in and nothing moves."""
    path = clip("in.mp4", "-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "passthrough")
    step = Fraction(1, 25) / probe(path).video.time_base

    assert times(path) == [k * step for k in range(25) if k % 5 != 2]


def test_one_frame_is_enough(clip: Make) -> None:
    """A clip of a single frame gives that frame."""
    assert times(clip("one.mp4", "-frames:v", "1")) == [0]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("in.mov", ["-c:v", "png"]),
        ("in.mov", ["-c:v", "prores_ks"]),
        ("in.mov", ["-c:v", "mjpeg"]),
        ("in.mp4", ["-c:v", "libx264", "-g", "5"]),
        ("in.mp4", ["-c:v", "libx265", "-g", "5", "-x265-params", "log-level=error"]),
        ("in.mp4", ["-c:v", "libvpx-vp9", "-g", "5", "-deadline", "realtime"]),
    ],
)
def test_damage_leaves_a_gap_and_a_notice(clip: Make, name: str, arguments: list[str]) -> None:
    """Frames beside a damaged one keep their times, none is made up, and a notice tells."""
    path = clip(name, *arguments, size="128x96")
    whole, _ = read(path)
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][12]
        start, end = (packet.pos or 0) + 8, (packet.pos or 0) + packet.size
    data = bytearray(path.read_bytes())
    data[start:end] = bytes(end - start)
    path.write_bytes(data)

    frames, notices = read(path)

    assert {f.pts for f in frames} < {f.pts for f in whole}
    assert len(frames) >= 20
    assert any("damaged packet" in n or "did not come out" in n for n in notices)


def test_truncation_is_told(clip: Make) -> None:
    """A file that breaks off gives the frames that it has, and a notice."""
    path = clip("in.mp4", "-movflags", "+faststart", "-g", "5", seconds=4)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])

    frames, notices = read(path)

    assert 20 < len(frames) < 100
    assert any("truncated" in n for n in notices)


def test_a_change_of_size_is_refused_with_its_place(clip: Make, tmp_path: Path) -> None:
    """A stream whose frames change their size is refused, naming both sizes and the time."""
    parts = [clip(f"{s}.ts", "-bf", "0", size=s, seconds=0.4) for s in ("64x48", "96x64")]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(p.read_bytes() for p in parts))

    with pytest.raises(InputError, match="64x48 to 96x64"):
        read(both)


def test_leaving_early_is_clean(clip: Make) -> None:
    """A reader that is left in the middle can be closed, twice, and leaves no thread behind."""
    path = clip("in.mp4")
    before = threading.active_count()
    reader = FrameReader(path, probe(path).video)
    with reader:
        assert next(iter(reader)).pts == 0
    reader.close()

    assert threading.active_count() == before


def test_a_file_that_goes_away_is_an_input_error(clip: Make) -> None:
    """A file that is deleted after it was probed is refused as missing."""
    path = clip("in.mp4")
    info = probe(path).video
    path.unlink()

    with pytest.raises(InputError, match="no such file"):
        FrameReader(path, info)


def repaired(*raw: int | None, interval: int = 10) -> tuple[list[int], list[str]]:
    """Times that a stream with these raw times gets."""
    notices: list[str] = []
    clock = Clock(interval, notices, str)
    frames: Iterator[Any] = iter([SimpleNamespace(pts=t) for t in raw])
    return [time for _, time in clock.repair(frames)], notices


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([0, 10, 20], [0, 10, 20]),
        ([-20, -10, 0], [-20, -10, 0]),
        ([0, None, 20, 30], [0, 10, 20, 30]),
        ([0, None, None, 30], [0, 10, 20, 30]),
        ([None, 10, 20], [0, 10, 20]),
        ([0, 10, None], [0, 10, 20]),
        ([None, None, None], [0, 10, 20]),
        ([0, 10, 10, 30], [0, 10, 20, 30]),
        ([0, 20, 10, 40], [0, 20, 30, 40]),
        ([0, 10, 10, 11], [0, 10, 11]),
        ([100, 110, 0, 10, 20, 30, 40, 50], [100, 110, 120, 130, 140, 150, 160, 170]),
        ([None] * 9, [0, 10, 20, 30, 40, 50, 60, 70, 80]),
        ([5], [5]),
        ([], []),
    ],
)
def test_bad_times_are_repaired(raw: list[int | None], expected: list[int]) -> None:
    """Missing, repeated and backward times are spread between good ones; a reset clock goes on."""
    found, notices = repaired(*raw)

    assert found == expected
    assert bool(notices) == (raw != expected)


def test_repaired_times_always_increase() -> None:
    """Whatever the times are, those that come out increase strictly."""
    draw = np.random.default_rng(11)
    for _ in range(300):
        raw = [None if draw.random() < 0.2 else int(draw.integers(-30, 60)) for _ in range(40)]
        found, _ = repaired(*raw, interval=int(draw.integers(1, 5)))
        assert all(b > a for a, b in pairwise(found))
