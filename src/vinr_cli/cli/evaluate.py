"""`vinr evaluate`: how good the pictures are, against the truth and against other methods."""

from fractions import Fraction
from typing import TYPE_CHECKING

import typer

import vinr_cli.cli.options as o
from vinr_cli.cli.command import takes
from vinr_cli.cli.console import tell, tell_json
from vinr_cli.cli.rows import Given, as_path, as_text, needed, option, several, switch
from vinr_cli.cli.scores import scores_as_json, show_scores
from vinr_cli.plan.job import Limit
from vinr_cli.plan.numbers import parse_number, parse_whole

if TYPE_CHECKING:
    from vinr_cli.evaluate.compare import Score


# fmt: off
CLIPS = needed(several(option("CLIP", as_path, "CLIP", "",
    "Videos, or folders of videos or PNGs.")))
MODELS = several(option("--model", as_text, "NAME|FILE", "",
    "A model's name or file; may be given again to compare."))
SCALE = option("--scale", parse_number, "X", "", "Spatial factor, such as 4, 3.5 or 10/3.",
    default=Fraction(4), shown="4", limit=Limit("--scale", 1))
FPS_MULT = option("--fps-mult", parse_whole, "N", "", "Frame-rate factor, a whole number.",
    default=2, shown="2", limit=Limit("--fps-mult", 1))
FRAMES = option("--frames", parse_whole, "N", "", "Frames of the truth to use at most.",
    default=33, shown="33", limit=Limit("--frames", 2))
DEGRADE = option("--degrade", as_text, "CODEC", "",
    "Put the inputs through a codec first: h264:crf=28, mpeg2:q=6, …")
BASELINES = switch("--baselines/--no-baselines", "", "Measure the other methods too.",
    default=True)
BY_TIME = switch("--by-time", "", "Report each time between two inputs too.")
VMAF = switch("--vmaf/--no-vmaf", "", "Measure VMAF where ffmpeg has libvmaf.", default=True)
STRIPS = option("--strips", as_path, "DIR", "",
    "Folder for a PNG per clip: truth and methods side by side.")
AS_JSON = switch("--json", "", "Figures for machines.")
# fmt: on
_PROTOCOL = (SCALE, FPS_MULT, FRAMES, DEGRADE)


@takes(CLIPS, MODELS, o.DEBLOCK, *_PROTOCOL, BASELINES, BY_TIME, VMAF, STRIPS, AS_JSON)
def evaluate(context: typer.Context, given: Given) -> None:
    """Reduce clips in space and time, bring them back, and measure what was lost."""
    from vinr_cli.evaluate.clips import find_clips
    from vinr_cli.evaluate.compare import (
        PROTOCOL,
        Settings,
        average,
        methods,
        packaged_chooser,
        score_clip,
    )
    from vinr_cli.media.degrade import parse
    from vinr_cli.media.ffmpeg import find_ffmpeg
    from vinr_cli.media.vmaf import has_vmaf
    from vinr_cli.plan.job import EncodeOptions

    baselines, deblock, strips = given[BASELINES], given[o.DEBLOCK], given[STRIPS]
    degrade = given[DEGRADE]
    damage = None if degrade is None else parse(degrade)
    ffmpeg = find_ffmpeg(EncodeOptions()) if baselines or given[VMAF] else None
    judge = ffmpeg if given[VMAF] and ffmpeg is not None and has_vmaf(ffmpeg) else None
    settings = Settings(given[SCALE], given[FPS_MULT], given[FRAMES], damage, given[BY_TIME], judge)
    names = given[MODELS] or ["default"]
    networks = {f"vinr ({name})": packaged_chooser(name, deblock) for name in names}
    table = methods(networks, ffmpeg if baselines else None)
    if not baselines:
        del table["bicubic+blend"]
    if strips is not None:
        strips.mkdir(parents=True, exist_ok=True)
    scores: list[Score] = []
    for clip in find_clips(given[CLIPS]):
        scores += score_clip(clip, table, settings, strips)
    scores += average(scores)
    if given[AS_JSON]:
        asked = {
            "scale": str(settings.scale),
            "fps_mult": settings.multiple,
            "frames": settings.frames,
            "model": names,
            "degrade": damage and str(damage),
            "deblock": "auto" if deblock is None else deblock,
        }
        tell_json(scores_as_json(scores, asked, PROTOCOL))
    else:
        show_scores(scores)
        tell(PROTOCOL)
