from pathlib import Path

import pytest

from vinr_cli.cli.batch import into_folder, run_batch, settle_output, spread
from vinr_cli.cli.console import Session
from vinr_cli.cli.names import Found
from vinr_cli.cli.options import local
from vinr_cli.cli.report import LineReports, QuietReports, Reports
from vinr_cli.errors import EncoderError, OutputError, OutputExistsError, UsageError
from vinr_cli.plan.job import STDIO, JobSpec


def found(*paths: Path) -> list[Found]:
    return [Found(path) for path in paths]


TWO = [Path("a.mp4"), Path("b.mp4")]


def test_no_output_lets_the_plan_choose() -> None:
    """Without -o there is no path."""
    assert settle_output(None, TWO) is None


def test_one_input_takes_a_file_or_a_folder(tmp_path: Path) -> None:
    """For one input -o is taken as it is; only a slash at the end makes a folder."""
    assert settle_output(str(tmp_path / "x.mp4"), TWO[:1]) == tmp_path / "x.mp4"
    assert settle_output(str(tmp_path), TWO[:1]) == tmp_path
    assert settle_output(f"{tmp_path}/new/deep/", TWO[:1]) == tmp_path / "new" / "deep"
    assert (tmp_path / "new" / "deep").is_dir()


def test_pictures_go_right_into_the_folder_of_one_input(tmp_path: Path) -> None:
    """--format png fills the folder itself for one input, and a folder in it for each of many."""
    assert settle_output(f"{tmp_path}/", [Path("a.mp4")], "png") == tmp_path / "%05d.png"
    both = [Path("a.mp4"), Path("b.mp4")]
    assert settle_output(f"{tmp_path}/", both, "png") == tmp_path
    assert settle_output("out.mkv", [Path("a.mp4")], "mkv") == Path("out.mkv")


def test_a_dash_is_standard_input_or_output() -> None:
    """A dash alone is a stream, and stands alone; with a folder before it, it is a file."""
    assert settle_output("-", [Path("a.mp4")]) == STDIO
    assert settle_output("./-", [Path("a.mp4")]) == Path("-").absolute()
    assert local("-") == STDIO
    assert local("./-") == Path("-").absolute()
    with pytest.raises(UsageError, match="one stream"):
        settle_output("-", [Path("a.mp4"), Path("b.mp4")])
    with pytest.raises(UsageError, match="stands alone"):
        spread(JobSpec(STDIO), found(STDIO, Path("b.mp4")), folder=False)


def test_several_inputs_need_a_folder(tmp_path: Path) -> None:
    """A missing folder is refused for several inputs, unless its name ends with a slash."""
    with pytest.raises(UsageError, match="is no folder, and there are 2 inputs"):
        settle_output(str(tmp_path / "new"), TWO)
    assert settle_output(f"{tmp_path}/new/", TWO) == tmp_path / "new"
    assert settle_output(str(tmp_path), TWO) == tmp_path


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    """A file in the place of the folder gives an OutputError with the system's words."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        settle_output(f"{tmp_path}/file/", TWO)


def test_results_of_the_same_name_are_refused() -> None:
    """Two inputs whose results could meet under one name are refused before anything is done."""
    together = JobSpec(Path(), output=Path("out"))
    with pytest.raises(UsageError, match=r"y/a\.mp4: would get the same output name as x/a\.mp4"):
        spread(together, found(Path("x/a.mp4"), Path("y/a.mp4")), folder=True)
    with pytest.raises(UsageError, match="same output name"):
        spread(JobSpec(Path()), found(Path("a.avi"), Path("a.mkv")), folder=False)
    apart = spread(JobSpec(Path()), found(Path("x/a.mp4"), Path("y/a.mp4")), folder=False)
    assert [spec.input for spec in apart] == [Path("x/a.mp4"), Path("y/a.mp4")]


def test_results_in_a_folder_lie_as_the_inputs_do() -> None:
    """What was found in a subfolder goes into one of that name; a file stays a file."""
    inside = [Found(Path("v/a.mp4"), Path()), Found(Path("v/s/t/a.mp4"), Path("s/t"))]
    specs = spread(JobSpec(Path(), output=Path("out")), inside, folder=True)
    assert [spec.output for spec in specs] == [Path("out"), Path("out/s/t")]
    alone = spread(JobSpec(Path(), output=Path("out.mkv")), inside[1:], folder=False)
    assert [spec.output for spec in alone] == [Path("out.mkv")]


def test_missing_folders_are_made_when_a_job_needs_them(tmp_path: Path) -> None:
    """A job into a folder makes it first; one that cannot be made is an OutputError."""
    seen: list[bool] = []
    job = into_folder(lambda spec, reports: seen.append((spec.output or Path()).is_dir()))
    job(JobSpec(Path("a"), output=tmp_path / "x" / "y"), QuietReports(Session()))
    assert seen == [True]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        job(JobSpec(Path("a"), output=tmp_path / "file" / "y"), QuietReports(Session()))


def test_inputs_that_cannot_be_read_count_as_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """What was found bad before the first job is in the sum at the end, and in the exit code."""
    specs = [JobSpec(Path("a.mp4"))]
    reports = LineReports(Session(), verbose=False)
    assert run_batch(specs, lambda *_: None, reports, {Path("b.mp4"): 3}) == 1
    assert capsys.readouterr().err == "vinr: 1 of 2 done; failed: b.mp4\n"
    assert run_batch([], lambda *_: None, reports, {Path("b.mp4"): 3}) == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("bad", "count", "code"),
    [((), 2, 0), (("a.mp4",), 1, 5), (("a.mp4",), 2, 1), (("a.mp4", "b.mp4"), 2, 1)],
)
def test_the_exit_code_of_one_and_of_many(bad: tuple[str, ...], count: int, code: int) -> None:
    """One input gives its failure's own code; of several, any failure gives 1."""
    done = []

    def job(spec: JobSpec, reports: Reports) -> None:
        done.append(spec.input)
        if spec.input.name in bad:
            raise EncoderError(spec.input, "is bad")

    specs = [JobSpec(path) for path in TWO[:count]]
    assert run_batch(specs, job, QuietReports(Session())) == code
    assert done == TWO[:count]


def test_what_is_done_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    """In a batch an existing output is no failure; alone it is one, with exit code 4."""

    def job(spec: JobSpec, reports: Reports) -> None:
        if spec.input.name == "a.mp4":
            raise OutputExistsError("a-2x.mp4", "exists already")

    specs = [JobSpec(path) for path in TWO]
    assert run_batch(specs, job, LineReports(Session(), verbose=False)) == 0
    assert capsys.readouterr().err.splitlines() == [
        "a.mp4: note: skipped: a-2x.mp4 exists already",
        "vinr: 1 of 2 done, 1 done before",
    ]
    assert run_batch(specs[:1], job, QuietReports(Session())) == 4


def test_a_bug_in_one_job_does_not_stop_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    """An unforeseen exception is told, and the other inputs are done."""

    def job(spec: JobSpec, reports: Reports) -> None:
        if spec.input.name == "a.mp4":
            raise KeyError("missing")

    specs = [JobSpec(path) for path in TWO]
    assert run_batch(specs, job, LineReports(Session(), verbose=False)) == 1
    assert capsys.readouterr().err.splitlines() == [
        "vinr: error: KeyError: 'missing' (a bug in vinr; --debug shows where)",
        "vinr: 1 of 2 done; failed: a.mp4",
    ]
