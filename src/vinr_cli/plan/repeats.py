"""Frames that show the one before again, and when the others would be shown if it were even.

Animation is drawn on twos and threes, film is brought to another rate by showing frames again, and
cameras that cannot keep up repeat themselves. Interpolating such a source frame by frame keeps its
stutter. Here the repeats are left out, so that a pair is two frames that differ, however far apart.

Three rules, in this order, on the change of each frame from the one before (how it is measured,
`media.read.change` says):

1. A frame is a repeat if it changes by no more than a threshold, which codec noise stays below, and
   by much less than the frames around it, so that slow motion is none. A frame that begins a scene
   never is.
2. A picture that stays for longer than `LONGEST_HOLD` is a still, not a stutter: all its frames
   count as new, so nothing is drawn out across it.
3. Where new frames come in the even pattern of a rate within a constant rate (24 in 30: four new
   ones of five; 24 in 60: two and three times in turn), each is put to the time that it has at its
   own rate, less than one frame of the source away.

Output times are those of `Timeline` with the repeats; only what is shown at them differs.
"""

import hashlib
import heapq
import math
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from vinr_cli.plan.job import RateRequest
from vinr_cli.plan.timeline import OutputFrame, Timeline

DEFAULT_REPEAT = 4.0
"""Change, in per cent of the range, up to which a frame may be a repeat.

A filmed clip put on twos and encoded by x264 (CRF 23 and 30), x265 (28), VP9 (36) or MPEG-4 (5 and
12) has repeats that change by 1.6 to 3.6 at most (x265: 5.6, nine of ten below 3.7), and frames
that differ by 56 and more; synthetic line art reaches 7.7 at CRF 30.
"""

LONGEST_HOLD = Fraction(1, 5)
"""Seconds up to which a picture that stays is a stutter: animation on fours at 24 frames/s (167 ms)
is one. Longer ones are stills."""

SHARE = 1 / 4
"""A repeat changes by at most this share of what the frames around it do."""

_LEAST_WINDOW = 6
"""Frames on each side that are looked at, at least."""
_PERIODS = 2
"""A pattern must be seen as often as this, in a row, to be one."""
_PATTERNS_TOLD = 3
_LONGEST_STEP = 6
"""Frames of the source for one new frame, at most, in patterns."""


def _cadences() -> tuple[Fraction, ...]:
    """Frames of the source for one of its own rate: whole ones first, then simple fractions."""
    whole = [Fraction(n) for n in range(1, _LONGEST_STEP + 1)]
    simple = {
        Fraction(top, bottom)
        for bottom in range(2, 7)
        for top in range(bottom + 1, _LONGEST_STEP * bottom)
    }
    film = [Fraction(25, 24), Fraction(25, 12), Fraction(25, 8)]  # 24, 12 and 8 in 25 or 50
    return (*whole, *sorted(simple - set(whole), key=lambda c: c.denominator), *film)


CADENCES = _cadences()
"""Patterns that are looked for; a whole number needs no new times."""

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Cadence:
    """What of a source is new, and when.

    Attributes:
        pts: Time of every source frame that is used, in ticks.
        new: A byte for each: 1 if it shows something new, 0 if it is a repeat. The first is new.
        shifts: For new frames that are better shown at another time: by how many frames of the
            constant source rate later, between -1 and 1; none of them is 0.
        patterns: The patterns found, as (new frames, source frames of a period), the most
            frequent first.
    """

    pts: "array[int]"
    new: bytes
    shifts: dict[int, Fraction] = field(default_factory=dict)
    patterns: tuple[tuple[int, int], ...] = ()

    @property
    def repeats(self) -> int:
        """How many frames are repeats."""
        return self.new.count(0)

    @property
    def digest(self) -> str:
        """A short hash of all decisions: parts of two runs fit together if it is the same."""
        state = hashlib.sha256(self.new)
        state.update(repr(sorted(self.shifts.items())).encode())
        return state.hexdigest()[:16]

    def __str__(self) -> str:
        """For people."""
        words = f"{self.repeats} of {len(self.new)} frames repeat the one before"
        if self.patterns:
            words += f" (as {', '.join(f'{a} in {b}' for a, b in self.patterns)})"
        return words


