"""A table of inputs, their properties and what became of them: every awkward file, whole program.

`VINR_TABLE=table.md python -m pytest -m slow tests/media/test_table.py` writes it.
"""

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.errors import VinrError
from vinr_cli.events import Event, Notice
from vinr_cli.jobs.upscale import run_upscale
from vinr_cli.media.encoders import find_ffmpeg
from vinr_cli.media.probe import MediaInfo, probe, scan_timestamps
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest

SHARED = Path(os.environ.get("VINR_TEST_MEDIA", Path(__file__).parents[3] / "shared/data/media"))
FILES = sorted(p for p in SHARED.glob("*") if p.is_file()) if SHARED.is_dir() else []
TABLE = os.environ.get("VINR_TABLE")
FRAMES, FEW = 6, 2
LARGE = 1_000_000
"""Pixels of a frame from which a few frames must do."""
_AS_IT_IS = ("-fps_mode", "passthrough", "-enc_time_base", "demux")
"""Times as they are; else ffmpeg rounds them to a mean rate, and complains about that."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason="no folder of awkward files (VINR_TEST_MEDIA)"),
]


def properties(info: MediaInfo, variable: bool) -> str:
    """A file in a few words."""
    video, color = info.video, info.video.color
    words = [
        info.container.split(",")[0], video.codec, video.pix_fmt, f"{video.width}x{video.height}",
        "variable" if variable else "constant", color.transfer, str(color.siting),
        "full range" if color.full_range else None,
        f"turned {video.rotation}" if video.rotation else None,
        f"pixels {video.sample_aspect}" if video.sample_aspect != 1 else None,
        "interlaced" if video.interlaced else None, "alpha" if video.alpha else None,
        *(f"{t.kind}:{t.codec}" for t in info.tracks),
    ]  # fmt: skip
    return " ".join(word for word in words if word)


def full_decode(ffmpeg: Path, path: Path) -> str:
    """What ffmpeg says against a file that it decodes as a whole; empty if nothing."""
    command: list[str | Path] = [
        ffmpeg,
        "-nostdin",
        "-v",
        "error",
        "-xerror",
        "-i",
        path,
        "-map",
        "0:v",
        "-map",
    ]
    done = subprocess.run(
        [*command, "0:a?", *_AS_IT_IS, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() or ("" if done.returncode == 0 else "fails without a word")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_file_becomes_a_strictly_valid_one(path: Path, tiny: Path, tmp_path: Path) -> None:
    """A file is refused in one line, or its result decodes without a complaint and upright."""
    said: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            said.append(event.text)

    what, refused = "-", ""
    try:
        info = probe(path)
        times = scan_timestamps(path, info.video)
        what = properties(info, times.variable)
        count = FEW if info.video.width * info.video.height > LARGE else FRAMES
        later = times.pts[min(count, len(times.pts) - 1)] - times.pts[0]
        end = later * info.video.time_base or None
        small = min(Fraction(1), max(Fraction(1, 4), Fraction(360, info.video.width)))
        spec = JobSpec(
            path, tmp_path / "out.mkv", SizeRequest(scale=small),
            RateRequest(RateKind.MULTIPLY, Fraction(2)), end=end, model=str(tiny), device="cpu",
            encode=EncodeOptions(preset="ultrafast") if info.video.color.depth < 9 else
            EncodeOptions(codec="h265", preset="ultrafast"),
        )  # fmt: skip
        finished = run_upscale(spec, listen)
    except VinrError as error:
        refused = str(error)
    if refused:
        tell(path, what, f"refused: {refused}", said)
        assert "\n" not in refused
        return
    complaint = full_decode(find_ffmpeg(EncodeOptions()), tmp_path / "out.mkv")
    made = probe(tmp_path / "out.mkv").video
    tell(path, what, complaint or f"{finished.frames} frames, decodes strictly", said)

    assert not complaint
    assert made.rotation == info.video.rotation
    # Matroska stores the shape of pixels as a whole size.
    assert made.sample_aspect / info.video.sample_aspect == pytest.approx(1, abs=0.01)
    assert made.color.transfer in (info.video.color.transfer, "bt709", "smpte170m")


def tell(path: Path, what: str, result: str, said: list[str]) -> None:
    """Add a row to the table."""
    if TABLE is not None:
        new = not Path(TABLE).exists()
        with open(TABLE, "a", encoding="utf-8") as table:
            if new:
                table.write("| file | properties | result | notices |\n|---|---|---|---|\n")
            notes = "; ".join(said).replace("|", "/")
            row = (path.name, what, result.replace(str(path.parent), "."), notes)
            table.write(f"| {' | '.join(row)} |\n")
