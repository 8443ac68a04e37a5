"""A command's function becomes one that Typer reads, with its options and its help.

A command is a function of a context and of what was given::

    @takes(SCALE, QUIET)
    def shrink(context: typer.Context, given: Given) -> None:
        factor = given[SCALE]  # typed as the row says
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, Unpack, cast

import typer

from vinr_cli.cli.rows import Given, Option, switch
from vinr_cli.cli.screen import print_help

Body = Callable[[typer.Context, Given], None]
"""What a command does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What there is to say about a command, or about the program.

    Attributes:
        about: Its docstring.
        rows: Its options and arguments, those of help among them.
        usage: What to type; empty for its name, its options and its arguments.
        examples: What can be typed, and what that does.
        commands: Those of the program, by their names.
        end: A last paragraph.
        also_shown: Options that Typer itself adds.
    """

    about: str
    rows: tuple[Option[object], ...]
    usage: str = ""
    examples: Sequence[tuple[str, str]] = ()
    commands: Mapping[str, Callable[..., None]] = field(default_factory=dict)
    end: str = ""
    also_shown: tuple[Option[object], ...] = ()

    @property
    def summary(self) -> str:
        """The first sentences, on one line."""
        return " ".join(self.about.split("\n\n")[0].split())

    def show(self, name: str, *, everything: bool = False) -> None:
        """Print the help.

        Args:
            name: What the command is called, with `vinr` before it.
            everything: Every option and paragraph, also where brief help has fewer.
        """
        arguments = [row.metavar for row in self.rows if not row.is_option]
        lines = [(name, card_of(command).summary) for name, command in self.commands.items()]
        print_help(
            self.usage or " ".join([name, "[OPTIONS]", *arguments]),
            self.about,
            (*self.rows, *self.also_shown),
            examples=self.examples,
            brief=any(row.brief for row in self.rows) and not everything,
            commands=lines,
            end=self.end,
        )


def _help(context: typer.Context, value: bool) -> None:
    if value:
        card_of(context.command.callback).show(context.command_path)
        raise typer.Exit


def _help_all(context: typer.Context, value: bool) -> None:
    if value:
        card_of(context.command.callback).show(context.command_path, everything=True)
        raise typer.Exit


HELP = switch("--help -h", "", "Show this.", at_once=_help)
_LESS = switch("--help -h", "Help", "Show what most people come for.", at_once=_help)
_MORE = switch("--help-all", "Help", "Show every option.", brief="every option", at_once=_help_all)


class About(TypedDict, total=False):
    """What a command may say besides its docstring, see `Card`."""

    usage: str
    examples: Sequence[tuple[str, str]]
    commands: Mapping[str, Callable[..., None]]
    end: str
    also_shown: tuple[Option[object], ...]


def takes(*rows: Option[object], **about: Unpack[About]) -> Callable[[Body], Callable[..., None]]:
    """Give a command its options, in the order of its help, and its help.

    Args:
        rows: The options and arguments. If some have a line for brief help, `--help` shows these
            and `--help-all` all.
        about: What else its help says.
    """
    helps = (_LESS, _MORE) if any(row.brief for row in rows) else (HELP,)

    def decorate(body: Body) -> Callable[..., None]:
        @functools.wraps(body)
        def command(context: typer.Context, **values: object) -> None:
            body(context, Given({k: v for k, v in values.items() if _is_typed(context, k)}))

        keyword = inspect.Parameter.KEYWORD_ONLY
        first = inspect.Parameter("context", keyword, annotation=typer.Context)
        card = Card(about=inspect.cleandoc(body.__doc__ or ""), rows=(*rows, *helps), **about)
        signature = inspect.Signature([first, *(row.parameter() for row in card.rows)])
        command.__dict__.update(__signature__=signature, card=card)
        return command

    return decorate


def card_of(command: Callable[..., object] | None) -> Card:
    """What there is to say about a command that `takes` has made."""
    if command is None:
        raise ValueError("the command has no function")
    return cast("Card", command.__dict__["card"])


def _is_typed(context: typer.Context, key: str) -> bool:
    source = context.get_parameter_source(key)
    return source is not None and source.name == "COMMANDLINE"
