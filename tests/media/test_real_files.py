"""Awkward files from the wild: each is read, or refused in one line."""

import itertools
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vinr_cli.color.spec import plane_shapes
from vinr_cli.errors import InputError
from vinr_cli.media.base.names import container_of
from vinr_cli.media.join.decisions import decide
from vinr_cli.media.join.mux import finish
from vinr_cli.media.join.verification import check
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.info import dropping_alpha
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.read.timestamps import scan_timestamps
from vinr_cli.media.write.encoders import choose
from vinr_cli.media.write.writer import FrameWriter
from vinr_cli.plan.job import EncodeOptions

SHARED = Path(os.environ.get("VINR_TEST_MEDIA", Path(__file__).parents[3] / "shared/data/media"))
FILES = sorted(p for p in SHARED.glob("*") if p.is_file()) if SHARED.is_dir() else []

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason="no folder of awkward files (VINR_TEST_MEDIA)"),
]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_file_is_read_or_refused(path: Path) -> None:
    """Probing and the first twenty frames work, in order and in shape, or give an InputError."""
    refusal = ""
    try:
        info = probe(path)
        times = scan_timestamps(path, info.video)
        with FrameReader(path, info.video) as reader:
            frames = list(itertools.islice(reader, 20))
    except InputError as error:
        refusal = str(error)
    assert "\n" not in refusal
    if refusal:
        return

    assert frames
    assert times.pts
    assert all(b.pts > a.pts for a, b in itertools.pairwise(frames))
    wanted = plane_shapes(info.video.color, info.video.height, info.video.width)
    assert all(tuple(p.shape for p in f.planes) == wanted for f in frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_its_other_tracks_fit_beside_new_pictures(
    path: Path, suffix: str, tmp_path: Path, picture: Callable[..., Any]
) -> None:
    """A file that can be read can be finished with new pictures at its times, and checks."""
    try:
        info = dropping_alpha(probe(path))  # the new pictures are H.264
    except InputError:
        return
    pts = scan_timestamps(path, info.video, limit=50).pts
    encoder = choose(
        EncodeOptions(preset="ultrafast"),
        container_of(Path(f"out{suffix}")),
        info.video.color,
    )
    part, out = tmp_path / f"part{suffix}", tmp_path / f"out{suffix}"
    with FrameWriter(
        part, width=32, height=32, color=encoder.color, time_base=info.video.time_base, rate=None,
        options=EncodeOptions(), encoder=encoder,
    ) as writer:  # fmt: skip
        for k, time in enumerate(pts):
            writer.write(picture(encoder.color, 32, 32, k), time)
    step = pts[-1] - pts[-2] if len(pts) > 1 else 1
    last = Fraction(step) * info.video.time_base

    finish(
        part, info, out, decisions=decide(info, encoder.container), ffmpeg=encoder.ffmpeg,
        notices=[], last_duration=last,
    )  # fmt: skip

    length = (pts[-1] - pts[0]) * info.video.time_base + last
    check(
        out, frames=len(pts), duration=length, tolerance=max(last, Fraction(3, 1000)),
        size=(32, 32),
    )  # fmt: skip
    assert probe(out).video.rotation == info.video.rotation
