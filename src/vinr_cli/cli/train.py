"""`vinr train`: from a folder of clips to a weights file."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vinr_cli.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds from a number with an optional unit: 90, 90s, 9m, 1.5h.

    Raises:
        UsageError: anything else, or a duration of zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else 0.0
    if seconds <= 0:
        raise UsageError(f"--time-limit {text}", "is no duration", "Write 90s, 9m or 1.5h.")
    return seconds


def train(
    sources: Annotated[Path, typer.Argument(help="Folder of clips and stills to learn from.")],
    # Not --run: torchrun, which reads the whole line first, takes that for its own --run-path.
    run: Annotated[
        Path, typer.Option("--run-dir", help="Folder of this run: log, checkpoint, weights.")
    ],
    time_limit: Annotated[str, typer.Option(help="Training time: 90s, 9m, 1.5h.")] = "1h",
    validation: Annotated[
        Path | None, typer.Option(help="Folder of clips that are never trained on.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of decoded clips. [default: RUN/cache]")
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="stills (space alone, the first stage), clean, video, or published (the paper's)"
        ),
    ] = "clean",
    # Not --start: torchrun takes that for its own --start-method.
    initial: Annotated[Path | None, typer.Option(help="Weights to begin with.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:<i>.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of weights and samples.")] = 0,
    batch: Annotated[int | None, typer.Option(help="Samples per process and step.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that cut samples; 0 for none.")] = 0,
) -> None:
    """Train a network. Run it under torchrun to use several processes or GPUs."""
    from vinr_cli.train.config import PRESETS
    from vinr_cli.train.loop import RunOptions
    from vinr_cli.train.loop import train as run_training

    seconds = parse_duration(time_limit)
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset}", "is not known", f"Known: {', '.join(PRESETS)}.")
    config = replace(PRESETS[preset], seed=seed)
    if batch is not None:
        config = replace(config, batch=batch)
    options = RunOptions(
        sources=sources,
        validation=validation,
        run=run,
        cache=cache or run / "cache",
        device=device,
        seconds=seconds,
        workers=workers,
        resume=resume,
        start=initial,
    )
    run_training(config, options, typer.echo)
