"""A source's chapters on the result's clock."""

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from vinr_cli.media.join.times import ONE, ZERO, Times

if TYPE_CHECKING:  # a type of the stubs alone
    from av.container.core import Chapter


def moved_chapters(
    chapters: "Iterable[Chapter]", times: Times, end: Fraction | None
) -> "list[Chapter]":
    """A source's chapters on the result's clock, as far as the result reaches.

    Args:
        chapters: Of the source.
        times: From its clock to the result's.
        end: Where the result ends, in seconds; None where nobody knows.
    """
    kept: list[Chapter] = []
    for chapter in chapters:
        tb = chapter["time_base"] or ONE
        bounds = [times(chapter[key] * tb) for key in ("start", "end")]
        first = max(bounds[0], ZERO)
        last = bounds[1] if end is None else min(bounds[1], end)
        if first < last:
            kept.append({**chapter, "start": round(first / tb), "end": round(last / tb)})
    return kept
