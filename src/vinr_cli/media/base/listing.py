"""Which pictures a folder or a pattern such as `frames/%05d.png` names, in which order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vinr_cli.errors import InputError
from vinr_cli.media.base.borders import words_of

PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dpx", ".exr"}
)  # fmt: skip
"""Names that are looked for in a folder. A pattern names its files itself."""

_NUMBER = re.compile(r"%(?P<zeros>0(?P<width>[1-9]))?d")
"""A number in a pattern, as ffmpeg's image2 writes it: `%d`, or `%05d` for five digits or more."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """File names that differ in one number.

    Attributes:
        folder: Where the files are.
        before: The name up to the number.
        width: Least digits of the number, filled with zeros; 1 for none.
        after: The name behind it.
    """

    folder: Path
    before: str
    width: int
    after: str

    def name(self, number: int) -> str:
        """The file name with a number."""
        return f"{self.before}{number:0{self.width}d}{self.after}"

    def number(self, name: str) -> int | None:
        """The number in a file name; None if it is not of this pattern."""
        head, tail = len(self.before), len(name) - len(self.after)
        digits = name[head:tail]
        if not (digits.isascii() and digits.isdigit()) or self.name(int(digits)) != name:
            return None
        return int(digits)


def parse_pattern(path: Path) -> Pattern | None:
    """A path whose last part has one number in it, such as `%05d`; None for any other.

    `%%` stands for a per cent sign, as in ffmpeg.
    """
    found = list(_NUMBER.finditer(path.name.replace("%%", "\0\0")))
    if len(found) != 1:
        return None
    match = found[0]
    before, after = path.name[: match.start()], path.name[match.end() :]
    return Pattern(
        path.parent, before.replace("%%", "%"), int(match["width"] or 1), after.replace("%%", "%")
    )


def is_listing(path: Path) -> bool:
    """Whether an input is a folder, or a pattern and no file of that very name."""
    return path.is_dir() or (parse_pattern(path) is not None and not path.exists())


def named_after(path: Path) -> Path:
    """The path whose name an input's result takes, as `in.mp4` becomes `in-2x.mp4`.

    A folder gives its own name; a pattern what stands before its number, else its folder's name.
    """
    if path.is_dir():
        return path if path.name not in ("", "..") else path.resolve()
    pattern = parse_pattern(path) if is_listing(path) else None
    if pattern is None:
        return path
    before = pattern.before.rstrip("_-. ") or named_after(pattern.folder).name
    return pattern.folder / f"{before or 'pictures'}{pattern.after}"


def list_pictures(path: Path, notices: list[str]) -> tuple[Path, ...]:
    """The pictures of a folder in natural order, or those of a pattern by number.

    Args:
        path: A folder or a pattern, see `is_listing`.
        notices: Takes a line where a folder's numbers have a gap.

    Raises:
        InputError: There are none, a folder holds several kinds, or a pattern's numbers have a gap.
    """
    pattern = None if path.is_dir() else parse_pattern(path)
    folder = path if pattern is None else pattern.folder
    try:
        names = sorted(p.name for p in folder.iterdir() if p.is_file())
    except FileNotFoundError as error:
        raise InputError(folder, "no such folder") from error
    except OSError as error:
        raise InputError(folder, f"cannot be listed: {words_of(error)}") from error
    if pattern is not None:
        return _of_pattern(path, pattern, names)
    return _of_folder(folder, names, notices)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts names as people count: `2` before `10`, letters without regard to case."""
    pieces = re.split(r"(\d+)", name, flags=re.ASCII)
    key = [(1, int(p), "") if p.isdigit() else (0, 0, p.casefold()) for p in pieces if p]
    return (*key, (0, 0, name))


def _of_pattern(path: Path, pattern: Pattern, names: Sequence[str]) -> tuple[Path, ...]:
    numbers = sorted(n for n in map(pattern.number, names) if n is not None)
    if not numbers:
        raise InputError(path, "no file has such a name", "Give the folder to take all pictures.")
    for a, b in pairwise(numbers):
        if b > a + 1:
            raise InputError(
                pattern.folder / pattern.name(a + 1),
                f"is missing: the pictures run from {numbers[0]} to {numbers[-1]}",
                f"Give the folder {pattern.folder} to take those that are there.",
            )
    return tuple(pattern.folder / pattern.name(n) for n in numbers)


def _of_folder(folder: Path, names: Sequence[str], notices: list[str]) -> tuple[Path, ...]:
    kept = [
        n for n in names if Path(n).suffix.lower() in PICTURE_SUFFIXES and not n.startswith(".")
    ]
    if not kept:
        raise InputError(
            folder,
            "is a folder without pictures",
            f"It may hold {', '.join(sorted(PICTURE_SUFFIXES))}.",
        )
    kinds = {_kind(name): name for name in reversed(kept)}
    if len(kinds) > 1:
        some = " and ".join(sorted(kinds.values())[:2])
        raise InputError(
            folder, f"holds pictures of several kinds: {some}", "Name one kind: FOLDER/%05d.png."
        )
    ordered = sorted(kept, key=natural_key)
    _tell_gaps(ordered, notices)
    left = len(names) - len(kept)
    if left:
        odd = next(n for n in names if n not in set(kept))
        notices.append(f"{left} files that are no pictures are left out, such as {odd}")
    return tuple(folder / name for name in ordered)


def _kind(name: str) -> str:
    """A file name's kind of picture: two spellings of a suffix are one."""
    return {".jpeg": ".jpg", ".tif": ".tiff"}.get(s := Path(name).suffix.lower(), s)


def _tell_gaps(names: Sequence[str], notices: list[str]) -> None:
    """A line about numbers that are left out between names that differ in nothing else."""
    missing = 0
    first = ""
    for a, b in pairwise(names):
        steps = _step(a, b)
        if steps > 1:
            missing += steps - 1
            first = first or f"{a} is followed by {b}"
    if missing:
        what = "1 number is" if missing == 1 else f"{missing} numbers are"
        notices.append(f"{what} missing among the pictures: {first}; no gap is made for them")


def _step(a: str, b: str) -> int:
    """By how much the last number of two names differs; 0 if anything else does too."""
    number = re.compile(r"(.*?)(\d+)(\D*)", re.ASCII | re.DOTALL)
    one, two = (number.fullmatch(Path(name).stem) for name in (a, b))
    if one is None or two is None or (one[1], one[3]) != (two[1], two[3]):
        return 0
    return int(two[2]) - int(one[2])
