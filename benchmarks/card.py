"""The figures of the model card, as Markdown.

Run it as ``python benchmarks/card.py VALIDATION > weights/FIGURES.md``: every packaged model and
every baseline on a folder of clips that were not trained on, for all sizes, times and kinds of
input that the card speaks of, then on drawn clips that are hard (``hard_clips.py``). It takes over
half an hour on four cores; ``--only NAME`` runs one table.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from harness import hard_clips
from vinr_cli.evaluate.clips import find_clips
from vinr_cli.evaluate.compare import PROTOCOL, Settings, score_clip
from vinr_cli.evaluate.methods import methods, packaged_chooser
from vinr_cli.evaluate.scores import Score, average
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.measure.degradation import parse
from vinr_cli.media.measure.vmaf import has_vmaf
from vinr_cli.plan.job import EncodeOptions


@dataclass(frozen=True)
class Table:
    """One table of the card.

    Attributes:
        title: What it is about.
        settings: What is asked of every method.
        models: The packaged models in it.
        each: Whether every clip has its own row.
    """

    title: str
    settings: Settings
    models: tuple[str, ...] = ("clean", "video")
    each: bool = False


TABLES = {
    "x4": Table("Clean input, x4 in space, x2 in time", Settings(Fraction(4), 2, 9), each=True),
    "x2": Table("Clean input, x2, x2", Settings(Fraction(2), 2, 9)),
    "x2.5": Table("Clean input, x2.5, x2", Settings(Fraction(5, 2), 2, 9)),
    "x3": Table("Clean input, x3, x2", Settings(Fraction(3), 2, 9)),
    "long": Table(
        "Clean input, x3.5, x8: one pair eight frames apart",
        Settings(Fraction(7, 2), 8, 9, by_time=True),
        models=("clean",),
    ),
    "time2": Table("Scale 1, x2 in time", Settings(Fraction(1), 2, 9)),
    "time4": Table("Scale 1, x4 in time", Settings(Fraction(1), 4, 9)),
    "h264": Table(
        "H.264 at CRF 28, x4, x2",
        Settings(Fraction(4), 2, 9, degradation=parse("h264:crf=28")),
        each=True,
    ),
    "mpeg2": Table(
        "MPEG-2 at quantiser 6, x2, x2",
        Settings(Fraction(2), 2, 5, degradation=parse("mpeg2:q=6")),
    ),
    "hard": Table("Drawn clips, clean, x4, x2", Settings(Fraction(4), 2, 17), each=True),
    "hard2": Table("Drawn clips, clean, x2, x2", Settings(Fraction(2), 2, 17), each=True),
}
"""Every table by its name; those on drawn clips begin with "hard"."""

HEAD = (
    "| clip | times | method | PSNR-Y | SSIM-Y | VMAF | NEG | GMSD | sharpness | inner/input "
    "| blocks | ripple | flicker |\n" + "|---" * 13 + "|"
)


def row(score: Score) -> str:
    """One line of a table."""
    seen = f"{_or_dash(score.vmaf, 1)} | {_or_dash(score.vmaf_neg, 1)} | {score.gmsd:.4f}"
    relative = f"{score.sharpness:.3f} | {_or_dash(score.evenness, 3)} | {score.blockiness:.3f}"
    lively = f"{_or_dash(score.ripple, 3)} | {_or_dash(score.flicker, 2)}"
    named = f"{score.clip} | {score.times} | {score.method}"
    return f"| {named} | {score.psnr_y:.2f} | {score.ssim_y:.4f} | {seen} | {relative} | {lively} |"


def _or_dash(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def measured(table: Table, clips: Sequence[Path], ffmpeg: Path) -> list[Score]:
    """Scores of every clip, then their means."""
    networks = {name: packaged_chooser(name) for name in table.models}
    settings = replace(table.settings, vmaf=ffmpeg if has_vmaf(ffmpeg) else None, flicker=True)
    ways = methods(networks, ffmpeg)
    scores = [score for clip in clips for score in score_clip(clip, ways, settings)]
    means = average(scores)
    return [*scores, *means] if table.each else means


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("validation", type=Path, help="folder of clips never trained on")
    parser.add_argument("--only", action="append", choices=list(TABLES), help="one table")
    options = parser.parse_args()
    ffmpeg = find_ffmpeg(EncodeOptions())
    say = sys.stdout.write
    say(f"# Figures of the packaged weights\n\n{PROTOCOL}\n\nSharpness and blocks are relative ")
    say("to the truth's. Made by `python benchmarks/card.py VALIDATION`.\n")
    with tempfile.TemporaryDirectory() as scratch:
        drawn = Path(scratch)
        for name, table in TABLES.items():
            if options.only and name not in options.only:
                continue
            hard = name.startswith("hard")
            folder = drawn if hard else options.validation
            if hard and not any(drawn.iterdir()):
                for clip, draw in hard_clips.clips().items():
                    hard_clips.write(drawn / clip, draw)
            say(f"\n## {table.title}\n\n{HEAD}\n")
            for score in measured(table, find_clips([folder]), ffmpeg):
                say(row(score) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
