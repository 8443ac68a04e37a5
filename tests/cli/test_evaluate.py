import json
from pathlib import Path

import pytest

from vinr_cli.cli.app import main
from vinr_cli.evaluate.clips import find_clips


def test_a_table_for_people(sample: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table names every method, and the protocol stands below it."""
    options = ["--model", str(tiny), "--scale", "2", "--frames", "3"]

    assert main(["evaluate", str(sample), *options]) == 0

    told = capsys.readouterr().out
    for words in (
        "VMAF",
        "bicubic+blend",
        "lanczos>minterpolate",
        "minterpolate>lanczos",
        "lanczos,cas>minterpolate",
        "NEG",
        "GMSD",
        "inner/input",
        "ripple",
        "flicker",
        "BT.601",
    ):
        assert words in told


def test_figures_for_machines(
    sample: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON has one record per method and kind of time; --no-baselines leaves the network's."""
    options = ["--model", str(tiny), "--scale", "2", "--frames", "3", "--json", "--no-baselines"]

    assert main(["evaluate", str(sample), *options, "--strips", str(tmp_path / "s")]) == 0

    told = json.loads(capsys.readouterr().out)
    counted = [(s["times"], s["frames"]) for s in told["scores"]]
    assert counted == [("input", 2), ("inner", 1), ("all", 3)]
    assert told["settings"]["scale"] == "2"
    assert told["settings"]["deblock"] == "auto"
    assert (tmp_path / "s" / f"{sample.stem}.png").is_file()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--scale", "x"], 2, "is no number"),
        (["--scale", "0.5"], 2, "at least 1"),
        (["--frames", "1"], 2, "at least 2"),
        (["--degrade", "h264:crf=99"], 2, "crf is from 0 to 51"),
        (["--model", "nothing"], 6, "is not known"),
        (["--deblock", "x"], 2, "is no strength"),
        (["--deblock", "2"], 2, "is from 0 to 1.75, not 2"),
        (["--deblock", "nan"], 2, "is from 0 to 1.75, not nan"),
        (["--deblock", "1", "--model", "clean"], 2, "means nothing to the model clean"),
        (["--against", "theirs"], 2, "Write NAME=FOLDER"),
        (["--against", "=x"], 2, "Write NAME=FOLDER"),
        (["--against", "a=no-such"], 3, "no-such: is not a folder"),
        (["--against", "a=.", "--against", "a=."], 2, "name that is taken"),
        (["--against", "bicubic+blend=."], 2, "name that is taken"),
    ],
)
def test_refusals(
    options: list[str], code: int, words: str, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be evaluated is refused in one line, each with its exit code."""
    assert main(["evaluate", str(sample), *options]) == code
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_a_missing_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A clip that is not there is named."""
    assert main(["evaluate", str(tmp_path / "no.mp4"), "--no-baselines"]) == 3
    assert "no.mp4: does not exist" in capsys.readouterr().err


def test_models_side_by_side_on_coded_input(
    sample: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several models are measured in one run, on inputs that a codec has made worse."""
    other = tmp_path / "other.safetensors"
    other.write_bytes(tiny.read_bytes())
    options = ["--model", str(tiny), "--model", str(other), "--scale", "2", "--frames", "3"]
    quiet = ["--json", "--no-baselines", "--no-vmaf"]

    assert main(["evaluate", str(sample), *options, *quiet]) == 0
    clean = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(sample), *options, *quiet, "--degrade", "h264:crf=40"]) == 0
    coded = json.loads(capsys.readouterr().out)

    assert all(s["vmaf"] is None for s in coded["scores"])
    assert coded["settings"]["degrade"].startswith("h264:crf=40")
    assert len({s["method"] for s in coded["scores"]}) == 2
    for before, after in zip(clean["scores"], coded["scores"], strict=True):
        assert after["psnr_y"] < before["psnr_y"]


def test_other_programs_in_the_same_table(
    sample: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inputs are written for other programs, whose results then stand in the table and the page."""
    inputs, results, page = tmp_path / "inputs", tmp_path / "results", tmp_path / "page.html"
    options = ["--model", str(tiny), "--scale", "1", "--fps-mult", "1", "--frames", "3"]
    options += ["--no-baselines", "--json", "--no-flicker", "--no-vmaf"]

    assert main(["evaluate", str(sample), *options, "--inputs", str(inputs)]) == 0
    capsys.readouterr()
    inputs.rename(results)
    against = ["--against", f"theirs={results}", "--html", str(page)]
    assert main(["evaluate", str(sample), *options, *against]) == 0

    told = json.loads(capsys.readouterr().out)
    theirs = [s for s in told["scores"] if s["method"] == "theirs"]
    assert [s["psnr_y"] for s in theirs] == [pytest.approx(100)] * 2
    assert all(s["flicker"] is None for s in told["scores"])
    assert told["settings"]["against"] == [f"theirs={results}"]
    assert "theirs" in page.read_text()


def test_folders_of_clips(tmp_path: Path) -> None:
    """A folder gives its videos and its folders of frames; a folder of frames is one clip."""
    for name in ("b/00.png", "b/01.png", "a.mp4", "notes.txt", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert find_clips([tmp_path]) == [tmp_path / "a.mp4", tmp_path / "b"]
    assert find_clips([tmp_path / "b"]) == [tmp_path / "b"]
    assert find_clips([tmp_path / "empty"]) == [tmp_path / "empty"]
