"""The program `vinr`: its commands, its exit codes, and what happens to an error.

Nothing heavy is imported here: `vinr --help` must not wait for torch.
"""

import gc
import os
import re
import sys
from collections.abc import Callable, Sequence

import typer

from vinr_cli._version import __version__
from vinr_cli.cli.bench import bench
from vinr_cli.cli.command import card_of, takes
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
from vinr_cli.cli.help import help_
from vinr_cli.cli.models import models
from vinr_cli.cli.options import DEBUG
from vinr_cli.cli.probe import probe
from vinr_cli.cli.rows import Given, switch
from vinr_cli.cli.suggest import near_command, near_option
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
    help_,
)
"""Every command, in the order of the help; a command's name is its function's, with hyphens."""

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed (in a batch: some input failed), 2 usage, 3 input, 4 output, "
    "5 encoder, 6 weights, 7 device, 8 result is not as planned, 9 finished, but some of the "
    "source could not be decoded, 130 interrupted, 141 whoever read stdout has gone."
)


def command_name(command: Callable[..., None]) -> str:
    """What a command's function is called on the command line."""
    return command.__name__.strip("_").replace("_", "-")


NAMES = {command_name(command): command for command in COMMANDS}
"""Every command by its name."""


def _show_version(context: typer.Context, value: bool) -> None:
    if value:
        tell(f"vinr {__version__}")
        raise typer.Exit


VERSION = switch("--version -V", "", "Show the version.", at_once=_show_version)
EXAMPLES = (
    ("vinr in.mp4", "twice the size, twice the frame rate"),
    ("vinr in.mp4 out.mkv -s 1080p --fps 60", "a name, a size and a rate"),
    ("vinr upscale --help", "what else there is"),
)
USAGE = "vinr INPUT... [OUTPUT] [OPTIONS]\n       vinr COMMAND [OPTIONS] ..."


COMPLETION = (
    switch("--install-completion", "", "Let the shell complete options, models and codecs."),
    switch("--show-completion", "", "Show what --install-completion would set up."),
)
"""Typer's own."""


@takes(
    VERSION, DEBUG,
    usage=USAGE, examples=EXAMPLES, commands=NAMES, end=EXIT_CODES, also_shown=COMPLETION,
)  # fmt: skip
def _top(context: typer.Context, given: Given) -> None:
    """Any size, any frame rate: continuous space-time video super-resolution (VideoINR)."""
    if context.invoked_subcommand is None:
        card_of(_top).show("vinr")


def build_app(*, completion: bool = False) -> typer.Typer:
    """The Typer application with every command.

    Args:
        completion: Whether it sets up completion in shells, which takes its time to load.
    """
    app = typer.Typer(name="vinr", add_completion=completion, pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True, add_help_option=False)(_top)
    for name, command in NAMES.items():
        # `vinr help --scale` asks about an option.
        settings = {"ignore_unknown_options": command is help_}
        app.command(name, add_help_option=False, context_settings=settings)(command)
    return app


def spelled_out(words: Sequence[str]) -> list[str]:
    """The words with `upscale` before them where they name no command: `vinr in.mp4 out.mp4`."""
    at = next((i for i, word in enumerate(words) if word != DEBUG.names[0]), len(words))
    if at < len(words) and _begins_job(words[at]):
        return [*words[:at], command_name(upscale), *words[at:]]
    return list(words)


def _completes(given: Sequence[str]) -> bool:
    """Whether this run is about completion, of a line that a shell asks about or of all to come.

    Where a shell asks, `upscale` is put into its line if that is what is meant.
    """
    if "_VINR_COMPLETE" not in os.environ:
        return bool({*given[:1]} & {row.names[0] for row in COMPLETION})
    for variable in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):  # of bash, which counts words; others'
        line = re.fullmatch(r"(\S+)(\s+)(\S+)(\s.*)", os.environ.get(variable, ""), re.DOTALL)
        if line and _begins_job(line[3]):
            words = (line[1], command_name(upscale), f"{line[3]}{line[4]}")
            os.environ[variable] = line[2].join(words)
            if variable == "COMP_WORDS":
                os.environ["COMP_CWORD"] = str(int(os.environ.get("COMP_CWORD", "0")) + 1)
    return True


def _begins_job(word: str) -> bool:
    """Whether a word behind `vinr` is an input or an option of `upscale`, not a command."""
    if word in NAMES or not word:
        return False
    if word.startswith("-") and word != "-":
        known = {name for row in card_of(_top).rows for name in row.names}
        names = {name for row in card_of(upscale).rows for name in row.names} - known
        return word.partition("=")[0] in names or (word[:2] in names and not word.startswith("--"))
    return word == "-" or any(c in word for c in "./%\\") or os.path.lexists(word)


_HELP = {"-h", "--help", "--help-all", "help", "-V", "--version"}
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
    words = spelled_out(arguments)
    try:
        completing = _completes(words)
        if _HELP.isdisjoint(words) and not completing:
            require_folder()
        app = build_app(completion=completing)
        result = app(words, prog_name="vinr", standalone_mode=False, obj=session)
    except Interrupted as error:
        say(f"vinr: {error}")
        return INTERRUPTED
    except VinrError as error:
        return complain(error, session)
    except typer.TyperException as error:
        return complain(_usage(error, words), session)
    except SystemExit as leaving:
        return _left(leaving)
    except Exception as error:
        return complain(error, session)
    return int(result or 0)


def _left(leaving: SystemExit) -> int:
    """The exit code where Typer ends the program: it is done, or nobody reads stdout any more."""
    if leaving.code in (None, 0):
        return 0
    if sys.stdout is not None:
        silence(sys.stdout)
    return READER_GONE


def _usage(error: typer.TyperException, words: Sequence[str]) -> UsageError:
    """A mistake that Typer found, as ours, with what may have been meant."""
    context: typer.Context | None = getattr(error, "ctx", None)
    command = "vinr" if context is None else context.command_path
    name: str | None = getattr(error, "option_name", None)
    cause, meant = error.format_message().partition(" (Possible options")[0], ""
    if name is not None and hasattr(error, "possibilities"):
        name = _as_typed(name, words)
        cause = f"No such option: {name}"
        own = None if context is None else NAMES.get(context.info_name or "")
        rows = card_of(own).rows if own else (*card_of(_top).rows, *card_of(upscale).rows)
        meant = near_option(name, rows, NAMES)
    elif command == "vinr" and (typed := _unknown_command(words)) is not None:
        cause, meant = f"No such command, and no such file: {typed}", near_command(typed, NAMES)
    return UsageError(command, cause, f"{meant} See {command} --help.".strip())


def _unknown_command(words: Sequence[str]) -> str | None:
    """The first word that is not an option, if it is not a command."""
    typed = next((word for word in words if not word.startswith("-")), None)
    return None if typed is None or typed in NAMES else typed


def _as_typed(name: str, words: Sequence[str]) -> str:
    """The word that an unknown short option was taken from: `-c:v` is no `-c`."""
    if name.startswith("--"):
        return name
    whole = [word for word in words if word.startswith("-") and word[1:2] != "-" and len(word) > 2]
    return next((word for word in whole if name[1] in word), name)
