"""Records of a work folder that were damaged, by a disk or by a person."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vinr_cli.errors import OutputError
from vinr_cli.jobs.ledger import Ending, Ledger, read_done
from vinr_cli.plan.segments import PartGrid

MARKS = {"input": "a.mp4", "scale": "2"}
GRID = PartGrid(40, 10)
END = Ending(40, 80, Fraction(0), Fraction(1001, 300), Fraction(1001, 24000), Fraction(1, 24))
OUTPUT = Path("out.mp4")


def opened(folder: Path, marks: dict[str, str] = MARKS, grid: PartGrid = GRID) -> Ledger:
    return Ledger.open(folder, OUTPUT, marks, grid)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A work folder with one part, the last one of its job."""
    ledger = opened(tmp_path)
    scratch = ledger.scratch(0, ".mp4")
    scratch.write_bytes(b"frames")
    ledger.keep((0, 40), 80, scratch, ("a line",), END)
    return tmp_path


def record(folder: Path) -> Path:
    [path] = folder.glob("*-*.json")
    return path


def test_a_record_comes_back(folder: Path) -> None:
    """What was kept is read as it was, and nothing is said."""
    again = opened(folder)
    [part] = again.parts
    assert (part.span, part.frames, part.losses, part.ending) == ((0, 40), 80, ("a line",), END)
    assert again.notices == []
    assert again.gaps() == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("start", "-1"), ("start", "41"), ("start", "0.0"), ("stop", "1e99999999"),
        ("stop", "9" * 5000), ("frames", "true"), ("frames", "NaN"), ("size", '"6"'),
        ("file", '".."'), ("file", '"../../etc/passwd"'), ("file", '"/etc/passwd"'), ("file", "7"),
        ("file", '"' + "x" * 300 + '"'), ("losses", "7"), ("losses", "[7]"), ("losses", "null"),
        ("ending", "7"), ("ending", "{}"), ("ending", "[" * 100_000), ("sha256", "[]"),
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_value_that_cannot_be_costs_its_part_alone(folder: Path, name: str, text: str) -> None:
    """A record with an impossible value is named at once, and its part is made again."""
    fields = json.loads(record(folder).read_text())
    fields[name] = "HERE"
    record(folder).write_text(json.dumps(fields).replace('"HERE"', text))
    again = opened(folder)
    assert again.parts == ()
    assert len(again.notices) == 1
    assert record(folder).name in again.notices[0]


@pytest.mark.parametrize("value", ["1e99999999", "1/0", "x", "9" * 10**6, 0.5, None, [1]])
def test_a_time_that_cannot_be_costs_its_part_alone(folder: Path, value: Any) -> None:
    """A time of 10**99999999 s, or none, is an impossible value too."""
    fields = json.loads(record(folder).read_text())
    fields["ending"]["duration"] = value
    record(folder).write_text(json.dumps(fields))
    assert opened(folder).parts == ()


@pytest.mark.parametrize(
    "grid",
    [
        None, 7, [], {}, {"step": 40}, {"step": 40, "slack": 40}, {"step": -1, "slack": 0},
        {"step": "40", "slack": 0}, {"step": 1e300, "slack": 0}, {"step": 0, "slack": 1},
        {"step": 10**30, "slack": 0},
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_is_made_again(folder: Path, grid: Any) -> None:
    """Where job.json has no usable grid it is written again, and the parts are kept."""
    job = folder / "job.json"
    job.write_text(json.dumps({**json.loads(job.read_text()), "grid": grid}))
    again = opened(folder, grid=PartGrid(60, 15))
    assert len(again.parts) == 1
    assert "job.json was damaged" in again.notices[0]
    assert opened(folder).grid == PartGrid(60, 15)


def test_a_damaged_job_of_other_parts_is_refused(folder: Path) -> None:
    """A job.json that is nested too deeply, with parts of another job, suggests --restart."""
    (folder / "job.json").write_text("[" * 100_000)
    with pytest.raises(OutputError, match="--restart"):
        opened(folder, {**MARKS, "scale": "3"})


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"frames": 1e99999999}', "\xff"])
def test_a_damaged_note_of_the_end_says_nothing(folder: Path, text: str) -> None:
    """What became of the parts is not known from a damaged note."""
    (folder / "job.json.done").write_bytes(text.encode("latin-1"))
    assert read_done(folder) == {}
