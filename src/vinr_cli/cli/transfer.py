"""How a download looks, and what is asked before one."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from vinr_cli.cli.console import is_terminal, say
from vinr_cli.fetch.progress import DownloadProgress, silent
from vinr_cli.weights.names import HUB
from vinr_cli.weights.records import WeightsRecord
from vinr_cli.weights.registry import find_weights

LINE_SECONDS = 5.0
"""Least time between two plain lines."""


def bring_model(name: str, *, quiet: bool) -> None:
    """Fetch a model whose name says where from, unless it is here; others must be here.

    Raises:
        WeightsError: it cannot be had, or nobody knows it.
    """
    if name.startswith(HUB):
        with show_transfer(name, quiet=quiet) as progress:
            find_weights(name, progress)
    else:
        find_weights(name)


@contextmanager
def show_transfer(name: str, *, quiet: bool) -> Iterator[DownloadProgress]:
    """Something to tell a download's progress to.

    Args:
        name: What is downloaded.
        quiet: Show nothing.
    """
    if quiet:
        yield silent
    elif is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb":
        with _bar(name) as progress:
            yield progress
    else:
        yield _Lines(name)


class _Lines:
    """Plain lines on stderr."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = time.monotonic()

    def __call__(self, done: int, total: int | None, /) -> None:
        """Say it, if it is time."""
        now = time.monotonic()
        if now - self._shown >= LINE_SECONDS:
            self._shown = now
            share = "" if not total else f" of {total / 1e6:.1f}"
            say(f"{self._name}: {done / 1e6:.1f}{share} MB")


@contextmanager
def _bar(name: str) -> Iterator[DownloadProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    columns = ("{task.description}", BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def progress(done: int, total: int | None, /) -> None:
            bar.update(task, completed=done, total=total)

        yield progress


def ask_unlicensed(record: WeightsRecord) -> bool:
    """Show that nobody has licensed the weights, and ask; without a terminal, the answer is no."""
    say(f"{record.name}: {record.about} ({record.paper})")
    say("Its authors state no licence: nobody has permitted to use, copy or change these weights.")
    say(f"They would be fetched from {record.origins[0]}")
    return is_terminal(sys.stdin) and typer.confirm("Fetch them?", default=False, err=True)
