import gc
import inspect
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vinr_cli import __version__
from vinr_cli.cli import app
from vinr_cli.cli.app import COMMANDS, SPINS, command_name, main
from vinr_cli.cli.inputs import Checked
from vinr_cli.errors import InputError, Interrupted

from ..conftest import HANG_SECONDS

Vinr = Callable[..., "subprocess.CompletedProcess[str]"]

IMPORTS = """
import sys
from vinr_cli.cli.app import main
main([{arguments}])
heavy = {{"torch", "av", "numpy", "imageio_ffmpeg", "safetensors"}} & set(sys.modules)
print("heavy:", sorted(heavy))
"""


@pytest.mark.parametrize("arguments", ["", "'--help'", "'--version'", "'upscale', '--help'"])
def test_help_and_version_load_nothing_heavy(arguments: str, environment: dict[str, str]) -> None:
    """Neither help nor version imports torch, PyAV or numpy."""
    code = IMPORTS.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.endswith("heavy: []\n")


def test_help_is_quick(environment: dict[str, str]) -> None:
    """`vinr --help` needs less than 0.3 s of processor time, or than 2.5 times its libraries'."""
    program = min(seconds_of("-m", "vinr_cli", "--help", environment=environment) for _ in range(3))
    if program >= 0.3:  # a busy machine makes all programs slower
        libraries = ("-c", "import typer, rich.console")
        least = min(seconds_of(*libraries, environment=environment) for _ in range(3))
        assert program < 2.5 * least


def seconds_of(*arguments: str, environment: dict[str, str]) -> float:
    """Processor time of a run of Python, in seconds."""
    timer = (
        "import os, subprocess, sys;"
        "subprocess.run([sys.executable, *sys.argv[1:]], stdout=-3, check=True);"
        "times = os.times(); print(times.children_user + times.children_system)"
    )
    command = [sys.executable, "-c", timer, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return float(done.stdout)


@pytest.mark.parametrize(
    ("given", "kernels", "wanted"),
    [
        ({}, True, ("PASSIVE", None)),
        ({}, False, ("PASSIVE", SPINS)),
        ({"GOMP_SPINCOUNT": "7"}, False, ("PASSIVE", "7")),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, False, ("ACTIVE", None)),
    ],
)
def test_waiting_threads_sleep(
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    kernels: bool,
    wanted: tuple[str, str | None],
) -> None:
    """At once with the kernels, soon without them, and as the environment says where it does."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is set back afterwards
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(app, "expected", lambda: kernels)

    assert main(["--version"]) == 0

    assert tuple(os.environ.get(name) for name in names) == wanted


def test_the_version_is_one_line(vinr: Vinr) -> None:
    """`vinr --version` prints the program's name and version."""
    done = vinr("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"vinr {__version__}\n", "")


def test_no_arguments_show_the_help(vinr: Vinr) -> None:
    """`vinr` alone shows every command and exits with 0."""
    done = vinr()
    assert done.returncode == 0
    assert all(command_name(command) in done.stdout for command in COMMANDS)
    assert "Usage: vinr" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["upscale"], "vinr upscale: Missing argument 'INPUT'. See vinr upscale --help."),
        (["upscale", "a", "--zoom"], "vinr upscale: No such option: --zoom. Did you mean --scale?"),
        (["nix"], "vinr: No such command, and no such file: nix. See vinr --help."),
        (["prob", "a"], "such file: prob. Did you mean vinr probe? See vinr --help."),
        (["info", "a"], "such file: info. Did you mean vinr probe? See vinr --help."),
        (["--verison"], "No such option: --verison. Did you mean --version?"),
        (["-crf", "20", "a"], "No such option: -crf. Did you mean --crf?"),
        (["-c:v", "av1", "a"], "No such option: -c:v. Did you mean --codec?"),
        (["-i", "a", "b", "c"], "-i: b and c would both be the output."),
        (["a.mp4", "-r", "59.94"], "-r 59.94: -r is for subfolders. Did you mean --fps 59.94?"),
        (["upscale", "a", "--width", "0"], "--width 0: must be at least 1"),
        (["upscale", "a", "--width", "9.5"], "--width 9.5: is no whole number"),
        (["upscale", "a", "--crf", "nan"], "--crf nan: is no number"),
        (["upscale", "a", "--scene-threshold", "101"], "must be from 0 to 100"),
        (["upscale", "a", "--precision", "x"], "Use one of auto, fp32, bf16, fp16."),
        (["upscale", "a", "--scale", "0"], "--scale 0: must be greater than 0"),
        (["upscale", "a", "--fps", "quick"], "--fps quick: is no number. Write 2, 2.5 or 5/2."),
        (["upscale", "a", "--device", "tpu"], "--device tpu: is not known."),
        (["upscale", "a", "--scale", "2", "--width", "9"], "--scale and --width: exclude"),
        (["upscale", "a", "--fps", "60", "--slowmo", "2"], "--fps and --slowmo: exclude"),
        (["upscale", "a", "--slowmo-audio", "drop"], "means nothing without --slowmo"),
        (["upscale", "a", "--ffmpeg-args", "'"], "cannot be split: No closing quotation"),
        (["upscale", "a", "--quiet", "--verbose"], "--quiet and --verbose: exclude"),
        (["upscale", "a", "b", "-o", "c"], "-o c: is no folder, and there are 2 inputs"),
        (["upscale", "a", "-o", ""], "-o: names nothing"),
        (["upscale", ""], "INPUT: names nothing"),
        (["upscale", "x/a.mp4", "y/a.mp4", "-o", "."], "the same output name as x/a.mp4"),
        (["upscale", "-o", "a"], "vinr upscale: Missing argument 'INPUT'."),
        (
            ["help", "sacle"],
            "vinr help sacle: is no command, option or topic. Did you mean --scale?",
        ),
        (["probe", "a", "b"], "unexpected extra argument"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every mistake on the command line gives one line on stderr, nothing on stdout, and 2."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vinr: error: ")
    assert err.count("\n") == 1
    assert words in err


