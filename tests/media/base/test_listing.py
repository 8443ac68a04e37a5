from pathlib import Path

import pytest

from vinr_cli.errors import InputError
from vinr_cli.media.base.listing import (
    Pattern,
    is_listing,
    list_pictures,
    named_after,
    natural_key,
    parse_pattern,
)


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def names(path: Path, notices: list[str] | None = None) -> list[str]:
    return [p.name for p in list_pictures(path, [] if notices is None else notices)]


def test_natural_order() -> None:
    """Names sort as people count: 2 before 10, whatever the case of the letters."""
    given = ["b10.png", "B2.png", "a1.png", "b2.png", "b010.png", "b1.5.png"]
    expected = ["a1.png", "b1.5.png", "B2.png", "b2.png", "b010.png", "b10.png"]
    assert sorted(given, key=natural_key) == expected


def test_folder(tmp_path: Path) -> None:
    """A folder gives its pictures in natural order, and says what it leaves out."""
    folder = fill(tmp_path / "in", "f10.png", "f9.PNG", "f11.png", "notes.txt", ".f1.png")
    (folder / "more.png").mkdir()
    notices: list[str] = []
    assert names(folder, notices) == ["f9.PNG", "f10.png", "f11.png"]
    assert notices == ["2 files that are no pictures are left out, such as .f1.png"]


def test_folder_gap(tmp_path: Path) -> None:
    """Missing numbers in a folder are told with the names beside the gap, and filled by nothing."""
    folder = fill(tmp_path / "in", "f1.png", "f2.png", "f5.png", "f7.png", "g9.png")
    notices: list[str] = []
    assert len(names(folder, notices)) == 5
    assert notices == [
        "3 numbers are missing among the pictures: f2.png is followed by f5.png; "
        "no gap is made for them"
    ]


def test_folder_of_several_kinds(tmp_path: Path) -> None:
    """A folder of PNG and JPEG is refused in one line that names one of each."""
    folder = fill(tmp_path / "in", "1.png", "2.jpg", "3.jpeg")
    with pytest.raises(InputError, match=r"several kinds: (1\.png and 2\.jpg)"):
        list_pictures(folder, [])


def test_spellings_of_a_suffix(tmp_path: Path) -> None:
    """.jpg and .jpeg are one kind of picture."""
    assert names(fill(tmp_path / "in", "1.jpg", "2.jpeg")) == ["1.jpg", "2.jpeg"]


def test_empty_folder(tmp_path: Path) -> None:
    """A folder without pictures is refused, and so is one that does not exist."""
    with pytest.raises(InputError, match="without pictures"):
        list_pictures(fill(tmp_path / "in", "a.txt"), [])
    with pytest.raises(InputError, match="no such folder"):
        list_pictures(tmp_path / "none" / "%d.png", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/f%05d.png", Pattern(Path("a"), "f", 5, ".png")),
        ("%d.png", Pattern(Path(), "", 1, ".png")),
        ("100%%-%03d.png", Pattern(Path(), "100%-", 3, ".png")),
        ("100%%d.png", None),
        ("%d-%d.png", None),
        ("%5d.png", None),
        ("%s.png", None),
        ("plain.png", None),
    ],
)
def test_pattern(text: str, expected: Pattern | None) -> None:
    """One %d or %0Nd makes a pattern, %% a per cent sign, and anything else a plain name."""
    assert parse_pattern(Path(text)) == expected


def test_pattern_numbers() -> None:
    """A name is of a pattern if writing its number gives the very name again."""
    pattern = Pattern(Path(), "f", 3, ".png")
    numbers = [pattern.number(n) for n in ("f007.png", "f1234.png", "f07.png", "f-07.png", "g")]
    assert numbers == [7, 1234, None, None, None]


def test_pattern_lists_by_number(tmp_path: Path) -> None:
    """A pattern takes its own files from the least number on, in the order of the numbers."""
    folder = fill(tmp_path / "in", "f8.png", "f9.png", "f10.png", "f010.png", "g1.png")
    assert names(folder / "f%d.png") == ["f8.png", "f9.png", "f10.png"]


def test_pattern_gap(tmp_path: Path) -> None:
    """A missing number in a pattern is refused by the missing file's name."""
    folder = fill(tmp_path / "in", "f001.png", "f002.png", "f004.png")
    with pytest.raises(InputError, match=r"f003\.png: is missing: the pictures run from 1 to 4"):
        list_pictures(folder / "f%03d.png", [])
    with pytest.raises(InputError, match="no file has such a name"):
        list_pictures(folder / "x%03d.png", [])


def test_per_cent_in_a_file_name(tmp_path: Path) -> None:
    """A file whose own name looks like a pattern is that file."""
    film = tmp_path / "take%02d.mp4"
    assert is_listing(film)
    film.touch()
    assert not is_listing(film)
    assert not is_listing(tmp_path / "plain.mp4")
    assert is_listing(tmp_path)


def test_named_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are named after a folder, after the text before a number, or after a file."""
    folder = fill(tmp_path / "shot7")
    assert named_after(folder) == folder
    assert named_after(folder / "take_%03d.png") == folder / "take.png"
    assert named_after(folder / "%03d.png") == folder / "shot7.png"
    assert named_after(folder / "a.mp4") == folder / "a.mp4"
    monkeypatch.chdir(folder)
    assert named_after(Path()) == folder
    assert named_after(Path("%03d.png")) == Path("shot7.png")
