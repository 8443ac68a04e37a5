"""Which names are inputs and which is the output, and what is said of inputs that are missing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vinr_cli.cli.app import main, spelled_out
from vinr_cli.cli.inputs import is_result, split_names
from vinr_cli.errors import UsageError
from vinr_cli.plan.job import STDIO, JobSpec

Touch = Callable[..., None]


@pytest.fixture
def touch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Touch:
    """Makes empty files in the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> None:
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()

    return make


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        ("in.mp4", "upscale in.mp4"),
        ("in.mp4 out.mkv --scale 3", "upscale in.mp4 out.mkv --scale 3"),
        ("--scale 3 in.mp4", "upscale --scale 3 in.mp4"),
        ("--scale=3 in.mp4", "upscale --scale=3 in.mp4"),
        ("-i in.mp4 -y", "upscale -i in.mp4 -y"),
        ("-yq in.mp4", "upscale -yq in.mp4"),
        ("- -o -", "upscale - -o -"),
        ("shot/%05d.png", "upscale shot/%05d.png"),
        ("here", "upscale here"),
        ("--debug in.mp4", "--debug upscale in.mp4"),
        ("upscale in.mp4", "upscale in.mp4"),
        ("probe in.mp4", "probe in.mp4"),
        ("prob", "prob"),
        ("--help", "--help"),
        ("-V", "-V"),
        ("--verison", "--verison"),
        ("", ""),
    ],
)
def test_a_file_needs_no_command(words: str, spelled: str, touch: Touch) -> None:
    """Where the first word is an input or an option of it, `upscale` is meant; else it is not."""
    touch("here")
    assert " ".join(spelled_out(words.split())) == spelled


def test_a_folder_with_the_name_of_a_command_is_none(touch: Touch) -> None:
    """`vinr train` is the command, though a folder of that name is there."""
    touch("train/a.mp4")
    assert spelled_out(["train", "x"]) == ["train", "x"]


@pytest.mark.parametrize(
    ("words", "option", "inputs", "output"),
    [
        ("a.mp4", None, "a.mp4", None),
        ("a.mp4 new.mp4", None, "a.mp4", "new.mp4"),
        ("a.mp4 new/", None, "a.mp4", "new/"),
        ("a.mp4 -", None, "a.mp4", "-"),
        ("- new.mkv", None, "-", "new.mkv"),
        ("a.mp4 new/%05d.png", None, "a.mp4", "new/%05d.png"),
        ("a.mp4 empty", None, "a.mp4", "empty"),
        ("a.mp4 b.mp4", None, "a.mp4 b.mp4", None),
        ("a.mp4 shot", None, "a.mp4 shot", None),
        ("a.mp4 shot/%d.png", None, "a.mp4 shot/%d.png", None),
        ("a.mp4 new.mp4 newer.mp4", None, "a.mp4 new.mp4 newer.mp4", None),
        ("a.mp4 new.mp4", "out/", "a.mp4 new.mp4", "out/"),
        ("a.mp4 https://x.org/b.mp4", None, "a.mp4 https:/x.org/b.mp4", None),
        ("new.mp4 | a.mp4", None, "a.mp4", "new.mp4"),
        ("b.mp4 | a.mp4", None, "a.mp4", "b.mp4"),
        ("new/ | a.mp4 b.mp4", None, "a.mp4 b.mp4", "new/"),
        ("| a.mp4 b.mp4", "new/", "a.mp4 b.mp4", "new/"),
        ("b.mp4 | a.mp4", "new/", "a.mp4 b.mp4", "new/"),
    ],
)
def test_the_second_name_that_is_not_there_is_the_output(
    words: str, option: str | None, inputs: str, output: str | None, touch: Touch
) -> None:
    """`IN OUT` and `-i IN OUT` name an output; -i marks the names behind the bar."""
    touch("a.mp4", "b.mp4", "shot/1.png")
    Path("empty").mkdir()
    names, _, marked = words.partition("|")
    found, name = split_names(names.split(), marked.split(), option)
    assert (" ".join(map(str, found)), name) == (inputs, output)


def test_the_same_command_again_means_the_same(
    sample: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """`vinr IN OUT` makes OUT; given again it says that OUT exists, and does not enlarge it."""
    monkeypatch.chdir(tmp_path)
    Path("in.mp4").symlink_to(sample)
    command = ["in.mp4", "out.mkv", "--end", "0.1", "--model", str(tiny), "-q"]
    assert main(command) == 0
    assert is_result(Path("out.mkv"))
    assert not is_result(Path("in.mp4"))
    assert main(command) == 4
    assert "out.mkv: exists already" in capsys.readouterr().err
    assert main([*command, "-y"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mkv"]
    Path("out.mkv").rename("in-2x-47.952fps.mkv")  # a name that a glob would bring
    assert split_names(["in.mp4", "in-2x-47.952fps.mkv"], [], None)[1] is None


def test_without_an_input_there_is_no_job() -> None:
    """No name at all is a usage error."""
    with pytest.raises(UsageError, match="Missing argument"):
        split_names([], [], "out/")


@pytest.mark.parametrize(
    ("typed", "fix"),
    [
        ("holday.mp4", "Did you mean holiday.mp4?"),
        ("holiday.mkv", "Did you mean holiday.mp4?"),
        ("HOLIDAY.MP4", "Did you mean holiday.mp4?"),
        ("vidos/one.mp4", "Did you mean videos?"),
        ("videos/onee.mp4", f"Did you mean videos{os.sep}one.mp4?"),
        ("else.mp4", ""),
        ("no/such/thing.mp4", ""),
    ],
)
@pytest.mark.parametrize("command", ["upscale", "probe"])
def test_a_missing_file_is_told_with_a_near_one(
    command: str, typed: str, fix: str, touch: Touch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that is not there is refused with the one that resembles it, if one does."""
    touch("holiday.mp4", "videos/one.mp4")
    assert main([command, typed]) == 3
    line = f"vinr: error: {typed}: no such file{'. ' if fix else ''}{fix}\n"
    assert capsys.readouterr().err == line


def test_all_inputs_are_opened_before_the_first_job(
    sample: Path, touch: Touch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a batch, what is missing or no video is told before anything is made; the rest is made."""
    touch("empty.mp4")
    Path("good.mp4").symlink_to(sample)
    told: list[str] = []

    def job(spec: JobSpec, reports: object) -> None:
        told.append(capsys.readouterr().err)

    monkeypatch.setattr("vinr_cli.cli.upscale.do_job", job)
    assert main(["good.mp4", "empty.mp4", "other.mp4"]) == 1
    assert told == [
        "vinr: error: empty.mp4: the file is empty\n"
        "vinr: error: other.mp4: no such file. If it is to be the output, name it with -o.\n"
    ]
    last = capsys.readouterr().err
    assert last == "vinr: 1 of 3 done; failed: empty.mp4, other.mp4\n"


def test_standard_input_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash as the input is taken as it is."""
    found: list[JobSpec] = []
    monkeypatch.setattr("vinr_cli.cli.upscale.do_job", lambda spec, reports: found.append(spec))
    assert main(["-", "out.mkv"]) == 0
    assert [(spec.input, spec.output) for spec in found] == [(STDIO, Path("out.mkv"))]