def find_cadence(
    changes: Sequence[float],
    cuts: Sequence[bool],
    pts: "array[int]",
    time_base: Fraction,
    *,
    rate: Fraction | None,
    threshold: float = DEFAULT_REPEAT,
) -> Cadence:
    """Tell repeats from new frames, by the rules above.

    Args:
        changes: Change of every frame from the one before, in per cent of the range.
        cuts: Whether the frame begins a scene.
        pts: Its time, in ticks, increasing.
        time_base: Seconds a tick.
        rate: Constant frame rate of the source; None if it varies: then nothing is shifted.
        threshold: Greatest change of a repeat.
    """
    new = bytearray(b"\1" * len(changes))
    steps = (len(pts) - 1) / ((pts[-1] - pts[0]) * time_base) if len(pts) > 1 else Fraction(1)
    reach = max(_LEAST_WINDOW, 2 * math.ceil(LONGEST_HOLD * steps))
    for start, stop in _scenes(cuts):
        for i in range(start + 1, stop):
            level = _level(changes, range(max(start + 1, i - reach), min(stop, i + reach + 1)))
            new[i] = not changes[i] <= min(threshold, SHARE * level)
    _keep_stills(new, pts, time_base)
    shifts: dict[int, Fraction] = {}
    found: dict[Fraction, int] = {}
    if rate is not None:
        for start, stop in _scenes(cuts):
            _even_out([i for i in range(start, stop) if new[i]], shifts, found)
    patterns = sorted(found, key=lambda c: (-found[c], c))
    names = tuple((c.denominator, c.numerator) for c in patterns[:_PATTERNS_TOLD])
    return Cadence(pts, bytes(new), shifts, names)


def _scenes(cuts: Sequence[bool]) -> list[tuple[int, int]]:
    """Spans [start, stop) of frames without a cut inside."""
    starts = [i for i, cut in enumerate(cuts) if cut or i == 0]
    return list(zip(starts, [*starts[1:], len(cuts)], strict=True))


def _level(changes: Sequence[float], around: range) -> float:
    """How much frames change that do: the second greatest of some, so that one pop is none."""
    return min(heapq.nlargest(2, changes[around.start : around.stop]), default=0.0)


def _keep_stills(new: bytearray, pts: Sequence[int], tick: Fraction) -> None:
    """Mark the repeats of pictures that stay for too long as new.

    A tick is allowed for, because times of a constant rate are rounded to ticks; and the end of a
    scene is as good as the next new frame.
    """
    firsts = [i for i, flag in enumerate(new) if flag]
    usual = pts[-1] - pts[-2] if len(pts) > 1 else 1
    ends = [*(pts[i] for i in firsts[1:]), pts[-1] + usual]
    for first, stop, end in zip(firsts, [*firsts[1:], len(new)], ends, strict=True):
        if stop - first > 1 and (end - pts[first] - 1) * tick > LONGEST_HOLD:
            new[first:stop] = b"\1" * (stop - first)


def _even_out(firsts: list[int], shifts: dict[int, Fraction], found: dict[Fraction, int]) -> None:
    """Find the patterns of one scene, and the shifts that make them even.

    Args:
        firsts: The scene's new frames, in order.
        shifts: Takes the shifts that are not 0.
        found: Counts the new frames of each pattern.
    """
    k = 0
    while k < len(firsts) - 1:
        runs = [(_fitting(firsts, k, c), c) for c in CADENCES]
        length, cadence = max(runs, key=lambda run: run[0])
        period = cadence.denominator
        if length < max(_PERIODS * period, 2):
            k += 1
            continue
        if k + length + 1 < len(firsts):  # else it lasts to the scene's end
            length -= length % period
        for step in range(length + 1):
            shift = step * cadence - (firsts[k + step] - firsts[k])
            if shift:
                shifts[firsts[k + step]] = shift
        if cadence != 1:
            found[cadence] = found.get(cadence, 0) + length
        k += length


