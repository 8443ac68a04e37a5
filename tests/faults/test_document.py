"""docs/faults.md, which a command writes, against the table that it is written of."""

import re
from pathlib import Path

from harness.rows import all_rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"


def test_the_document_has_every_fault() -> None:
    """Its rows are those of the table, in their order; none is marked as not as promised."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")][1:]
    assert [row[0].removeprefix("| ") for row in rows] == list(all_rows())
    assert not any("**" in row[-1] for row in rows)
    assert any(f"{len(rows)} faults, 0 not as promised" in line for line in lines)


def test_the_document_names_no_machine() -> None:
    """No absolute path, port or hash of the run that wrote it stands in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert not re.search(r" /\w+/\w+/|127\.0\.0\.1|[0-9a-f]{40}", text)
