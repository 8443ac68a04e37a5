"""Help on a terminal of any width: usage, examples, and a line or a paragraph for each option."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from vinr_cli.cli.rows import Option, as_switch

if TYPE_CHECKING:
    from rich.console import Console

NARROW = 60
"""Columns below which an option's text stands under its name, not beside it."""
WIDEST = 100
"""Columns that lines fill at most: longer ones are hard to read."""
_NAMES = 30
"""Columns that names fill at most beside their text."""
_EXAMPLES = 48
"""Columns that an example fills at most beside its text."""


def print_help(
    usage: str,
    about: str,
    rows: Sequence[Option[object]],
    *,
    examples: Sequence[tuple[str, str]] = (),
    brief: bool = False,
    commands: Sequence[tuple[str, str]] = (),
    end: str = "",
) -> None:
    """Print a command's help on stdout.

    Args:
        usage: What to type.
        about: What the command does; paragraphs are parted by empty lines, their lines flow.
        rows: Its options and arguments.
        examples: What can be typed, and what that does.
        brief: Only the first paragraph, and only the options that have a line for this.
        commands: Names and what they do, of a program with commands.
        end: A last paragraph.
    """
    console = _console()
    paragraphs = [" ".join(part.split()) for part in about.split("\n\n")]
    console.print(f"Usage: {usage}", style="bold", markup=False)
    for text in paragraphs[:1] if brief else paragraphs:
        console.print("\n", text, sep="", markup=False)
    _section(console, "Examples", examples, names=_EXAMPLES)
    _section(console, "Commands", commands)
    for title, lines in _groups(rows, brief=brief):
        _section(console, title, lines)
    if end:
        console.print("\n", end, sep="", markup=False)


def print_option(row: Option[object], commands: Sequence[str]) -> None:
    """Print what one option does, and which commands have it."""
    console = _console()
    _section(console, row.panel or "Option", [(label(row), _text(row))])
    console.print(f"\nOf {', '.join(commands)}.", markup=False)


def print_topic(text: str) -> None:
    """Print a text in Markdown."""
    from rich.markdown import Markdown

    _console().print(Markdown(text))


def _console() -> "Console":
    """A console on stdout; environment variables and the terminal say how wide and how coloured."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False, soft_wrap=False)
    console.width = min(console.width, WIDEST)
    return console


def label(row: Option[object]) -> str:
    """An option's names and the place of its value: `-o, --output FILE|DIR`."""
    if not row.is_option:
        return row.metavar
    long, *short = row.names
    names = ", ".join([*short, long.replace("/", " | ")]) if short else f"    {long}"
    return f"{names} {row.metavar}".rstrip()


def _text(row: Option[object]) -> str:
    """What an option does, its default, and whether it must be given."""
    shown = row.shown
    if row.reader is as_switch and row.default is True:
        shown = row.names[0].partition("/")[0].lstrip("-")
    notes = [f"default: {shown}"] if shown else []
    if row.default is ...:
        notes.append("must be given")
    if row.limit is not None and row.limit.in_help:
        notes.append(str(row.limit))
    return f"{row.help}{''.join(f' [{note}]' for note in notes)}"


def _groups(
    rows: Iterable[Option[object]], *, brief: bool
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Titles with the lines under them, in the order of the rows."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if not brief or row.brief:
            title = "Options" if brief or not row.panel else row.panel
            title = title if row.is_option else "Arguments"
            groups.setdefault(title, []).append((label(row), row.brief if brief else _text(row)))
    yield from groups.items()


def _section(
    console: "Console", title: str, lines: Sequence[tuple[str, str]], names: int = _NAMES
) -> None:
    """A heading and two columns; on a narrow screen, the second one under the first."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if not lines:
        return
    console.print("\n", title, ":", sep="", style="bold", markup=False)
    if console.width < NARROW:
        for name, text in lines:
            console.print(Padding(Text(name.strip(), style="cyan"), (0, 0, 0, 1), expand=False))
            console.print(Padding(Text(text), (0, 0, 0, 4), expand=False))
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", max_width=names)
    table.add_column()
    for name, text in lines:
        table.add_row(Text(name), Text(text))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
