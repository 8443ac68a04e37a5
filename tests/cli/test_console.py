import io
import json
import os

import pytest

from vinr_cli.cli import console
from vinr_cli.cli.console import (
    Session,
    complain,
    describe,
    fitting,
    printable,
    say,
    tell,
    tell_json,
)
from vinr_cli.errors import WeightsError


class Terminal(io.StringIO):
    """A stream that looks like a terminal."""

    def isatty(self) -> bool:
        return True


def test_control_characters_become_visible() -> None:
    """Escape codes, newlines and undecodable bytes of a name cannot reach the terminal."""
    assert printable("a\x1b[31m\nb\udcff\N{RIGHT-TO-LEFT OVERRIDE}") == (
        "a\\x1b[31m\\nb\\udcff\\u202e"
    )
    assert printable("Zoë 映画 100 %.mp4") == "Zoë 映画 100 %.mp4"


def test_a_stream_of_few_characters_takes_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the terminal's encoding lacks is escaped, not an error."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    tell("é")
    assert raw.getvalue() == b"\\xe9\n"


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ],
)
def test_errors_are_red_only_where_colours_are_wanted(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word error is red on a terminal, and plain with NO_COLOR or on a dumb one."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    assert complain(WeightsError("w", "are bad"), Session()) == 6
    assert ("\x1b[1;31m" in stream.getvalue()) is coloured
    assert "w: are bad" in stream.getvalue()


def test_closed_streams_swallow_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a stream was closed before the start, saying something does nothing."""
    monkeypatch.setattr("sys.stderr", None)
    monkeypatch.setattr("sys.stdout", None)
    say("a")
    tell("b")
    assert complain(ValueError("c"), Session(debug=True)) == 1
    assert console.flush_streams(3) == 3


def test_a_silenced_stream_takes_more_words() -> None:
    """After its reader has gone, a silenced stream can be written and closed without an error."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    os.close(reading)
    stream.write("x")
    with pytest.raises(BrokenPipeError):
        stream.flush()
    console.silence(stream)
    stream.write("y")
    stream.close()


def test_an_exception_without_words_is_named() -> None:
    """A bug whose exception says nothing is told by its type."""
    assert describe(MemoryError()) == "MemoryError (a bug in vinr; --debug shows where)"


LINE = "  to a film.mkv: note: the matrix of this film is not tagged, so BT.601 is used for it"


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_terminal_gets_whole_words(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a long line is broken between words, further in; none is lost or broken."""
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = fitting(LINE, Terminal()).split("\n")
    assert " ".join(" ".join(lines).split()) == LINE.strip()
    assert max(map(len, lines)) <= columns
    assert all(line.startswith("    ") for line in lines[1:])
    assert (len(lines) == 1) is (columns > len(LINE))


@pytest.mark.parametrize("columns", [1, 3, 5])
def test_a_terminal_without_room_loses_nothing(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no word fits, all characters come, in order."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert "".join(fitting(LINE, Terminal()).split()) == "".join(LINE.split())


def test_what_has_no_space_is_broken_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path longer than the terminal is broken, and nothing of it is lost."""
    monkeypatch.setenv("COLUMNS", "20")
    path = "/a/path/that/is/longer/than/the/terminal.mp4"
    told = fitting(f"{path}: is torn", Terminal())
    assert "".join(told.split()).startswith(path)
    assert max(map(len, told.split("\n"))) <= 20


def test_wide_characters_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of wide characters is broken before the terminal would break it."""
    monkeypatch.setenv("COLUMNS", "20")
    assert [len(line.strip()) for line in fitting("\u6620\u753b" * 8, Terminal()).split("\n")] == [
        9,
        7,
    ]


def test_a_pipe_gets_lines_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody looks, a line stays one line, however long."""
    monkeypatch.setenv("COLUMNS", "20")
    assert fitting(LINE * 9, io.StringIO()) == LINE * 9


def test_json_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object is one line on a terminal, too."""
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", "20")
    tell_json({"text": LINE})
    assert json.loads(stream.getvalue()) == {"text": LINE}
    assert stream.getvalue().count("\n") == 1
