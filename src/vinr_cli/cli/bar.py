"""The bar of a running job, for a terminal of any width."""

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.table import Column

from vinr_cli.cli.console import printable

NARROW = 72
"""Columns below which a bar has no room for names and words."""


def open_bar(name: str, place: str) -> Progress:
    """A bar for one job.

    Args:
        name: Its input.
        place: Which of a batch it is; empty for one alone.
    """
    console = Console(stderr=True)
    bar = BarColumn(bar_width=None, table_column=Column(ratio=1))
    left = TextColumn("{task.fields[left]}")
    columns: tuple[ProgressColumn, ...]
    if console.width < NARROW:
        text = place.replace(" of ", "/")
        percent = TextColumn("{task.percentage:>3.0f}%")
        columns = (bar, percent, TextColumn("{task.fields[eta]}"), left)
    else:
        text = f"{place}: {name}" if place else name
        pace = TextColumn("{task.fields[pace]} frames/s")
        columns = (bar, MofNCompleteColumn(), pace, TextColumn("ETA {task.fields[eta]}"), left)
    room = Column(no_wrap=True, overflow="ellipsis", max_width=max(console.width // 3, 1))
    if text:
        columns = (TextColumn("{task.description}", table_column=room), *columns)
    progress = Progress(*columns, console=console, transient=True, expand=True)
    progress.add_task(escape(printable(text)), total=None, pace="-", eta="-", left="")
    progress.start()
    return progress
