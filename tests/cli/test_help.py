"""Help in any width, and what is said of words that nobody knows."""

import re

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


def test_what_people_come_for_fits_one_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`upscale --help` has four examples and takes 80x24 characters, with a line for the prompt."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["upscale", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24
    assert sum(line.startswith("  vinr ") for line in lines) == 4
    card = card_of(NAMES["upscale"])
    told = " ".join(" ".join(lines).split())
    assert {row.brief for row in card.rows if row.brief and row.brief in told} == {
        row.brief for row in card.rows if row.brief
    }
    assert main(["upscale", "--help-all"]) == 0
    everything = capsys.readouterr().out
    assert all(row.names[0] in everything for row in card.rows)


def test_types_are_words(capsys: pytest.CaptureFixture[str]) -> None:
    """No help speaks of types of Python."""
    for command in ["", *NAMES]:
        assert main(["help", *command.split()]) == 0
        told = capsys.readouterr().out
        assert not re.search(r"<\w+|list\[|\bbool\b|\bstr\b|\bint\b|x>=", told)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vinr pro", {"probe"}),
        ("vinr upscale a.mp4 --deint", {"--deinterlace"}),
        ("vinr a.mp4 --deint", {"--deinterlace"}),
        ("vinr a.mp4 --deinterlace ", {"auto", "off"}),
        ("vinr a.mp4 --model ", {"video", "clean", "videoinr-official"}),
        ("vinr a.mp4 --codec h", {"h264", "h265"}),
        ("vinr a.mp4 -s 1", {"1080p", "1440p"}),
        ("vinr a.mp4 --preset ultra", {"ultrafast"}),
        ("vinr a.mp4 --device c", {"cpu", "cuda"}),
        ("vinr help exit", {"exit-codes"}),
        ("vinr upscale ./somewhere/", set()),
        ("vinr a.mp4 -o ", set()),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete(
    line: str, words: set[str], shell: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A shell that asks is given commands, options and values, with and without `upscale`."""
    place = len(line.split()) - (0 if line.endswith(" ") else 1)
    monkeypatch.setenv("_VINR_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", line.replace(" ", "\n"))
    monkeypatch.setenv("COMP_CWORD", str(place))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    assert main([]) == 0
    told = capsys.readouterr().out
    found = set(re.findall(r'"([\w:.-]+?)"', told)) if shell == "zsh" else set(told.split())
    assert {word for word in found if not word.startswith("_")} == words


def test_the_script_of_completion_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--show-completion` is there for those who set up their shell on their own."""
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    assert main(["--show-completion", "bash"]) == 0
    assert "_VINR_COMPLETE=complete_bash" in capsys.readouterr().out
