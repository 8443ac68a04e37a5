"""A run that ended between the rename and the clean-up: how the next one knows that all is done."""

import time
from pathlib import Path
from typing import Any

from vinr_cli.errors import VinrError
from vinr_cli.events import Finished
from vinr_cli.jobs.fingerprint import fingerprint
from vinr_cli.jobs.ledger import clean, digest_of, discard, read_done, write_done
from vinr_cli.jobs.lock import hold
from vinr_cli.jobs.plan import Plan
from vinr_cli.untrusted import as_fraction, as_text, as_whole


def remember(store: Path, whole: Path, marks: dict[str, str], finished: Finished) -> None:
    """Write down what the finished, checked file is, just before it gets its final name.

    A rename keeps a file's number, size and time, so they tell it from any other file that has the
    final name later.

    Args:
        store: The folder with the job's parts.
        whole: The file, under its temporary name.
        marks: The job's fingerprint.
        finished: What will be told of it.

    Raises:
        OutputError: the folder cannot be written.
    """
    record = {
        "job": digest_of(marks),
        "file": _identity(whole),
        "frames": finished.frames,
        "duration": str(finished.duration),
        "losses": list(finished.losses),
    }
    write_done(store, record)


def finished_before(plan: Plan, place: Path, store: Path) -> Finished | None:
    """What an earlier run of this very job finished, if only its clean-up is missing; does that.

    Args:
        plan: The job.
        place: The folder with its lock.
        store: The folder with its parts.

    Returns:
        What that run would have told; None if the file under the final name is not its.

    Raises:
        VinrError: another run works on it, or the leftovers cannot be deleted.
    """
    start = time.perf_counter()
    record = read_done(store)
    if not record.get("file") or record["file"] != _identity(plan.output):
        return None
    try:
        if record["job"] != digest_of(fingerprint(plan)):
            return None
        frames, duration = as_whole(record["frames"]), as_fraction(record["duration"])
        losses = tuple(as_text(line) for line in record["losses"])
    except VinrError:  # such as weights that are gone: then the refusal is about the output
        return None
    except (KeyError, TypeError, ValueError):  # damaged: what is there is not known to be whole
        return None
    with hold(place, plan.output):
        for folder in {place, store}:
            clean(folder)
        discard(store)
    return Finished(
        output=plan.output,
        frames=frames,
        duration=duration,
        seconds=time.perf_counter() - start,
        losses=losses,
    )


def _identity(path: Path) -> dict[str, Any]:
    """What a rename does not change."""
    try:
        status = path.stat()
    except OSError:
        return {}
    return {"number": status.st_ino, "size": status.st_size, "time": status.st_mtime_ns}
