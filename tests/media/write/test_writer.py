"""Frames to a part file: exact times, right tags, and every way an encoder can fail."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vinr_cli.color.spec import Chroma, ColorSpec, Mastering, Matrix, Siting, output_tags
from vinr_cli.errors import EncoderError, OutputError
from vinr_cli.media.base.codecs import CODECS
from vinr_cli.media.base.containers import CONTAINERS, MATROSKA, container_named
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.write import process
from vinr_cli.media.write.encoders import choose
from vinr_cli.media.write.writer import ORIGIN, FrameWriter
from vinr_cli.plan.job import EncodeOptions

FINISHED = {row.usual for row in CONTAINERS if row.rendering}
PART_CODECS = [name for name in CODECS if name not in FINISHED]  # parts of those are FFV1
Picture = Callable[..., Any]
SDR = ColorSpec(tagged_matrix="bt709", primaries="bt709", transfer="bt709")
HDR = ColorSpec(
    depth=10, matrix=Matrix.BT2020, tagged_matrix="bt2020nc", primaries="bt2020",
    transfer="smpte2084", siting=Siting.TOPLEFT,
)  # fmt: skip
FULL = ColorSpec(matrix=Matrix.BT601, full_range=True, tagged_matrix="bt470bg")
IRREGULAR = [5000 + 1501 * k + (k * k * 977) % 1400 for k in range(24)]
RATES = {
    "irregular": (IRREGULAR, Fraction(1, 90000), None),
    "ntsc": ([1001 * k for k in range(24)], Fraction(1, 24000), Fraction(24000, 1001)),
    "mult": ([1001 * (k + 7) for k in range(24)], Fraction(1, 84000), Fraction(84000, 1001)),
    "odd": ([7 * k for k in range(24)], Fraction(1, 419), Fraction(419, 7)),
    "negative": ([-3003 + 1001 * k for k in range(24)], Fraction(1, 30000), Fraction(30000, 1001)),
    "single": ([90000], Fraction(1, 90000), None),
}


def part_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tick = stream.time_base or Fraction(1)
        return sorted(p.pts * tick for p in container.demux(stream) if p.pts is not None and p.size)


def write(
    path: Path,
    picture: Picture,
    pts: list[int],
    tick: Fraction = Fraction(1, 25),
    rate: Fraction | None = Fraction(25),
    *,
    color: ColorSpec = SDR,
    codec: str | None = None,
    size: tuple[int, int] = (64, 48),
    **further: Any,
) -> ColorSpec:
    options = further.pop("options", EncodeOptions(codec=codec))
    able = [row for row in CONTAINERS if codec in row.codecs]
    encoder = choose(options, able[0] if able else MATROSKA, color, rate=rate or Fraction(25))
    with FrameWriter(
        path, width=size[0], height=size[1], color=encoder.color, time_base=tick, rate=rate,
        options=options, encoder=encoder, **further,
    ) as writer:  # fmt: skip
        for k, time_ in enumerate(pts):
            writer.write(picture(encoder.color, size[1], size[0], k), time_)
    assert writer.frames == len(pts)
    return encoder.color


@pytest.mark.parametrize("codec", PART_CODECS)
@pytest.mark.parametrize("case", RATES)
def test_times_are_exact_for_every_codec(
    tmp_path: Path, picture: Picture, codec: str, case: str
) -> None:
    """Irregular, fractional, negative and single times come out of the part to the tick."""
    pts, tick, rate = RATES[case]
    part = tmp_path / "part"

    write(part, picture, pts, tick, rate, codec=codec)

    assert part_times(part) == [(p - pts[0]) * tick for p in pts]
    with av.open(str(part)) as container:
        origin = container.metadata["comment"]
    assert Fraction(origin.removeprefix(ORIGIN)) == pts[0] * tick


@pytest.mark.parametrize("codec", PART_CODECS)
@pytest.mark.parametrize("color", [SDR, HDR, FULL], ids=["sdr", "hdr", "full"])
def test_colours_are_tagged(tmp_path: Path, picture: Picture, codec: str, color: ColorSpec) -> None:
    """Matrix, primaries, transfer, range and depth of the part are those of its frames.

    A part of FFV1 does not say full range: the finished file does.
    """
    part = tmp_path / "part"

    given = write(part, picture, list(range(3)), color=color, codec=codec)

    found = probe(part).video.color
    assert (found.primaries, found.transfer, found.tagged_matrix) == output_tags(given)
    assert (found.chroma, found.depth, found.matrix) == (given.chroma, given.depth, given.matrix)
    assert found.full_range == (given.full_range and codec != "ffv1")


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_hdr_static_data_is_kept(tmp_path: Path, picture: Picture, codec: str) -> None:
    """The grading display and the light levels of HDR10 are read back as they were given."""
    part = tmp_path / "part"
    display = Mastering(
        red=(Fraction(34, 50), Fraction(32, 100)),
        green=(Fraction(265, 1000), Fraction(69, 100)),
        blue=(Fraction(15, 100), Fraction(6, 100)),
        white=(Fraction(3127, 10000), Fraction(329, 1000)),
        luminance=(Fraction(5, 1000), Fraction(1000)),
    )

    write(
        part, picture, [0, 1], color=replace(HDR, mastering=display, light=(993, 362)), codec=codec
    )

    found = probe(part).video.color
    assert found.light == (993, 362)
    assert found.mastering is not None
    for name in ("red", "green", "blue", "white", "luminance"):
        wanted, given = getattr(display, name), getattr(found.mastering, name)
        assert all(abs(a - b) < Fraction(1, 5000) for a, b in zip(wanted, given, strict=True))


@pytest.mark.parametrize(
    "color",
    [
        ColorSpec(chroma, Matrix.RGB if chroma is Chroma.RGB else Matrix.BT709, full, depth)
        for chroma in Chroma
        for depth in (8, 10, 12, 16)
        for full in (False, True)
        if chroma is not Chroma.RGB or full
    ],
    ids=lambda c: f"{c.chroma}-{c.depth}-{'full' if c.full_range else 'studio'}",
)
def test_lossless_parts_hold_the_very_samples(
    tmp_path: Path, picture: Picture, color: ColorSpec
) -> None:
    """Through the pipe, FFV1 and the reader every sample of every layout is unchanged."""
    part = tmp_path / "part"
    size = (33, 27)

    given = write(part, picture, [0, 1, 2], color=color, codec="ffv1", size=size)

    assert (given.chroma, given.depth) == (color.chroma, color.depth)
    assert given.full_range == color.full_range
    with FrameReader(part, probe(part).video) as reader:
        for k, frame in enumerate(reader):
            wanted = picture(color, size[1], size[0], k)
            assert all(np.array_equal(a, b) for a, b in zip(frame.planes, wanted, strict=True))


def test_wider_integers_are_taken(tmp_path: Path, picture: Picture) -> None:
    """Planes of int32, strided ones too, mean the same as uint16 ones."""
    part = tmp_path / "part"
    color = ColorSpec(depth=10)
    encoder = choose(EncodeOptions(codec="ffv1"), container_named("matroska"), color)
    planes = picture(color, 10, 12)
    wide = [np.repeat(p.astype(np.int32), 2, axis=1)[:, ::2] for p in planes]

    with FrameWriter(
        part, width=12, height=10, color=color, time_base=Fraction(1, 25), rate=Fraction(25),
        options=EncodeOptions(), encoder=encoder,
    ) as writer:  # fmt: skip
        writer.write(wide, 0)

    with FrameReader(part, probe(part).video) as reader:
        assert all(
            np.array_equal(a, b) for a, b in zip(next(iter(reader)).planes, planes, strict=True)
        )


def test_pixel_shape_and_tags_are_kept(tmp_path: Path, picture: Picture) -> None:
    """The part carries the sample aspect ratio and the given metadata."""
    part = tmp_path / "part"

    write(
        part, picture, [0, 1], codec="h264", sample_aspect=Fraction(4, 3), metadata={"title": "x"}
    )

    info = probe(part)
    assert info.video.sample_aspect == Fraction(4, 3)
    assert dict(info.metadata)["title"] == "x"


@pytest.mark.parametrize("codec", [c for c, row in CODECS.items() if not row.even])
@pytest.mark.parametrize("size", [(33, 27), (1, 1)])
def test_codecs_that_take_odd_sides_do(
    tmp_path: Path, picture: Picture, codec: str, size: tuple[int, int]
) -> None:
    """A codec that is not marked as needing even sides encodes odd 4:2:0 or 4:2:2 frames."""
    part = tmp_path / "part"

    write(part, picture, [0, 1], codec=codec, size=size)

    info = probe(part).video
    assert (info.width, info.height) == size


def open_writer(path: Path, ffmpeg: Path | None = None, **further: Any) -> FrameWriter:
    options = EncodeOptions(codec="ffv1", ffmpeg=ffmpeg, **further)
    encoder = choose(options, container_named("matroska"), SDR)
    return FrameWriter(
        path, width=64, height=48, color=SDR, time_base=Fraction(1, 25), rate=Fraction(25),
        options=options, encoder=encoder,
    )  # fmt: skip


def fake(folder: Path, real: Path, body: str) -> Path:
    """An ffmpeg that answers questions like the real one and then does something else."""
    script = folder / "fake-ffmpeg"
    ask = f'case "$*" in *-encoders*|*encoder=*) exec "{real}" "$@";; esac'
    script.write_text(f'#!/bin/sh\n{ask}\nreal="{real}"\n{body}\n')
    script.chmod(0o755)
    return script


def feed(writer: FrameWriter, picture: Picture, frames: int = 400) -> None:
    with writer:
        for k in range(frames):
            writer.write(picture(SDR, 48, 64, k), k)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("head -c 50000 >/dev/null; echo 'boom at frame 9' >&2; exit 3", EncoderError, "boom"),
        ("exit 0", EncoderError, "ffmpeg failed"),
        ("echo 'Unrecognized option' >&2; exit 8", EncoderError, "Unrecognized option"),
        ("kill -9 $$", EncoderError, "-9"),
        ("head -c 50000 >/dev/null; echo 'x: No space left on device' >&2; exit 1",
         OutputError, "No space left"),
        ("cat >/dev/null; echo 'trailer failed' >&2; exit 1", EncoderError, "trailer failed"),
    ],
)  # fmt: skip
def test_a_dying_encoder_is_told_in_its_own_words(
    tmp_path: Path, ffmpeg: Path, picture: Picture, *, body: str, error: type, words: str
) -> None:
    """However ffmpeg ends early, its last words are raised, the part is gone, nothing is left."""
    part = tmp_path / "part"
    threads = threading.active_count()

    with pytest.raises(error, match=words):
        feed(open_writer(part, fake(tmp_path, ffmpeg, body)), picture)

    assert not part.exists()
    assert threading.active_count() == threads


def test_a_hung_encoder_is_ended(
    tmp_path: Path, ffmpeg: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ffmpeg that takes nothing any more is killed after the limit, and said to have hung."""
    monkeypatch.setattr(process, "_STALL_SECONDS", 0.5)

    with pytest.raises(EncoderError, match="took nothing"):
        feed(open_writer(tmp_path / "part", fake(tmp_path, ffmpeg, "exec sleep 60")), picture)


