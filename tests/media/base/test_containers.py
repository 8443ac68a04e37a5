import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from vinr_cli.media.base import containers
from vinr_cli.media.base.codecs import CODECS
from vinr_cli.media.base.containers import (
    CONTAINERS,
    FORMATS,
    PIPED,
    SUFFIXES,
    Container,
    default_suffix,
)

SRC = Path(containers.__file__).parents[2]
NAMES = {word for row in CONTAINERS for word in (row.name, row.muxer, *row.suffixes)} | set(FORMATS)
MODULES = [p for p in SRC.rglob("*.py") if p.relative_to(SRC).parts[0] not in ("evaluate", "train")]
"""Those that write videos; the others have lists of the files that they take from a folder."""
SHARED = {"gif", "png", "webp", "y4m", ".gif", ".png", ".webp"}
"""Names of formats that are names of codecs, and of pictures that are read, too."""


def constants(node: ast.AST) -> set[str]:
    """All texts in an expression."""
    found = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return {text for text in found if isinstance(text, str)}


def choices(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """(line, format names) of each comparison and of each table in a module."""
    for node in ast.walk(tree):
        names: set[str] = set()
        if not isinstance(node, ast.expr):
            continue
        if isinstance(node, ast.Compare):
            names = constants(node) & NAMES
            if "codec" in ast.unparse(node):
                names -= SHARED
        elif isinstance(node, ast.Dict):
            names = {t for key in node.keys if key for t in constants(key)} & NAMES - SHARED
        elif isinstance(node, ast.Set | ast.Tuple):
            texts = {part.value for part in node.elts if isinstance(part, ast.Constant)}
            names = {text for text in texts if isinstance(text, str)} & NAMES - SHARED
        if names:
            yield node.lineno, names


@pytest.mark.parametrize("path", sorted(MODULES), ids=lambda p: str(p.relative_to(SRC)))
def test_no_other_module_knows_a_format_by_name(path: Path) -> None:
    """Outside of the table no name of a format is compared with, or stands in another table."""
    found = list(choices(ast.parse(path.read_text(encoding="utf-8"))))

    assert bool(found) == (path == Path(containers.__file__)), found


@pytest.mark.parametrize("text", ['form == "mkv"', 'if x in ("mp4", "mov"): pass', '{"avi": 1}'])
def test_a_comparison_would_be_found(text: str) -> None:
    """The check sees comparisons, tables and tuples."""
    assert list(choices(ast.parse(text)))


@pytest.mark.parametrize("row", CONTAINERS, ids=lambda row: row.name)
def test_a_row_is_whole(row: Container) -> None:
    """Names are unique, a format holds the codecs that are chosen for it, and files have names."""
    assert [other.name for other in CONTAINERS].count(row.name) == 1
    assert set(row.codecs) <= set(CODECS)
    assert {row.usual, row.deep, row.alpha, row.plain_alpha} - {""} <= set(row.codecs)
    assert all(suffix in SUFFIXES for suffix in row.suffixes)
    assert row in {known for known, _ in FORMATS.values()}
    assert row.variable or row.max_rate is None
    assert bool(row.rendering) == bool(row.made_by)
    assert not (row.bare and not row.piped)


def test_formats_are_asked_for_by_their_suffixes() -> None:
    """`--format` knows each suffix, and a pipe gets the first of them."""
    assert FORMATS["m2ts"] == (SUFFIXES[".ts"], ".m2ts")
    assert next(iter(PIPED)) == "mkv"
    assert "m2ts" not in PIPED


@pytest.mark.parametrize(
    ("source", "suffix"), [("a.M4V", ".m4v"), ("a.webm", ".webm"), ("a.avi", ".mkv"), ("a", ".mkv")]
)
def test_a_result_keeps_the_format_of_its_source(source: str, suffix: str) -> None:
    """Where no name is given, common formats stay, and others become Matroska."""
    assert default_suffix(Path(source)) == suffix
