"""What an option is: one row, of which the command's signature, its help and the job are made."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar, Unpack, cast, overload

import typer

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import LIMITS, JobSpec, Limit

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Record = TypeVar("Record", bound="DataclassInstance")

Reader = Callable[[str, str], T]
"""A value from its text; the second argument is the option's name, for errors."""


def as_text(text: str, option: str) -> str:
    """Any text."""
    return text


def as_path(text: str, option: str) -> Path:
    """Any path."""
    return Path(text)


def as_switch(text: str, option: str) -> bool:
    """A switch is there or not."""
    raise UsageError(option, f"takes no value, not {text}")


@dataclass(frozen=True, slots=True)
class OneOf(Generic[T]):
    """A reader of words that stand for values."""

    words: Mapping[str, T]

    def __call__(self, text: str, option: str) -> T:
        """The word's value.

        Raises:
            UsageError: it is none of the words.
        """
        if text in self.words:
            return self.words[text]
        near = get_close_matches(text.lower(), self.words, n=1)
        fix = f"Did you mean {near[0]}? Use" if near else "Use"
        known = ", ".join(self.words)
        raise UsageError(f"{option} {text}", "is not known", f"{fix} one of {known}.")


@dataclass(frozen=True, slots=True, eq=False)
class Option(Generic[T_co]):
    """One option, or one argument, of a command; `T_co` is the type of its value.

    Attributes:
        names: As typed, the long one first: `--output`, `-o`. One without dashes is an argument.
        reader: How a value is read; of an option that may be given several times, each of them.
        metavar: What help shows in the value's place.
        panel: The group of help that it is in; empty for the first one.
        help: What it does.
        default: Its value where it is not given; `...` where it must be.
        shown: What help shows as the default; empty for nothing.
        field: Path of the `JobSpec` field that it fills, such as `encode.crf`; empty for none.
        means: Of a switch that fills a field: the field's value where the switch is given.
        settled: Whether the field is settled together with other options, not filled by itself.
        many: Whether it may be given several times.
        limit: The numbers that are allowed; None for no bounds.
        brief: What it does, in a line of at most 50 characters, for help that shows what most
            people come for; empty for what only full help shows.
        values: Gives what a shell may complete; of words that stand for values, these are known.
        also: What other programs call it, without dashes: for suggestions.
        at_once: Called with the value before other options are read.
    """

    names: tuple[str, ...]
    reader: Reader[object]
    metavar: str
    panel: str
    help: str
    default: object = None
    shown: str = ""
    field: str = ""
    means: object = True
    settled: bool = False
    many: bool = False
    limit: Limit | None = None
    brief: str = ""
    values: Callable[[], Iterable[str]] | None = None
    also: str = ""
    at_once: Callable[[typer.Context, bool], None] | None = None

    @property
    def key(self) -> str:
        """Its name in Python."""
        word = self.names[0].partition("/")[0].lstrip("-").replace("-", "_")
        return f"{word}_" if iskeyword(word) else word

    @property
    def is_option(self) -> bool:
        """Whether it begins with dashes; arguments do not."""
        return self.names[0].startswith("-")

    def read(self, text: str) -> object:
        """A value from what was typed, within the limit.

        Raises:
            UsageError: what the reader refuses, or a number beyond the limit.
        """
        value = self.reader(text, self.names[0])
        if self.limit is not None and isinstance(value, (int, float, Fraction)):
            self.limit.require(value)
        return value

    def parameter(self) -> inspect.Parameter:
        """The parameter of which Typer makes the option; help is our own."""
        plain = self.reader is as_switch
        default = ... if self.default is ... else self.default if plain else None
        parser = None if plain else self.read
        if self.is_option:
            callback = self._call_at_once if self.at_once else None
            info = typer.Option(
                default, *self.names, parser=parser, callback=callback, is_eager=bool(callback),
                autocompletion=self.complete,
            )  # fmt: skip
        else:
            info = typer.Argument(
                default, metavar=self.names[0], parser=parser, autocompletion=self.complete
            )
        kind: object = bool if plain else str
        return inspect.Parameter(
            self.key,
            inspect.Parameter.KEYWORD_ONLY,
            default=info,
            annotation=list[kind] if self.many else kind,  # type: ignore[valid-type]
        )

    def complete(self, incomplete: str) -> list[str]:
        """Values that begin as what is typed; none where the shell completes names of files."""
        if isinstance(self.reader, OneOf):
            known: Iterable[str] = self.reader.words
        else:
            known = self.values() if self.values else ()
        return [word for word in known if word.startswith(incomplete)]

    def _call_at_once(self, context: typer.Context, value: bool) -> bool:
        if self.at_once is not None:
            self.at_once(context, value)
        return value


class Given:
    """What was given to a command, by its rows.

    Args:
        values: Of the options that were given, by their keys.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, option: Option[T]) -> T:
        """An option's value; its default where it was not given."""
        return cast("T", self._values.get(option.key, option.default))

    def __contains__(self, option: Option[object]) -> bool:
        """Whether an option was given."""
        return option.key in self._values


class More(TypedDict, total=False):
    """What a row may say besides, see `Option`."""

    shown: str
    field: str
    means: object
    settled: bool
    limit: Limit
    brief: str
    values: Callable[[], Iterable[str]]
    also: str
    at_once: Callable[[typer.Context, bool], None]


@overload
def option(
    names: str, reader: Reader[T], metavar: str, panel: str, text: str, **more: Unpack[More]
) -> Option[T | None]: ...
@overload
def option(
    names: str, reader: Reader[T], metavar: str, panel: str, text: str, *,
    default: T, **more: Unpack[More],
) -> Option[T]: ...  # fmt: skip
def option(
    names: str, reader: Reader[object], metavar: str, panel: str, text: str, *,
    default: object = None, **more: Unpack[More],
) -> Option[object]:  # fmt: skip
    """The row of an option with a value, or of an argument.

    Without a limit of its own, it has that of its field.
    """
    row: Option[object] = Option(
        tuple(names.split()), reader, metavar, panel, text, default, **more
    )
    return row if row.limit else replace(row, limit=LIMITS.get(row.field))


def switch(
    names: str, panel: str, text: str, *, default: bool = False, **more: Unpack[More]
) -> Option[bool]:
    """The row of an option without a value."""
    return Option(tuple(names.split()), as_switch, "", panel, text, default, **more)


def needed(row: Option[T | None]) -> Option[T]:
    """The same option or argument, which must be given."""
    return cast("Option[T]", replace(row, default=...))


def several(row: Option[T | None]) -> Option[list[T]]:
    """The same option or argument, which may be given more than once, or not at all."""
    return cast("Option[list[T]]", replace(row, many=True, default=[]))


def filled(spec: JobSpec, given: Given, rows: Iterable[Option[object]]) -> JobSpec:
    """The job with the fields of all options that were given; settled ones are left alone."""
    for row in rows:
        if row in given and row.field and not row.settled:
            spec = _with(spec, row.field, row.means if row.reader is as_switch else given[row])
    return spec


def _with(record: Record, path: str, value: object) -> Record:
    """A record with another value at a path of field names."""
    name, _, rest = path.partition(".")
    return replace(record, **{name: _with(getattr(record, name), rest, value) if rest else value})
