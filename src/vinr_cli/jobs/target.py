"""Whether a job may write what it is to write."""

import os
from pathlib import Path

from vinr_cli.errors import OutputError, OutputExistsError
from vinr_cli.jobs.pictures import require_pictures
from vinr_cli.jobs.plan import Plan, Target
from vinr_cli.media.base import is_listing, list_pictures, temporary_name
from vinr_cli.plan.job import STDIO


def require_target(plan: Plan) -> None:
    """Refuse an output that cannot or must not be written.

    Raises:
        OutputError: the output is the input (also through links), exists without permission to
            overwrite it, is no regular file, or its folder is missing or cannot be written.
    """
    output, folder = plan.output, plan.output.parent
    if plan.target is Target.PICTURES:
        require_pictures(output, plan.spec.input, overwrite=plan.spec.overwrite)
        return
    try:
        if not folder.is_dir():
            raise OutputError(output, f"the folder {folder} does not exist", "Create it first.")
        if output.exists() and _is_input(output, plan.spec.input):
            raise OutputError(output, "is the input itself", "Choose another name with -o.")
        if output.exists() and not output.is_file():
            raise OutputError(output, "is no regular file", "Choose another name with -o.")
    except OSError as error:
        raise OutputError(output, f"cannot be written: {error.strerror}") from error
    if os.path.lexists(output) and not plan.spec.overwrite:
        raise OutputExistsError(
            output, "exists already", "Use --overwrite, or another name with -o."
        )
    trial = temporary_name(output)
    try:
        # Asking for permission is not enough: read-only and special file systems refuse root too.
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        cause = f"the folder {folder} cannot be written: {error.strerror}"
        raise OutputError(output, cause, "Choose another one with -o.") from error


def _is_input(output: Path, source: Path) -> bool:
    """Whether an existing file is the input, or one of its pictures."""
    if source == STDIO:
        return False
    if is_listing(source):
        return any(output.samefile(picture) for picture in list_pictures(source, []))
    return output.samefile(source)
