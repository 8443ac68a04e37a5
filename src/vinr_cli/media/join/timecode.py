"""Timecode (SMPTE ST 12-1): the label of the first frame, on its way to another frame rate.

A label hh:mm:ss:ff counts frames at a whole rate. With ; before the frames it drops the first
labels of each minute but every tenth, so that 30000/1001 keeps up with the clock.
"""

import math
import re
from fractions import Fraction

_LABEL = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)")
_DAY = 24 * 3600


def moved(label: str, source: Fraction, target: Fraction, later: Fraction) -> str | None:
    """The label of a result's first frame.

    Hours, minutes and seconds stay, and the frame becomes the one of the new rate that is shown
    then; what --start takes away is added.

    Args:
        label: That of the source's first frame.
        source: Frames per second of the source.
        target: Frames per second of the result.
        later: Seconds of the source before the result's first frame.

    Returns:
        The label, without dropping where the new rate has no drop-frame count; None if `label`
        is none.
    """
    parts = _LABEL.fullmatch(label.strip())
    if parts is None:
        return None
    hours, minutes, seconds, frame = (int(parts[k]) for k in (1, 2, 3, 5))
    whole = max(1, round(target))
    drops = parts[4] != ":" and whole % 30 == 0
    frame = min(whole - 1, math.floor(Fraction(frame * whole, max(1, round(source)))))
    count = _count((hours, minutes, seconds, frame), whole, drops=drops)
    return _label(count + math.floor(later * target), whole, drops=drops)


def _count(time: tuple[int, int, int, int], whole: int, *, drops: bool) -> int:
    """Frames from midnight to a label."""
    hours, minutes, seconds, frame = time
    minutes += 60 * hours
    count = (60 * minutes + seconds) * whole + frame
    return count - (whole // 15) * (minutes - minutes // 10) if drops else count


def _label(count: int, whole: int, *, drops: bool) -> str:
    """The label so many frames after midnight."""
    if drops:
        lost = whole // 15
        tens, rest = divmod(count, 600 * whole - 9 * lost)
        count += 9 * lost * tens
        if rest >= 60 * whole:
            count += lost * (1 + (rest - 60 * whole) // (60 * whole - lost))
    seconds, frame = divmod(count, whole)
    seconds %= _DAY
    mark = ";" if drops else ":"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frame:02}"
