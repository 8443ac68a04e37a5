"""Help in any width, and what is said of words that nobody knows."""

import pytest

from vinr_cli.cli.app import COMMANDS, NAMES, main
from vinr_cli.cli.command import card_of
from vinr_cli.cli.suggest import near_command, near_option
from vinr_cli.cli.topics import TOPICS


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("command", ["", *NAMES])
def test_help_keeps_to_the_width(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line of any help is longer than the terminal, nor than 100 columns, and all is said."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["help", *command.split()]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= min(columns, 100)
    words = " ".join(told.split())
    if command:
        for row in card_of(NAMES[command]).rows:
            assert " ".join(row.help.split()) in words or columns > 40
            assert all(name in words for name in row.names[0].split("/"))


def test_words_are_not_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 40 columns each word of an option's text stands on one line."""
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["help", "upscale"]) == 0
    words = capsys.readouterr().out.split()
    for row in card_of(NAMES["upscale"]).rows:
        assert set(row.help.split()) <= set(words), row.names


TOPIC_WORDS = {"sizes": "fullhd", "numbers": "24000/1001", "exit-codes": "141", "json": "planned"}


@pytest.mark.parametrize("topic", TOPICS)
def test_topics(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`vinr help TOPIC` prints a section of the documentation."""
    assert main(["help", topic]) == 0
    told = capsys.readouterr().out
    assert len(told.splitlines()) > 5
    assert TOPIC_WORDS[topic] in told


@pytest.mark.parametrize("name", ["--scale", "scale"])
def test_an_option_is_explained_for_each_command(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`vinr help --scale` says what it does, once for commands where it does the same."""
    assert main(["help", name]) == 0
    told = capsys.readouterr().out
    assert told.count("Factor for both sides") == 1
    assert "Of vinr upscale, vinr probe, vinr bench." in told
    assert "Of vinr evaluate." in told


def test_a_short_name_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """`vinr help -y` finds the option by its short name."""
    assert main(["help", "-y"]) == 0
    assert "-y, --overwrite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--resolution", "Did you mean --size or --height?"),
        ("--res", "Did you mean --size or --height?"),
        ("--quality", "Did you mean --crf?"),
        ("--fps_mult", "Did you mean --fps-mult?"),
        ("--ouput", "Did you mean --output?"),
        ("--framerate", "Did you mean --fps?"),
        ("--gpu", "Did you mean --device?"),
        ("--half", "Did you mean --precision?"),
        ("--presets", "Did you mean --preset?"),
        ("--slow-mo", "Did you mean --slowmo?"),
        ("--force", "Did you mean --overwrite?"),
        ("-t", "Did you mean --end or --tile?"),
        ("-c:v", "Did you mean --codec?"),
        ("-Crf", "Did you mean --crf?"),
        ("--probe", "Did you mean vinr probe?"),
        ("--zzzz", ""),
        ("-ä", ""),
    ],
)
def test_other_names_of_options(typed: str, meant: str) -> None:
    """A name from another program, a slip or a command's name brings what was meant, or nothing."""
    assert near_option(typed, card_of(NAMES["upscale"]).rows, NAMES) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("upscael", "Did you mean vinr upscale?"),
        ("Enhance", "Did you mean vinr upscale?"),
        ("benchmark", "Did you mean vinr bench?"),
        ("infoo", "Did you mean vinr probe?"),
        ("xyzzy", ""),
    ],
)
def test_other_names_of_commands(typed: str, meant: str) -> None:
    """A word from another program or a slip brings the command, or nothing."""
    assert near_command(typed, NAMES) == meant


def test_no_option_stands_for_another() -> None:
    """What other programs call an option is the name of no other option of ours."""
    for command in COMMANDS:
        rows = [row for row in card_of(command).rows if row.is_option]
        names = {name.lstrip("-") for row in rows for name in row.names}
        assert not names & {word for row in rows for word in row.also.split()}
