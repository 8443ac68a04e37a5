"""What people and files say, checked before it is used: names, JSON, numbers.

A name that becomes part of a path always goes through `entry`; a JSON file of this
program goes through `read_object`, and its values through `as_whole`, `as_fraction` and `as_text`,
so that a damaged or malicious record costs nothing but the record.
"""

import json
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

LONGEST_NAME = 255
"""Bytes of a file name that every common file system takes."""
LARGEST = (1 << 63) - 1
"""The largest whole number of a record: more than any frame count, size or time in ns."""
LONGEST_JSON = 1 << 24
"""Bytes of a JSON file that is read."""

_DIGITS = 40
_FRACTION = re.compile(rf"-?[0-9]{{1,{_DIGITS}}}(?:/[0-9]{{1,{_DIGITS}}})?")
_FORBIDDEN = re.compile(r'[\x00-\x1f/\\]|[:*?"<>|]' if os.name == "nt" else r"[\x00/]")
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\..*)?|.*[. ]", re.IGNORECASE)
"""Names that Windows takes for something else."""


def is_entry(name: str) -> bool:
    """Whether a name is that of one entry of a folder, and of nothing above or below it."""
    if name in ("", ".", "..") or _FORBIDDEN.search(name):
        return False
    if os.name == "nt" and _RESERVED.fullmatch(name):
        return False
    return len(os.fsencode(name)) <= LONGEST_NAME


def entry(folder: Path, name: str) -> Path:
    """The path of one entry of a folder, by a name that a person or a file gave.

    Args:
        folder: The folder.
        name: The name, without any folder.

    Raises:
        ValueError: it is empty, ".", "..", has a separator in it, or is too long for a file name.
    """
    if not is_entry(name):
        shown = name if len(name) <= _DIGITS else f"{name[:_DIGITS]}..."
        raise ValueError(f"{shown!r} is not a name of a file")
    return folder / name


def parse_json(text: str | bytes) -> Any:
    """JSON whose depth and numbers are bounded.

    Raises:
        ValueError: not JSON, nested too deeply, or with a number that is NaN, infinite or of more
            than 40 digits.
    """
    if len(text) > LONGEST_JSON:
        raise ValueError(f"JSON of more than {LONGEST_JSON} bytes")
    try:
        return json.loads(text, parse_constant=_refuse, parse_int=_integer, parse_float=_float)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a JSON object, or one that `parse_json` refuses.
    """
    with path.open("rb") as file:
        found = parse_json(file.read(LONGEST_JSON + 1))
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of error for all damage
    return found


def as_whole(value: object, least: int = 0, most: int = LARGEST) -> int:
    """A whole number of a record.

    Raises:
        ValueError: it is not one, or not from `least` to `most`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"not a whole number from {least} to {most}")
    return value


def as_fraction(value: object) -> Fraction:
    """An exact number of a record: a whole one, or text such as "-1001/24000".

    Raises:
        ValueError: it is not one, or of more than 40 digits.
    """
    if isinstance(value, int):
        return Fraction(as_whole(value, -LARGEST))
    if not isinstance(value, str) or not _FRACTION.fullmatch(value):
        raise ValueError("not a fraction")
    try:
        return Fraction(value)
    except ZeroDivisionError as error:
        raise ValueError("a fraction of zero") from error


def as_text(value: object) -> str:
    """A text of a record.

    Raises:
        ValueError: it is not one.
    """
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - one kind of error for all damage
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number of JSON")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number that is too large")
    return value
