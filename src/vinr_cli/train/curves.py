"""The log of a run as a picture."""

import csv
from pathlib import Path

from vinr_cli.errors import InputError, UsageError
from vinr_cli.files import replacing


def read_log(path: Path) -> dict[str, list[float]]:
    """Columns of a run's log.csv by name, in its order.

    Raises:
        InputError: there is no log, or it holds something else.
    """
    try:
        rows = list(csv.DictReader(path.read_text().splitlines()))
        return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(path, f"is no training log ({error})", "Name a run folder.") from error


def draw_curves(log: Path, picture: Path) -> None:
    """Losses above, validation figures below, against the minutes of training.

    Args:
        log: A run's log.csv.
        picture: The PNG to write.

    Raises:
        InputError: there is no log.
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "matplotlib", "is not installed", "Run: pip install 'vinr-cli[train]'."
        ) from error
    columns = read_log(log)
    minutes = [seconds / 60 for seconds in columns.get("seconds", [])]
    measured = [name for name in columns if name.startswith("psnr")]
    losses = [name for name in columns if name not in {"step", "seconds", *measured}]
    figure = Figure(figsize=(8, 8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, names, label in ((above, losses, "loss"), (below, measured, "PSNR of Y, dB")):
        for name in names:
            axes.plot(minutes, columns[name], label=name)
        axes.set_ylabel(label)
        axes.grid(visible=True, alpha=0.3)
        if names:
            axes.legend()
    above.set_yscale("log")
    below.set_xlabel("minutes of training")
    with replacing(picture, sole=True) as file:
        figure.savefig(file, format="png", dpi=100)
