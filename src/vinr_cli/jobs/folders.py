"""Where a job keeps its lock and its parts."""

import hashlib
import os
from pathlib import Path

from vinr_cli.jobs.plan import Plan
from vinr_cli.media.base import NAME_BYTES

_WORK = ".vinr"
"""What a work folder's name adds to the output's."""


def work_folders(plan: Plan) -> tuple[Path, Path]:
    """(the folder with the job's lock, beside the output; the folder with its parts).

    They are one, unless the user wants the parts elsewhere.
    """
    output = plan.output.absolute()
    mark = hashlib.sha256(os.fsencode(output)).hexdigest()[:8]
    name = f"{output.name}{_WORK}"
    if len(os.fsencode(name)) > NAME_BYTES:
        name = f"{mark}{_WORK}"
    place = output.parent / name
    if plan.spec.work_dir is None:
        return place, place
    other = f"{mark}-{name}"
    if len(os.fsencode(other)) > NAME_BYTES:
        other = f"{mark}{_WORK}"
    return place, plan.spec.work_dir.absolute() / other
