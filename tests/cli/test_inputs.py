"""Which names are inputs and which is the output, and what is said of inputs that are missing."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vinr_cli.cli.app import main, spelled_out
from vinr_cli.cli.inputs import is_result
from vinr_cli.cli.names import find_inputs, folder_for, read_list, split_names
from vinr_cli.errors import InputError, UsageError
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


def test_a_folder_gives_its_videos(touch: Touch) -> None:
    """A folder's videos are taken in natural order, those of subfolders with -r and their place."""
    touch("v/2.mp4", "v/10.MKV", "v/notes.txt", "v/.hidden.mp4", "v/s/a.mov", "v/s/t/b.mp4",
          "v/x.mp4.vinr/part.mp4", "v/.trash/c.mp4", "v/cover.jpg")  # fmt: skip
    flat = find_inputs([Path("v")], recursive=False)
    assert [str(one.path) for one in flat] == ["v/2.mp4", "v/10.MKV"]
    deep = find_inputs([Path("v")], recursive=True)
    assert [(str(one.path), str(one.below)) for one in deep] == [
        ("v/2.mp4", "."), ("v/10.MKV", "."), ("v/s/a.mov", "s"), ("v/s/t/b.mp4", "s/t"),
    ]  # fmt: skip
    assert not any(one.named for one in deep)


def test_a_folder_without_videos_is_one_of_pictures(touch: Touch) -> None:
    """A folder of pictures alone is one input; videos below it are taken only if asked for."""
    touch("p/1.png", "p/2.png", "p/more/a.mp4", "deep/s/a.mp4")
    (pictures,) = find_inputs([Path("p")], recursive=False)
    assert (pictures.path, pictures.named) == (Path("p"), True)
    assert [one.path for one in find_inputs([Path("p")], recursive=True)] == [Path("p/more/a.mp4")]
    with pytest.raises(InputError, match=r"deep/s has some\. -r takes those of subfolders"):
        find_inputs([Path("deep")], recursive=False)
    Path("nothing").mkdir()
    assert [one.path for one in find_inputs([Path("nothing")], recursive=True)] == [Path("nothing")]


@pytest.mark.parametrize(
    ("name", "folder"),
    [("out", "out/"), ("out/", "out//"), ("out.mkv", "out.mkv"), ("-", "-"), (None, None)],
)
def test_the_output_of_a_folder_is_one(name: str | None, folder: str | None, touch: Touch) -> None:
    """A name without a suffix is a folder where a folder of videos is the input."""
    touch("v/a.mp4")
    found = find_inputs([Path("v")], recursive=False)
    assert folder_for(found, name) == folder
    assert folder_for(find_inputs([Path("v/a.mp4")], recursive=False), name) == name


@pytest.mark.parametrize(
    "data",
    [
        b"a.mp4\n  b c.mp4 \r\n\n# old.mp4\n\xff.mp4\n",
        b"\xef\xbb\xbfa.mp4\nb c.mp4\n\xff.mp4",
        b"a.mp4\0b c.mp4\0\xff.mp4\0",
    ],
)
def test_a_list_names_inputs(data: bytes, touch: Touch) -> None:
    """Lines or zero bytes part names; empty lines, remarks and a byte order mark are left out."""
    Path("list.txt").write_bytes(data)
    assert read_list("list.txt") == ["a.mp4", "b c.mp4", os.fsdecode(b"\xff.mp4")]


def test_a_list_that_is_none(touch: Touch) -> None:
    """A list that is missing or names nothing is refused by its name."""
    touch("films.txt")
    with pytest.raises(InputError, match=r"films\.txt: is a list without a name"):
        read_list("films.txt")
    with pytest.raises(InputError, match=r"cannot be read: .* Did you mean films.txt\?"):
        read_list("film.txt")


def test_a_list_may_come_from_a_pipe(
    monkeypatch: pytest.MonkeyPatch, specs: list[JobSpec], touch: Touch
) -> None:
    """`find | vinr --from-list -` reads names from standard input; a name behind is the output."""
    touch("x/a.mp4", "x/b.mp4")
    Path("out").mkdir()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x/a.mp4\nx/b.mp4\n")))
    assert main(["--from-list", "-", "out"]) == 0
    told = [(str(spec.input), str(spec.output)) for spec in specs]
    assert told == [("x/a.mp4", "out"), ("x/b.mp4", "out")]


def test_results_are_not_taken_again(
    sample: Path, tiny: Path, touch: Touch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several inputs and of a folder, what vinr has made is left out, unless it is asked for."""
    Path("v").mkdir()
    for name in ("a.mp4", "b.mp4"):
        Path("v", name).symlink_to(sample)
    common = ["--end", "0.1", "--scale", "1", "--fps-mult", "1", "--model", str(tiny)]
    assert main(["v", *common, "-q"]) == 0
    first = {"a.mp4", "b.mp4", "a-23.976fps.mp4", "b-23.976fps.mp4"}
    assert {p.name for p in Path("v").iterdir()} == first
    capsys.readouterr()
    for inputs in (["v"], [str(p) for p in sorted(Path("v").iterdir())]):
        assert main([*inputs, *common, "--dry-run"]) == 0
        told = capsys.readouterr().err
        assert "note: 2 results of vinr are left out: --include-results takes them" in told
        assert told.count("exists already") == 2
    results = [f"v/{name}" for name in sorted(first) if "fps" in name]
    assert main([*results, *common, "--dry-run"]) == 2
    assert "2 results of vinr are left out" in capsys.readouterr().err
    for command in ([*results, "--include-results"], results[:1]):
        assert main([*command, *common, "--dry-run"]) == 0
        assert "left out" not in capsys.readouterr().err


def test_a_folder_keeps_its_structure(sample: Path, tiny: Path, touch: Touch) -> None:
    """`vinr FOLDER OUT -r` makes OUT with the folder's subfolders, and nothing else."""
    touch("v/deep/er/notes.txt")
    for name in ("v/a.mp4", "v/deep/a.mp4"):
        Path(name).symlink_to(sample)
    common = ["--end", "0.1", "--scale", "1", "--fps-mult", "1", "--model", str(tiny), "-q"]
    assert main(["v", "out", "-r", *common, "--dry-run"]) == 0
    assert not Path("out").exists()
    assert main(["v", "out", "-r", *common]) == 0
    made = sorted(str(p) for p in Path("out").rglob("*"))
    assert made == ["out/a-23.976fps.mp4", "out/deep", "out/deep/a-23.976fps.mp4"]
