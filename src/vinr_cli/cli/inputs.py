"""From the names on the command line to inputs that are there, before the first job begins."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from vinr_cli.cli.options import local
from vinr_cli.cli.report import Reports
from vinr_cli.cli.suggest import near_file
from vinr_cli.errors import InputError, UsageError, VinrError
from vinr_cli.plan.job import STDIO, JobSpec

_RESULT = re.compile(r"(?:^|\| )vinr \d[^;|]*; ")
"""How the comment of a result of vinr begins, behind what its source's says."""
_CHOSEN_NAME = re.compile(r"-(?:[\d.]+fps|vfr)(?:-[\d.]+xslow)?", re.ASCII)
"""The end of a name that `plan.naming` has made."""


def split_names(
    names: Sequence[str], marked: Sequence[str], output: str | None
) -> tuple[list[Path], str | None]:
    """Tell inputs from the output: `IN OUT`, `-i IN OUT`, or as many inputs as there are names.

    A name behind inputs that `-i` marks is the output. So is the second of two that is not there,
    or that an earlier run of the same command has made.

    Args:
        names: Those without an option.
        marked: Those of `-i`.
        output: That of `-o`, if it is given.

    Returns:
        The inputs and the output.

    Raises:
        UsageError: there is no input, or there are several outputs.
    """
    inputs = [local(name) for name in (*marked, *names)]
    if not inputs:
        raise UsageError("vinr upscale", "Missing argument 'INPUT'", "See vinr upscale --help.")
    if output is not None:
        return inputs, output
    if marked and len(names) > 1:
        cause = f"{' and '.join(names)} would both be the output"
        raise UsageError("-i", cause, "Name further inputs with -i too.")
    if marked and names:
        return inputs[:-1], names[0]
    if len(names) == 2 and "://" not in names[1] and _is_output(inputs[1]):
        return inputs[:1], names[1]
    return inputs, None


def _is_output(path: Path) -> bool:
    """Whether the second of two names is the output, not another input."""
    if path == STDIO or not is_there(path):
        return True
    if path.is_dir():
        return not any(path.iterdir())
    return not _CHOSEN_NAME.search(path.stem) and is_result(path)


def is_there(path: Path) -> bool:
    """Whether a name is that of a file, of a folder, or a pattern of files that are there."""
    if os.path.lexists(path):
        return True
    if "%" not in path.name or not path.parent.is_dir():
        return False
    from vinr_cli.media.base import parse_pattern

    pattern = parse_pattern(path)
    names = os.listdir(path.parent)
    return pattern is not None and any(pattern.number(name) is not None for name in names)


def is_result(path: Path) -> bool:
    """Whether a video says that vinr has made it; some formats have no place for that."""
    from vinr_cli.media.read import probe

    try:
        media = probe(path)
    except VinrError:
        return False
    return any(k.lower() == "comment" and _RESULT.search(v) for k, v in media.metadata)


def require_there(path: Path, *, last: bool = False) -> None:
    """Refuse an input that is missing, and say what may have been meant.

    Args:
        path: An input; standard input and addresses pass.
        last: Whether it stands behind others, where an output may stand.

    Raises:
        InputError: there is no such file, folder or pattern.
    """
    if path == STDIO or re.match(r"\w+:/", str(path)) or is_there(path):
        return
    fix = near_file(path)
    if not fix and last:
        fix = "If it is to be the output, name it with -o."
    raise InputError(path, "no such file", fix)


def check_inputs(
    specs: Sequence[JobSpec], reports: Reports
) -> tuple[list[JobSpec], dict[Path, int]]:
    """Open every input of a batch before the first job begins: a slip is no news of tomorrow.

    A single input is opened by its job.

    Args:
        specs: The jobs.
        reports: Told what cannot be read.

    Returns:
        The jobs whose inputs can be read; the others' inputs with their exit codes.
    """
    sound: list[JobSpec] = []
    bad: dict[Path, int] = {}
    for spec in specs:
        try:
            require_there(spec.input, last=len(specs) > 1 and spec is specs[-1])
            if len(specs) > 1 and is_there(spec.input):
                _open(spec)
        except VinrError as error:
            bad[spec.input] = reports.failed(spec.input, error)
        else:
            sound.append(spec)
    return sound, bad


def _open(spec: JobSpec) -> None:
    from vinr_cli.media.read import probe_source

    probe_source(spec.input, spec.input_rate)
