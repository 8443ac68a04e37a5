"""How strongly a job takes out traces of codecs: as asked, or as the source's quantizers say."""

from dataclasses import dataclass

from vinr_cli.media.read import MediaInfo, Timestamps, is_lossless, measure_coarseness
from vinr_cli.plan.job import STDIO, JobSpec
from vinr_cli.weights.deblock import (
    AS_IT_IS,
    WEAKEST,
    plain_of,
    strength_for,
)

_PLACES = 4
"""How many places of a source are looked at, evenly spread."""


@dataclass(frozen=True, slots=True)
class Deblocking:
    """What a job does about traces of codecs.

    Attributes:
        strength: See `weights.deblock`.
        why: For people.
    """

    strength: float
    why: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.strength:g}: {self.why}"


def settle_deblocking(
    spec: JobSpec,
    media: MediaInfo,
    timestamps: Timestamps,
    bounds: tuple[int | None, int | None],
    *,
    same_size: bool,
) -> Deblocking | None:
    """Choose the strength.

    Args:
        spec: What is asked for; the model has its strength.
        media: What the source is.
        timestamps: When its frames are shown.
        bounds: PTS of the first frame that is used, and of the first that is not any more.
        same_size: Whether the output has the source's size.

    Returns:
        None for a model that has one strength only.
    """
    if plain_of(spec.model) is None:
        return None
    if spec.deblock is not None:
        return Deblocking(spec.deblock, "as asked")
    if is_lossless(media.video.codec):
        return Deblocking(WEAKEST, "the source was coded without loss")
    if spec.input == STDIO:
        return Deblocking(AS_IT_IS, "a stream is not looked at before it is read")
    told = measure_coarseness(media, _places(timestamps, *bounds))
    if told is None:
        return Deblocking(AS_IT_IS, "the source does not tell its quantizers")
    strength = strength_for(told.codec, told.quantizer, same_size=same_size)
    why = f"mean quantizer {told.quantizer:.1f} of {told.codec}"
    if same_size and strength == AS_IT_IS:
        why += ", and no more where the size stays"
    return Deblocking(strength, why)


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
