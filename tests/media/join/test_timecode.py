"""Timecode of the first frame at another rate, alone and in a file that is opened again."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from vinr_cli.events import Notice
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.join.timecode import moved
from vinr_cli.plan.job import JobSpec, RateKind, RateRequest

Make = Callable[..., Path]
NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("label", "source", "target", "later", "expected"),
    [
        ("01:00:00:12", 25, 50, 0, "01:00:00:24"),
        ("01:00:00:24", 25, 60, 0, "01:00:00:57"),
        ("10:59:59:24", 25, 25, Fraction(1, 25), "11:00:00:00"),
        ("23:59:59:00", 24, 48, 2, "00:00:01:00"),
        ("01:00:00;02", NTSC, 2 * NTSC, 0, "01:00:00;04"),
        ("01:00:00;02", NTSC, 50, 0, "01:00:00:03"),
        ("00:00:59;29", NTSC, NTSC, 1 / NTSC, "00:01:00;02"),
        ("00:09:59;29", NTSC, NTSC, 1 / NTSC, "00:10:00;00"),
        ("00:00:00;00", NTSC, NTSC, 3600, "01:00:00;00"),
        ("00:00:59;59", 2 * NTSC, 2 * NTSC, 1 / (2 * NTSC), "00:01:00;04"),
        ("noon", 25, 50, 0, None),
    ],
)
def test_labels_move(
    label: str, source: Fraction, target: Fraction, later: Fraction, expected: str | None
) -> None:
    """Seconds stay, frames follow the rate, drop-frame counts skip their labels."""
    assert moved(label, Fraction(source), Fraction(target), Fraction(later)) == expected


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_a_file_keeps_its_timecode(clip: Make, tiny: Path, tmp_path: Path, suffix: str) -> None:
    """A camera's timecode is in the result, counted at its rate, from its first frame."""
    source = clip("in.mov", "-timecode", "01:00:00:12")
    said: list[str] = []
    run_upscale(
        JobSpec(source, tmp_path / f"out{suffix}", rate=RateRequest(RateKind.MULTIPLY, Fraction(2)),
                start=Fraction(2, 25), model=str(tiny)),
        lambda e: said.append(e.text) if isinstance(e, Notice) else None,
    )  # fmt: skip
    with av.open(tmp_path / f"out{suffix}") as container:
        tags = {k.lower(): v for k, v in container.streams.video[0].metadata.items()}
    assert tags["timecode"] == "01:00:00:28"
    assert not [text for text in said if "data" in text]


def test_a_varying_rate_has_no_timecode(clip: Make, tiny: Path, tmp_path: Path) -> None:
    """Where frames come at no constant rate, none is written, and that is told before work."""
    source = clip("in.mov", "-timecode", "01:00:00:12", "-vf", "select='not(eq(mod(n,5),2))'",
                  "-fps_mode", "passthrough")  # fmt: skip
    said: list[str] = []
    run_upscale(
        JobSpec(source, tmp_path / "out.mov", model=str(tiny)),
        lambda e: said.append(e.text) if isinstance(e, Notice) else None,
    )
    assert any("timecode" in text for text in said)
    with av.open(tmp_path / "out.mov") as container:
        assert "timecode" not in container.streams.video[0].metadata
        assert not container.streams.data