def replace_job(monkeypatch: pytest.MonkeyPatch, job: Callable[..., Any]) -> None:
    """Let `job` stand in for the making of a video."""
    monkeypatch.setattr("vinr_cli.cli.upscale.do_job", job)
    monkeypatch.setattr(
        "vinr_cli.cli.upscale.check_inputs", lambda specs, *_, **__: Checked(list(specs), [], {})
    )
    monkeypatch.setattr("vinr_cli.cli.transfer.find_weights", Path)


def test_an_error_of_vinr_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A VinrError becomes its one line and its exit code, without a traceback."""

    def job(*_: object) -> None:
        raise InputError("a\x1b[31m.mp4", "is\nbroken", "Repair it.")

    replace_job(monkeypatch, job)
    assert main(["upscale", "a.mp4"]) == 3
    assert capsys.readouterr().err == "vinr: error: a\\x1b[31m.mp4: is broken. Repair it.\n"


def test_a_bug_is_one_line_and_debug_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unforeseen exception is one line and exit code 1; --debug adds the traceback."""

    def job(*_: object) -> None:
        raise RuntimeError("two\nlines")

    replace_job(monkeypatch, job)
    assert main(["upscale", "a.mp4"]) == 1
    plain = "vinr: error: RuntimeError: two lines (a bug in vinr; --debug shows where)\n"
    assert capsys.readouterr().err == plain
    assert main(["upscale", "a.mp4", "--debug"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith(plain)
    assert main(["--debug", "upscale", "a.mp4"]) == 1
    assert capsys.readouterr().err == err


def test_a_bug_outside_of_a_job_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unforeseen exception before the first job is told like one inside of it."""

    def fail(name: str) -> Path:
        raise ZeroDivisionError(name)

    monkeypatch.setattr("vinr_cli.cli.transfer.find_weights", fail)
    assert main(["upscale", "a.mp4", "--model", "m"]) == 1
    assert "ZeroDivisionError: m (a bug in vinr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), ""),
        (Interrupted("a.mp4", "was stopped"), "vinr: a.mp4: was stopped\n"),
    ],
)
def test_an_interrupt_is_told_and_130(
    error: BaseException,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C ends a batch at once, says what a job has to say, and gives exit code 130."""
    seen = []

    def job(spec: Any, reports: object) -> None:
        seen.append(spec.input.name)
        raise error

    replace_job(monkeypatch, job)
    assert main(["upscale", "a.mp4", "b.mp4", "c.mp4"]) == 130
    assert capsys.readouterr() == ("", f"{told}vinr: interrupted\n")
    assert seen == ["a.mp4"]


def test_signals_are_given_back() -> None:
    """After the program has run inside of another one, its signal handlers are as before."""
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    assert main(["--version"]) == 0
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


STUBBORN = """
import os, signal, sys, time
from vinr_cli.cli import app, console, upscale
from vinr_cli.cli.inputs import Checked

console._REPEAT_SECONDS = 600  # a slow machine may need a while between the two signals
for number in (signal.SIGTERM, signal.SIGHUP):  # nohup, for one, has them ignored
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

def job(spec, reports):
    try:
        print("ready", flush=True)
        time.sleep(600)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)  # the same request once more
        print("cleaned", flush=True)

upscale.do_job, upscale.find_weights = job, str
upscale.check_inputs = lambda specs, *_, **__: Checked(list(specs), [], {})
sys.exit(app.main(["upscale", "a.mp4"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_program_cleanly(
    number: signal.Signals, environment: dict[str, str]
) -> None:
    """SIGTERM, SIGHUP and SIGINT run the clean-up, undisturbed by a repetition, and give 130."""
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, out, err) == (130, "cleaned\n", "vinr: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("upscale --help | true", 141),
        ("models | true", 141),
        ("models --json >&-", 0),
        ("upscale a b -o c 2>&-", 2),
        ("--version <&-", 0),
    ],
)
def test_missing_streams_do_no_harm(
    command: str, code: int, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A reader that is gone gives 141 in silence; closed streams change nothing else."""
    script = f"{sys.executable} -m vinr_cli {command}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert done.stderr == ""


def test_colours_of_help_obey_no_color(vinr: Vinr) -> None:
    """With NO_COLOR set, help holds no colour even where colour is forced on."""
    coloured = vinr("--help", FORCE_COLOR="1", TERM="xterm", NO_COLOR="")
    plain = vinr("--help", FORCE_COLOR="1", TERM="xterm", NO_COLOR="1")
    colour = re.compile(r"\x1b\[(\d+;)*3[0-7]m")
    assert colour.search(coloured.stdout)
    assert not colour.search(plain.stdout)


def test_every_command_file_is_short() -> None:
    """A command's file stays below 100 lines: it builds a value and calls a job."""
    for command in COMMANDS:
        path = Path(inspect.unwrap(command).__code__.co_filename)
        assert len(path.read_text().splitlines()) < 100, path


def test_the_process_ends_without_a_last_search_for_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with the process's own words, `main` exempts all objects from it; as a library, none."""
    monkeypatch.setattr("sys.argv", ["vinr", "--version"])
    try:
        assert main(["--version"]) == 0
        assert gc.get_freeze_count() == 0
        assert main() == 0
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
