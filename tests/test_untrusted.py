from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli import untrusted

GOOD = [
    "a",
    "model.safetensors",
    "...",
    "..a",
    " ",
    "hf=org%2Fname@main",
    "x" * 255,
    "-o",
    "\N{SNOWMAN}",
]
BAD = [
    "", ".", "..", "/", "a/b", "../a", "/etc/passwd", "a/..", "\0", "a\0", "x" * 256,
    "\N{GRINNING FACE}" * 64,
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_name_is_one_entry_of_a_folder(tmp_path: Path, name: str) -> None:
    """What is taken as a name can be made in a folder, and is then its only entry."""
    untrusted.entry(tmp_path, name).touch()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", BAD)
def test_what_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is taken as a name that means the folder, its parent, another one, or no file."""
    with pytest.raises(ValueError, match="is not a name of a file"):
        untrusted.entry(tmp_path, name)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nul", "NaN", "-Infinity", "[Infinity]", "1e99999999", "-1e400", "9" * 41,
        "-" + "9" * 5000, "[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000,
        " " * (untrusted.LONGEST_JSON + 1), "\ud800",
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_json_that_could_do_harm_is_refused(text: str) -> None:
    """Broken, deep, endless and infinite JSON is a ValueError, at once."""
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong
        untrusted.parse_json(text)


def test_ordinary_json_is_read() -> None:
    """Numbers, texts and nesting of ordinary records come back as they are."""
    found = untrusted.parse_json('{"a": [1, -2, 0.5, 1e-3, "x", null, true]}')
    assert found == {"a": [1, -2, 0.5, 0.001, "x", None, True]}


@pytest.mark.parametrize("text", ["[]", "7", "null", '"x"', "\xff"])
def test_only_an_object_is_an_object(tmp_path: Path, text: str) -> None:
    """A file with another JSON value, or in another encoding, is refused as an object."""
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong
        untrusted.read_object(path)


@pytest.mark.parametrize("value", [-1, 1 << 63, 1.0, "1", None, True, [1]])
def test_what_is_not_a_whole_number(value: object) -> None:
    """Only a Python int from 0 to 2**63 - 1 is a whole number of a record."""
    with pytest.raises(ValueError, match="whole number"):
        untrusted.as_whole(value)


@pytest.mark.parametrize(
    "value",
    ["", "1.5", "1e99999999", "1/0", "1/-2", "--1", "+1", " 1", "1_0", "9" * 41, "1/" + "9" * 41,
     "\N{SUPERSCRIPT TWO}", 0.5, None, 1 << 63],
)  # fmt: skip
def test_what_is_not_a_fraction(value: object) -> None:
    """Text that is not digits, or has more of them than any time needs, is refused at once."""
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong
        untrusted.as_fraction(value)


@pytest.mark.parametrize("value", [Fraction(0), Fraction(-1001, 24000), Fraction(10**30, 7)])
def test_fractions_come_back(value: Fraction) -> None:
    """What `str` makes of a fraction is read as that fraction."""
    assert untrusted.as_fraction(str(value)) == value