def _fitting(firsts: Sequence[int], start: int, cadence: Fraction) -> int:
    """How many steps from a new frame on are those of an even rate, seen in whole frames.

    They are as long as the places differ from the rate's by less than a frame among themselves.
    """
    top, bottom = cadence.numerator, cadence.denominator
    least = most = 0
    for step in range(1, len(firsts) - start):
        off = (firsts[start + step] - firsts[start]) * bottom - step * top
        least, most = min(least, off), max(most, off)
        if most - least >= bottom:
            return step - 1
    return len(firsts) - start - 1


class EvenTimeline(Timeline):
    """A timeline that takes new frames alone, and tells what is shown at the times of all.

    `push` takes the new frames in order. The outputs that it returns lie between the new frame
    before and this one, at their even times: `pair` is the index of the new frame before, `t` the
    place between both. Counts, times and duration are those of a `Timeline` of all frames.

    Args:
        request: As of `Timeline`.
        time_base: As of `Timeline`.
        source_rate: As of `Timeline`.
        cadence: What is new.
    """

    def __init__(
        self,
        request: RateRequest,
        time_base: Fraction,
        *,
        source_rate: Fraction | None,
        cadence: Cadence,
    ) -> None:
        super().__init__(request, time_base, source_rate=source_rate)
        self._cadence = cadence
        self._frame = 0 if source_rate is None else 1 / source_rate
        self._known = 0  # frames that the timeline of all frames has seen
        self._waiting: deque[tuple[OutputFrame, Fraction]] = deque()
        self._latest = -1  # the latest new frame
        self._even = _ZERO  # its even time, in seconds from the first frame
        self._before = _ZERO  # time of the latest frame of all
        self._given = 0
        self._over = False

    @property
    def sources(self) -> int:
        """Source frames up to the latest new one; all of them after the end."""
        return self._sources if self._over else self._latest + 1

    @property
    def outputs(self) -> int:
        """Output frames given so far."""
        return self._given

    def push(self, pts: int) -> list[OutputFrame]:
        """Take the next new frame; see `Timeline.push`.

        Raises:
            ValueError: `pts` is not the time of the next new frame.
        """
        index = self._cadence.new.find(1, self._latest + 1)
        if index < 0 or self._cadence.pts[index] != pts:
            raise ValueError(f"{pts} is not the time of the next new frame")
        while self._known <= index:
            self._look_ahead()
        even = self._time + self._cadence.shifts.get(index, _ZERO) * self._frame
        while self._time < even and self._known < len(self._cadence.pts):
            self._look_ahead()
        before, start = self._latest, self._even
        self._latest, self._even = index, even
        frames: list[OutputFrame] = []
        while self._waiting and self._waiting[0][1] < even:
            output, time = self._waiting.popleft()
            frames.append(replace(output, pair=before, t=(time - start) / (even - start)))
        self._given += len(frames)
        return frames

    def finish(self, last_duration: int | None) -> list[OutputFrame]:
        """End of the source; the outputs that are left show the last new frame."""
        while self._latest >= 0 and self._known < len(self._cadence.pts):
            self._look_ahead()
        held = super().finish(last_duration)
        rest = [*(output for output, _ in self._waiting), *held]
        self._waiting.clear()
        self._over = True
        self._given += len(rest)
        return [replace(output, pair=self._latest, t=_ZERO) for output in rest]

    def _look_ahead(self) -> None:
        """Let the timeline of all frames see one more."""
        pts = self._cadence.pts[self._known]
        self._known += 1
        outputs = super().push(pts)
        span = self._time - self._before
        self._waiting.extend((output, self._before + output.t * span) for output in outputs)
        self._before = self._time
