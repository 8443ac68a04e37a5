"""`vinr train`: from a folder of clips to a weights file."""

import re
from dataclasses import replace

import typer

from vinr_cli.cli.command import takes
from vinr_cli.cli.rows import Given, as_path, as_text, needed, option, switch
from vinr_cli.errors import UsageError
from vinr_cli.plan.numbers import parse_whole

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, option: str = "--time-limit") -> float:
    """Seconds from a number with an optional unit: 90, 90s, 9m, 1.5h.

    Raises:
        UsageError: anything else, or a duration of zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else 0.0
    if seconds <= 0:
        raise UsageError(f"{option} {text}", "is no duration", "Write 90s, 9m or 1.5h.")
    return seconds


# fmt: off
SOURCES = needed(option("FOLDER", as_path, "FOLDER", "",
    "Folder of clips and stills to learn from."))
# Not --run: torchrun, which reads the whole line first, takes that for its own --run-path.
RUN = needed(option("--run-dir", as_path, "DIR", "",
    "Folder of this run: log, checkpoint, weights."))
TIME_LIMIT = option("--time-limit", parse_duration, "TIME", "", "Training time: 90s, 9m, 1.5h.",
    default=3600.0, shown="1h")
VALIDATION = option("--validation", as_path, "DIR", "",
    "Folder of clips that are never trained on.")
CACHE = option("--cache", as_path, "DIR", "", "Folder of decoded clips; RUN/cache without it.")
PRESET = option("--preset", as_text, "NAME", "", "clean, video, or published (the paper's)",
    default="clean", shown="clean")
# Not --start: torchrun takes that for its own --start-method.
INITIAL = option("--initial", as_path, "FILE", "", "Weights to begin with.")
RESUME = switch("--resume", "", "Go on from the checkpoint.")
DEVICE = option("--device", as_text, "NAME", "", "cpu, cuda or cuda:1.",
    default="cpu", shown="cpu")
SEED = option("--seed", parse_whole, "N", "", "Seed of weights and samples.", default=0, shown="0")
BATCH = option("--batch", parse_whole, "N", "", "Samples per process and step.")
WORKERS = option("--workers", parse_whole, "N", "", "Processes that cut samples; 0 for none.",
    default=0, shown="0")
# fmt: on
_FOLDERS = (SOURCES, RUN, TIME_LIMIT, VALIDATION, CACHE)
_WORK = (PRESET, INITIAL, RESUME, DEVICE, SEED, BATCH, WORKERS)


@takes(*_FOLDERS, *_WORK)
def train(context: typer.Context, given: Given) -> None:
    """Train a network. Run it under torchrun to use several processes or GPUs."""
    from vinr_cli.train.config import PRESETS
    from vinr_cli.train.loop import RunOptions
    from vinr_cli.train.loop import train as run_training

    preset, batch, run = given[PRESET], given[BATCH], given[RUN]
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset}", "is not known", f"Known: {', '.join(PRESETS)}.")
    config = replace(PRESETS[preset], seed=given[SEED])
    if batch is not None:
        config = replace(config, batch=batch)
    options = RunOptions(
        sources=given[SOURCES],
        validation=given[VALIDATION],
        run=run,
        cache=given[CACHE] or run / "cache",
        device=given[DEVICE],
        seconds=given[TIME_LIMIT],
        workers=given[WORKERS],
        resume=given[RESUME],
        start=given[INITIAL],
    )
    run_training(config, options, typer.echo)
