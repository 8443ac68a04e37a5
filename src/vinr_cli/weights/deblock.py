"""How strongly the traces of codecs are taken out: a place on the line between two sets of weights.

The networks of `video` and of the set that it was trained on from (its record's `plain`) are one
network in two places, and on the line between the two, and a little beyond, each place is a good
network that takes out less, or more (deep network interpolation, arXiv:1811.10515). So one number
says what a source needs: 0 is `plain`, 1 is `video` as it is, 1.75 the end of what is used.

The finer a source is coded the less there is to take out, but a stream tells only what its last
codec did, and a fine or lossless copy of a coarse file is common: so half of it stays.
"""

from vinr_cli.errors import OptionError
from vinr_cli.weights.records import find_record

WEAKEST = 0.5
"""The strength for sources that were coded finely or without loss."""
AS_IT_IS = 1.0
"""The strength of the packaged file itself, and for sources whose quantizers are not known."""
STRONGEST = 1.75
_STEP = 0.05

_SPANS = {
    "h264": (23.0, 35.0),
    "vp9": (90.0, 190.0),
    "mpeg1video": (4.0, 16.0),
    "mpeg2video": (4.0, 16.0),
    "mpeg4": (4.0, 16.0),
}
"""Mean quantizers, in the units of `media.read.quantizers`, at which `AS_IT_IS` and at which
`STRONGEST` gives the best PSNR, or nearly, measured on clips of the training set
(`benchmarks/deblock.py`)."""


def plain_of(name: str) -> str | None:
    """The set at strength 0 of a packaged set's line; None where a model has one strength only.

    Args:
        name: As `--model` takes it.
    """
    record = find_record(name)
    return None if record is None else record.plain or None


def strength_for(codec: str, quantizer: float, *, same_size: bool = False) -> float:
    """How strongly to take out what a codec left.

    Args:
        codec: libavcodec's name of the codec.
        quantizer: Mean quantizer, in the codec's unit, see `media.read.quantizers.Coarseness`.
        same_size: Whether the size stays. The source's own frames are shown then, and between them
            cleaner ones than `AS_IT_IS` would make the picture pulse.

    Returns:
        From `WEAKEST` to `STRONGEST`, in steps of 0.05.
    """
    if codec not in _SPANS:
        return AS_IT_IS
    low, high = _SPANS[codec]
    best = AS_IT_IS + (quantizer - low) / (high - low) * (STRONGEST - AS_IT_IS)
    chosen = max(WEAKEST, min(best, AS_IT_IS if same_size else STRONGEST))
    return round(round(chosen / _STEP) * _STEP, 2)


def require_strength(name: str, strength: float | None) -> None:
    """Refuse a strength that a model does not have.

    Args:
        name: As `--model` takes it.
        strength: None leaves it to the program, which every model can bear.

    Raises:
        OptionError: the model has one strength only, or has none that strong.
    """
    if strength is None:
        return
    if plain_of(name) is None:
        fix = "Leave it away, or use the model video."
        raise OptionError("--deblock", f"means nothing to the model {name}", fix)
    if not 0 <= strength <= STRONGEST:
        cause = f"is from 0 to {STRONGEST:g}, not {strength:g}"
        raise OptionError("--deblock", cause, "auto chooses by the source.")
