"""`vinr evaluate`: how good the pictures are, against the truth and against other methods."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vinr_cli.cli.scores import show_scores
from vinr_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from vinr_cli.evaluate.compare import Score

SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}


def find_clips(paths: list[Path]) -> list[Path]:
    """Videos as named, and those in a folder of videos; a folder of PNG frames is one clip.

    Raises:
        InputError: a path that is neither.
    """
    clips: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.glob("*") if p.suffix.lower() in SUFFIXES)
        if not path.is_dir() or not inside:
            clips.append(path)
        clips += inside
    for clip in clips:
        if not clip.exists():
            raise InputError(clip, "does not exist", "Name a video or a folder.")
    return clips


def _factor(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--scale {text}", "is no number", "Write 4, 3.5 or 10/3.") from None


def evaluate(
    clips: Annotated[list[Path], typer.Argument(help="Videos, or folders of videos or PNGs.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model's name or file; may be given again to compare."),
    ] = None,
    scale: Annotated[str, typer.Option(help="Spatial factor, such as 4, 3.5 or 10/3.")] = "4",
    fps_mult: Annotated[int, typer.Option(help="Frame-rate factor, a whole number.")] = 2,
    frames: Annotated[int, typer.Option(help="Frames of the truth to use at most.")] = 33,
    degrade: Annotated[
        str | None,
        typer.Option(help="Put the inputs through a codec first: h264:crf=28, mpeg2:q=6, …"),
    ] = None,
    baselines: Annotated[bool, typer.Option(help="Measure the other methods too.")] = True,
    strips: Annotated[
        Path | None,
        typer.Option(help="Folder for a PNG per clip: truth and methods side by side."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures for machines.")] = False,
) -> None:
    """Reduce clips in space and time, bring them back, and measure what was lost."""
    from vinr_cli.evaluate.compare import PROTOCOL, Settings, average, methods, score_clip
    from vinr_cli.media.degrade import parse
    from vinr_cli.media.encoders import find_ffmpeg
    from vinr_cli.plan.job import EncodeOptions
    from vinr_cli.weights.load import load_model

    damage = None if degrade is None else parse(degrade)
    settings = Settings(_factor(scale), fps_mult, frames, damage)
    if settings.scale < 1 or fps_mult < 1 or frames < 2:
        raise UsageError("evaluate", "needs a scale and a factor from 1 and two frames")
    ffmpeg = find_ffmpeg(EncodeOptions()) if baselines else None
    names = model or ["default"]
    table = methods({f"vinr ({name})": load_model(name) for name in names}, ffmpeg)
    if not baselines:
        del table["bicubic+blend"]
    if strips is not None:
        strips.mkdir(parents=True, exist_ok=True)
    scores: list[Score] = []
    for clip in find_clips(clips):
        scores += score_clip(clip, table, settings, strips)
    scores += average(scores)
    if as_json:
        rows = [dataclasses.asdict(s) for s in scores]
        setting = {"scale": scale, "fps_mult": fps_mult, "frames": frames, "model": names}
        setting["degrade"] = None if damage is None else str(damage)
        typer.echo(json.dumps({"protocol": PROTOCOL, "settings": setting, "scores": rows}))
    else:
        show_scores(scores)
        typer.echo(PROTOCOL)
