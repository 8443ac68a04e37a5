"""The program `vinr`: its commands, its exit codes, and what happens to an error.

Nothing heavy is imported here: `vinr --help` must not wait for torch.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence

import typer

from vinr_cli import __version__
from vinr_cli.cli.bench import bench
from vinr_cli.cli.console import (
    INTERRUPTED,
    READER_GONE,
    Session,
    complain,
    flush_streams,
    hold_descriptors,
    require_folder,
    say,
    silence,
    stop_signals,
    tell,
)
from vinr_cli.cli.convert import convert_weights
from vinr_cli.cli.download import download_weights
from vinr_cli.cli.evaluate import evaluate
from vinr_cli.cli.models import models
from vinr_cli.cli.options import Debug
from vinr_cli.cli.probe import probe
from vinr_cli.cli.train import train
from vinr_cli.cli.upscale import upscale
from vinr_cli.errors import Interrupted, UsageError, VinrError
from vinr_cli.native.presence import expected

COMMANDS: tuple[Callable[..., None], ...] = (
    upscale,
    probe,
    models,
    download_weights,
    convert_weights,
    train,
    evaluate,
    bench,
)
"""Every command, in the order of the help; a command's name is its function's, with hyphens."""

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed (in a batch: some input failed), 2 usage, 3 input, 4 output, "
    "5 encoder, 6 weights, 7 device, 8 result is not as planned, 9 finished, but some of the "
    "source could not be decoded, 130 interrupted, 141 whoever read stdout has gone."
)


def _show_version(value: bool) -> None:
    if value:
        tell(f"vinr {__version__}")
        raise typer.Exit


def _top(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", metavar="", callback=_show_version, is_eager=True,
        help="Show the version.",
    ),
    debug: Debug = False,
) -> None:  # fmt: skip
    """Any size, any frame rate: continuous space-time video super-resolution (VideoINR)."""
    if context.invoked_subcommand is None:
        tell(context.get_help())


def build_app() -> typer.Typer:
    """The Typer application with every command."""
    app = typer.Typer(
        name="vinr",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True, epilog=EXIT_CODES)(_top)
    for command in COMMANDS:
        app.command(command_name(command), help=_flowing(command.__doc__ or ""))(command)
    return app


def command_name(command: Callable[..., None]) -> str:
    """What a command's function is called on the command line."""
    return command.__name__.replace("_", "-")


def _flowing(text: str) -> str:
    """A docstring whose paragraphs fill the terminal's lines instead of keeping their own."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


_HELP = {"-h", "--help", "--version"}
"""What is answered anywhere."""

SPINS = "3000"
"""Turns that a waiting OpenMP thread makes before it sleeps where PyTorch does all the work: some
tenths of a millisecond, longer than its many small steps mostly wait for each other. More turns
gain little and cost other programs their cores (docs/performance.md)."""


def _let_threads_sleep() -> None:
    """Waiting OpenMP threads sleep: spinning ones take the cores that decoder and encoder need."""
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if not expected():
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: The words behind the program's name; None takes the process's own.

    Returns:
        The exit code, see `errors` and `EXIT_CODES`.
    """
    _let_threads_sleep()
    hold_descriptors()
    session = Session()
    try:
        with stop_signals(session.stop):
            code = _run(sys.argv[1:] if arguments is None else list(arguments), session)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        say("vinr: interrupted")
    if arguments is None:  # the process ends: a last search for cycles in torch takes half a second
        gc.freeze()
    return flush_streams(code)


def _run(arguments: list[str], session: Session) -> int:
    """The exit code of a run; errors become one line."""
    try:
        if _HELP.isdisjoint(arguments):
            require_folder()
        result = build_app()(arguments, prog_name="vinr", standalone_mode=False, obj=session)
    except Interrupted as error:
        say(f"vinr: {error}")
        return INTERRUPTED
    except VinrError as error:
        return complain(error, session)
    except typer.TyperException as error:
        return complain(_usage(error), session)
    except SystemExit:  # Typer's way to say that nobody reads stdout
        if sys.stdout is not None:
            silence(sys.stdout)
        return READER_GONE
    except Exception as error:
        return complain(error, session)
    return int(result or 0)


def _usage(error: typer.TyperException) -> UsageError:
    """A mistake that Typer found, as ours."""
    context = getattr(error, "ctx", None)
    command = "vinr" if context is None else context.command_path
    cause = error.format_message().replace("Value error, ", "")
    return UsageError(command, cause, f"See {command} --help.")
