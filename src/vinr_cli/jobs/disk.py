"""How much disk a job will need, before it starts."""

import os
import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from vinr_cli.errors import OutputError
from vinr_cli.jobs.plan import Plan

_BITS_PER_PIXEL = {
    "h264": Fraction(1, 8),
    "h265": Fraction(1, 10),
    "av1": Fraction(1, 12),
    "vp9": Fraction(1, 10),
    "prores": Fraction(3),
    "ffv1": Fraction(9),
    "png": Fraction(14),
}
"""Typical sizes at the default qualities; videos differ by a factor of four either way."""
_OTHER = Fraction(1, 2)
_CERTAIN = 8
"""A disk that holds less than this part of the estimate is too small for certain."""


def bytes_needed(plan: Plan) -> int:
    """Bytes of the finished file, estimated by its pixels; the sound is counted as the source is.

    Args:
        plan: The job.
    """
    bits = _BITS_PER_PIXEL.get(plan.encoder.name, _OTHER)
    pixels = plan.frames * plan.size[0] * plan.size[1]
    return int(pixels * bits / 8)


def check_space(plan: Plan, place: Path, store: Path, done: int) -> str:
    """Compare what a job needs with what is free: its parts in one place, the file in the other.

    Args:
        plan: The job.
        place: Folder on the disk of the output.
        store: Folder of the parts.
        done: Output frames that are finished already.

    Returns:
        A warning for people; empty if there is room.

    Raises:
        OutputError: the disk is too small for certain.
    """
    whole = bytes_needed(plan)
    parts = whole * (plan.frames - done) // max(1, plan.frames)
    needs = {store: parts, place: whole}
    with suppress(OSError):
        if store == place or os.stat(store).st_dev == os.stat(place).st_dev:
            needs = {place: parts + whole}
    warning = ""
    for folder, need in needs.items():
        free = _free(folder)
        if free is None or need <= free:
            continue
        words = f"about {_size(need)} are needed in {folder}, {_size(free)} are free"
        if need > _CERTAIN * free:
            raise OutputError(
                plan.output, words, "Make room, or choose other places with -o and --work-dir."
            )
        warning = words
    return warning


def _free(folder: Path) -> int | None:
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return None


def _size(count: int) -> str:
    """Bytes for people."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
