import pytest

from vinr_cli.cli.app import main
from vinr_cli.cli.train import parse_duration
from vinr_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("9m", 540), ("1.5h", 5400), ("0.5s", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is a number of seconds, minutes or hours."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "9 m", "m", "-3", "0", "1d", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is refused with an example of what to write."""
    with pytest.raises(UsageError, match="90s, 9m"):
        parse_duration(text)


def test_torchrun_leaves_our_options_alone() -> None:
    """No option of `vinr train` reads to torchrun like the beginning of one of its own."""
    from torch.distributed.run import get_args_parser

    ours = ["train", "clips", "--run-dir", "r", "--time-limit", "9m", "--validation", "v",
            "--cache", "c", "--preset", "clean", "--resume", "--device", "cpu", "--seed", "1",
            "--batch", "2", "--workers", "0"]  # fmt: skip

    read = get_args_parser().parse_args(["--nproc-per-node", "2", "-m", "vinr_cli", *ours])

    assert read.training_script_args == ours


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--preset", "huge"], 2, "Known: clean, video, stills, published"),
        (["--time-limit", "soon"], 2, "is no duration"),
        (["--device", "cuda"], 7, "is not there"),
        ([], 3, "holds no videos"),
    ],
)
def test_refusals(
    options: list[str],
    code: int,
    words: str,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be trained is refused in one line, each with its exit code."""
    folder = tmp_path_factory.mktemp("train")

    assert main(["train", str(folder), "--run-dir", str(folder / "run"), *options]) == code
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
