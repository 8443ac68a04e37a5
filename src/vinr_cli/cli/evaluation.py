"""What `vinr evaluate` can be asked: its options, and what they mean."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vinr_cli.cli.rows import Given, as_path, as_text, needed, option, several, switch
from vinr_cli.errors import InputError, UsageError
from vinr_cli.plan.job import Limit
from vinr_cli.plan.numbers import parse_number, parse_whole

if TYPE_CHECKING:
    from vinr_cli.evaluate.compare import Settings


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
AGAINST = several(option("--against", as_text, "NAME=FOLDER", "",
    "Another program's results: a folder of PNGs or a video for each clip."))
INPUTS = option("--inputs", as_path, "DIR", "",
    "Folder for the inputs as PNGs, for other programs to work on.")
BASELINES = switch("--baselines/--no-baselines", "", "Measure the other methods too.",
    default=True)
BY_TIME = switch("--by-time", "", "Report each time between two inputs too.")
VMAF = switch("--vmaf/--no-vmaf", "", "Measure VMAF where ffmpeg has libvmaf.", default=True)
FLICKER = switch("--flicker/--no-flicker", "", "Measure flicker along the true motion.",
    default=True)
STRIPS = option("--strips", as_path, "DIR", "",
    "Folder for a PNG per clip: truth and methods side by side.")
HTML = option("--html", as_path, "FILE", "", "A page with strips and figures of every clip.")
AS_JSON = switch("--json", "", "Figures for machines.")
# fmt: on


def results_of(named: Sequence[str]) -> dict[str, Path]:
    """`NAME=FOLDER` by name, in the order given.

    Raises:
        UsageError: another form, or a name given twice.
        InputError: the folder is missing.
    """
    found: dict[str, Path] = {}
    for text in named:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--against {text}", "is not a result", "Write NAME=FOLDER.")
        if name in found:
            raise UsageError(f"--against {text}", "has a name that is taken", "Choose another one.")
        if not Path(folder).is_dir():
            raise InputError(folder, "is not a folder", "Name a folder with a result of each clip.")
        found[name] = Path(folder)
    return found


def settings_of(given: Given) -> "tuple[Settings, Path | None]":
    """How clips are reduced and judged, and ffmpeg where anything needs it."""
    from vinr_cli.evaluate.compare import Settings
    from vinr_cli.media.base import find_ffmpeg
    from vinr_cli.media.measure import has_vmaf, parse
    from vinr_cli.plan.job import EncodeOptions

    degrade = given[DEGRADE]
    damage = None if degrade is None else parse(degrade)
    ffmpeg = find_ffmpeg(EncodeOptions()) if given[BASELINES] or given[VMAF] else None
    judge = ffmpeg if given[VMAF] and ffmpeg is not None and has_vmaf(ffmpeg) else None
    settings = Settings(
        given[SCALE], given[FPS_MULT], given[FRAMES], damage, given[BY_TIME], judge, given[FLICKER]
    )
    return settings, ffmpeg
