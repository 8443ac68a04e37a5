"""How strongly a job takes out traces of codecs: as asked, or as the source's quantizers say."""

from dataclasses import dataclass

from vinr_cli.media.probe import MediaInfo, Timestamps
from vinr_cli.media.quantizers import Coarseness, measure_coarseness
from vinr_cli.plan.job import STDIO, JobSpec
from vinr_cli.weights.deblock import AS_IT_IS, plain_of, require_strength, strength_for

_PLACES = 4
"""How many places of a source are looked at, evenly spread."""


@dataclass(frozen=True, slots=True)
class Deblocking:
    """What a job does about traces of codecs.

    Attributes:
        strength: See `weights.deblock`.
        coarseness: What was measured; None where it was not, or the source does not tell.
        asked: Whether the user chose the strength.
    """

    strength: float
    coarseness: Coarseness | None
    asked: bool

    def __str__(self) -> str:
        """For people."""
        if self.asked:
            return f"{self.strength:g}: as asked"
        if self.coarseness is None:
            return f"{self.strength:g}: the source does not tell its quantizers"
        told = f"mean quantizer {self.coarseness.quantizer:.1f} of {self.coarseness.codec}"
        return f"{self.strength:g}: {told}"


def settle_deblocking(
    spec: JobSpec, media: MediaInfo, timestamps: Timestamps, bounds: tuple[int | None, int | None]
) -> Deblocking | None:
    """Choose the strength.

    A source that is read once is not looked at: it gets the weights as they are.

    Args:
        spec: What is asked for.
        media: What the source is.
        timestamps: When its frames are shown.
        bounds: PTS of the first frame that is used, and of the first that is not any more.

    Returns:
        None for a model that has one strength only.

    Raises:
        UsageError: a strength is asked for that the model does not have.
    """
    require_strength(spec.model, spec.deblock)
    if plain_of(spec.model) is None:
        return None
    if spec.deblock is not None:
        return Deblocking(spec.deblock, None, asked=True)
    coarseness = None
    if spec.input != STDIO:
        coarseness = measure_coarseness(media, _places(timestamps, *bounds))
    if coarseness is None:
        return Deblocking(AS_IT_IS, None, asked=False)
    strength = strength_for(coarseness.codec, coarseness.quantizer)
    return Deblocking(strength, coarseness, asked=False)


def _places(timestamps: Timestamps, start: int | None, end: int | None) -> list[int]:
    """PTS in the middles of equal parts of what is used."""
    used = [
        time
        for time in timestamps.pts
        if (start is None or time >= start) and (end is None or time < end)
    ]
    if not used:
        return [0]
    return [used[len(used) * (2 * k + 1) // (2 * _PLACES)] for k in range(_PLACES)]
