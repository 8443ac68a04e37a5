import io
import os

import pytest

from vinr_cli.cli import console
from vinr_cli.cli.console import Session, complain, describe, printable, say, tell
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