def test_a_talkative_encoder_does_not_block(tmp_path: Path, ffmpeg: Path, picture: Picture) -> None:
    """More messages than a pipe holds, before and while encoding, stop nothing."""
    body = 'yes "a warning" | head -n 20000 >&2; exec "$real" "$@"'

    feed(open_writer(tmp_path / "part", fake(tmp_path, ffmpeg, body)), picture, frames=20)

    assert len(part_times(tmp_path / "part")) == 20


def test_abort_from_another_thread_frees_a_blocked_write(
    tmp_path: Path, ffmpeg: Path, picture: Picture
) -> None:
    """A write that waits for a stuck ffmpeg ends with an error when another thread aborts."""
    writer = open_writer(tmp_path / "part", fake(tmp_path, ffmpeg, "exec sleep 60"))
    threading.Timer(0.5, writer.abort).start()
    start = time.monotonic()

    with pytest.raises(EncoderError):
        feed(writer, picture)

    assert time.monotonic() - start < 20


def test_an_exception_in_the_block_removes_the_part(tmp_path: Path, picture: Picture) -> None:
    """Leaving by an exception kills ffmpeg, removes the part and lets the exception through."""
    part = tmp_path / "part"

    def interrupted() -> None:
        with open_writer(part) as writer:
            writer.write(picture(SDR, 48, 64), 0)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        interrupted()

    assert not part.exists()


