"""From the names on the command line to inputs and the output."""

import codecs
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vinr_cli.cli.inputs import is_result, is_there
from vinr_cli.cli.options import local
from vinr_cli.cli.suggest import near_file
from vinr_cli.errors import InputError, UsageError
from vinr_cli.media.base import VIDEOS
from vinr_cli.plan.job import STDIO

_CHOSEN_NAME = re.compile(r"-(?:[\d.]+fps|vfr)(?:-[\d.]+xslow)?", re.ASCII)
"""The end of a name that `plan.naming` has made."""


@dataclass(frozen=True, slots=True)
class Found:
    """An input, and where it lies.

    Attributes:
        path: The input.
        below: Its folder, as seen from the one that was named; results keep it.
        named: Whether it was named itself, not found in a folder.
    """

    path: Path
    below: Path = Path()
    named: bool = True


def split_names(
    names: Sequence[str], marked: Sequence[str], output: str | None
) -> tuple[list[Path], str | None]:
    """Tell inputs from the output: `IN OUT`, `-i IN OUT`, or as many inputs as there are names.

    A name behind inputs that `-i` marks is the output. So is the second of two that is not there,
    or that an earlier run of the same command has made.

    Args:
        names: Those without an option.
        marked: Those of `-i`.
        output: That of `-o`, if it is given.

    Returns:
        The inputs and the output.

    Raises:
        UsageError: there is no input, or there are several outputs.
    """
    inputs = [local(name) for name in (*marked, *names)]
    if not inputs:
        raise UsageError("vinr upscale", "Missing argument 'INPUT'", "See vinr upscale --help.")
    if output is not None:
        return inputs, output
    if marked and len(names) > 1:
        cause = f"{' and '.join(names)} would both be the output"
        raise UsageError("-i", cause, "Name further inputs with -i too.")
    if marked and names:
        return inputs[:-1], names[0]
    if len(names) == 2 and "://" not in names[1] and _is_output(inputs[1]):
        return inputs[:1], names[1]
    return inputs, None


def _is_output(path: Path) -> bool:
    """Whether the second of two names is the output, not another input."""
    if path == STDIO or not is_there(path):
        return True
    if path.is_dir():
        return not any(path.iterdir())
    return not _CHOSEN_NAME.search(path.stem) and is_result(path)


def refuse_rate(names: Sequence[str]) -> None:
    """Refuse a rate behind `-r`, which other programs take there.

    Raises:
        UsageError: one of the names is a number, and no file.
    """
    for name in names:
        if re.fullmatch(r"\d+(?:[./]\d+)?", name) and not Path(name).exists():
            fix = f"Did you mean --fps {name}?"
            raise UsageError(f"-r {name}", "-r is for subfolders", fix)


def folder_for(found: Sequence[Found], output: str | None) -> str | None:
    """The output's name, as that of a folder where inputs come from one and it is no file's."""
    if output in (None, "-") or all(one.named for one in found) or Path(output or "").suffix:
        return output
    return f"{output}/"


def read_list(path: str) -> list[str]:
    """The names in a list of inputs: a line each, or parted by zero bytes as `find -print0` does.

    Empty lines and those that begin with # are left out.

    Args:
        path: A text file, or - for standard input.

    Raises:
        InputError: it cannot be read, or names nothing.
    """
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            path, f"cannot be read: {error.strerror}", near_file(Path(path))
        ) from error
    text = os.fsdecode(data.removeprefix(codecs.BOM_UTF8))
    names = text.split("\0") if "\0" in text else map(str.strip, text.splitlines())
    found = [name for name in names if name and not name.startswith("#")]
    if not found:
        raise InputError(path, "is a list without a name")
    return found


def find_inputs(paths: Sequence[Path], *, recursive: bool) -> list[Found]:
    """The inputs that are named, and the videos of folders that are.

    A folder without videos is an input itself, of pictures. Folders in which a job keeps its parts
    and hidden files are passed over.

    Args:
        paths: What was named.
        recursive: Whether videos of subfolders are taken too.

    Raises:
        InputError: only subfolders of a folder have videos, and they are not to be taken.
    """
    found: list[Found] = []
    for path in paths:
        inside = _videos(path) if path.is_dir() else []
        kept = [other for other in inside if recursive or other.below == Path()]
        if inside and not kept and not _has_pictures(path):
            cause = f"is a folder without videos, but {path / inside[0].below} has some"
            raise InputError(path, cause, "-r takes those of subfolders.")
        found += kept or [Found(path)]
    return found


def _videos(folder: Path) -> list[Found]:
    """The videos of a folder and of its subfolders, in natural order."""
    from vinr_cli.media.base import natural_key

    found: list[Found] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted((f for f in folders if not _is_passed_over(f)), key=natural_key)
        below = Path(place).relative_to(folder)
        found += [
            Found(Path(place) / name, below, named=False)
            for name in sorted(names, key=natural_key)
            if Path(name).suffix.lower() in VIDEOS and not _is_passed_over(name)
        ]
    return found


def _has_pictures(folder: Path) -> bool:
    from vinr_cli.media.base import PICTURE_SUFFIXES

    return any(path.suffix.lower() in PICTURE_SUFFIXES for path in folder.iterdir())


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name.endswith(".vinr")
