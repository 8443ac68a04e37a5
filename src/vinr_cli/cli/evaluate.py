"""`vinr evaluate`: how good the pictures are, against the truth and against other methods."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import vinr_cli.cli.options as o
from vinr_cli.cli.scores import scores_as_json, show_scores
from vinr_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from vinr_cli.evaluate.scores import Score


def _factor(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--scale {text}", "is no number", "Write 4, 3.5 or 10/3.") from None


def _results(named: list[str]) -> dict[str, Path]:
    """`NAME=FOLDER` by name, in the order given."""
    found: dict[str, Path] = {}
    for text in named:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--against {text}", "is no result", "Write NAME=FOLDER.")
        if name in found:
            raise UsageError(f"--against {text}", "has a name that is taken", "Choose another one.")
        if not Path(folder).is_dir():
            raise InputError(folder, "is no folder", "Name a folder with a result for each clip.")
        found[name] = Path(folder)
    return found


def evaluate(
    clips: Annotated[list[Path], typer.Argument(help="Videos, or folders of videos or PNGs.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model's name or file; may be given again to compare."),
    ] = None,
    deblock: o.Deblock = None,
    scale: Annotated[str, typer.Option(help="Spatial factor, such as 4, 3.5 or 10/3.")] = "4",
    fps_mult: Annotated[int, typer.Option(help="Frame-rate factor, a whole number.")] = 2,
    frames: Annotated[int, typer.Option(help="Frames of the truth to use at most.")] = 33,
    degrade: Annotated[
        str | None,
        typer.Option(help="Put the inputs through a codec first: h264:crf=28, mpeg2:q=6, …"),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Another program's results: a folder of PNGs or a video for each clip.",
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(help="Folder for the inputs as PNGs, for other programs to work on."),
    ] = None,
    baselines: Annotated[bool, typer.Option(help="Measure the other methods too.")] = True,
    by_time: Annotated[
        bool, typer.Option("--by-time", help="Report each time between two inputs too.")
    ] = False,
    vmaf: Annotated[bool, typer.Option(help="Measure VMAF where ffmpeg has libvmaf.")] = True,
    flicker: Annotated[bool, typer.Option(help="Measure flicker along the true motion.")] = True,
    strips: Annotated[
        Path | None,
        typer.Option(help="Folder for a PNG per clip: truth and methods side by side."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A page with strips and figures of every clip."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures for machines.")] = False,
) -> None:
    """Reduce clips in space and time, bring them back, and measure what was lost."""
    from vinr_cli.evaluate.clips import find_clips, write_frames
    from vinr_cli.evaluate.compare import PROTOCOL, Settings, reduce_clip, score_clip
    from vinr_cli.evaluate.methods import methods, packaged_chooser
    from vinr_cli.evaluate.page import Page
    from vinr_cli.evaluate.scores import average
    from vinr_cli.media.degrade import parse
    from vinr_cli.media.ffmpeg import find_ffmpeg
    from vinr_cli.media.vmaf import has_vmaf
    from vinr_cli.plan.job import EncodeOptions

    damage = None if degrade is None else parse(degrade)
    factor = _factor(scale)
    if factor < 1 or fps_mult < 1 or frames < 2:
        raise UsageError("evaluate", "needs a scale and a factor from 1 and two frames")
    ffmpeg = find_ffmpeg(EncodeOptions()) if baselines or vmaf else None
    judge = ffmpeg if vmaf and ffmpeg is not None and has_vmaf(ffmpeg) else None
    settings = Settings(factor, fps_mult, frames, damage, by_time, judge, flicker)
    names = model or ["default"]
    networks = {f"vinr ({name})": packaged_chooser(name, deblock) for name in names}
    results = _results(against or [])
    table = methods(networks, ffmpeg, baselines=baselines, results=results)
    if strips is not None:
        strips.mkdir(parents=True, exist_ok=True)
    page = None if html is None else Page(PROTOCOL)
    scores: list[Score] = []
    for clip in find_clips(clips):
        if inputs is not None:
            write_frames(inputs / clip.stem, reduce_clip(clip, settings)[1].frames)
        scores += score_clip(clip, table, settings, strips, page)
    means = average(scores)
    if html is not None and page is not None:
        page.write(html, means)
    scores += means
    if as_json:
        asked = {"scale": scale, "fps_mult": fps_mult, "frames": frames, "model": names}
        asked |= {
            "degrade": damage and str(damage),
            "deblock": "auto" if deblock is None else deblock,
            "against": against or [],
        }
        typer.echo(scores_as_json(scores, asked, PROTOCOL))
    else:
        show_scores(scores)
        typer.echo(PROTOCOL)