def test_a_folder_that_is_missing_is_an_output_error(tmp_path: Path, picture: Picture) -> None:
    """A part that cannot be created is told as the target's trouble, not the encoder's."""
    with pytest.raises(OutputError, match="No such file"):
        feed(open_writer(tmp_path / "none" / "part"), picture)


def test_bad_options_are_told(tmp_path: Path, picture: Picture) -> None:
    """An argument that ffmpeg does not know ends in its own explanation."""
    with pytest.raises(EncoderError, match="nonsense"):
        feed(open_writer(tmp_path / "part", extra=("-nonsense", "1")), picture)


def test_no_frame_is_no_part(tmp_path: Path) -> None:
    """Closing without a frame is refused, and no file is left."""
    with pytest.raises(EncoderError, match="no frame"):
        open_writer(tmp_path / "part").close()
    assert not (tmp_path / "part").exists()


def test_wrong_frames_are_refused(tmp_path: Path, picture: Picture) -> None:
    """Frames of another shape or type, times that do not increase, and late ones raise."""
    writer = open_writer(tmp_path / "part")
    good = picture(SDR, 48, 64)
    with pytest.raises(ValueError, match="shapes"):
        writer.write(good[:1], 0)
    with pytest.raises(ValueError, match="float"):
        writer.write([p.astype(np.float32) for p in good], 0)
    writer.write(good, 5)
    with pytest.raises(ValueError, match="not after"):
        writer.write(good, 5)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(good, 6)


def test_other_colours_than_settled_are_refused(tmp_path: Path) -> None:
    """A writer for frames that its encoder does not take is refused at once."""
    with pytest.raises(EncoderError, match="does not take"):
        FrameWriter(
            tmp_path / "x.webm", width=4, height=4, color=ColorSpec(depth=16),
            time_base=Fraction(1), rate=None, options=EncodeOptions(),
        )  # fmt: skip
