"""Colours in words: as they are read, as they are written, and what changes between."""

from vinr_cli.color.spec import HD_LINES, Chroma, ColorSpec, output_tags
from vinr_cli.media.write.encoders import Encoder


def matrix_guess(color: ColorSpec, lines: int) -> str:
    """By what a stream's matrix was chosen where it names none; empty where it does, or has none.

    Args:
        color: Colours of the stream.
        lines: Lines of the picture as shown upright.
    """
    if color.tagged_matrix is not None or color.chroma in (Chroma.RGB, Chroma.GRAY):
        return ""
    some = f"{HD_LINES} lines or more" if lines >= HD_LINES else f"fewer than {HD_LINES} lines"
    return f"{color.matrix.value} (untagged, {some})"


def read_colours(pix_fmt: str, color: ColorSpec, lines: int) -> str:
    """What is taken as a stream's colours."""
    matrix = matrix_guess(color, lines) or color.tagged_matrix or "untagged"
    return f"{pix_fmt}, {matrix}, {_spoken(color)}"


def written_colours(encoder: Encoder) -> str:
    """The result's colours, and its tags of primaries, transfer and matrix."""
    bits = encoder.container.palette_bits
    if bits:
        return f"one palette of {2**bits} colours, error diffusion"
    color = encoder.color
    tagged = "/".join(tag or "none" for tag in output_tags(color))
    return f"{encoder.pix_fmt}, {color.matrix.value}, {_spoken(color)}, tagged {tagged}"


def colour_changes(given: ColorSpec, encoder: Encoder) -> list[str]:
    """What of the source's colours is stored in another way."""
    bits = encoder.container.palette_bits
    if bits:
        return [f"in one palette of {2**bits} colours"]
    made = encoder.color
    return [
        f"{what} {before} to {after}"
        for what, before, after in (
            ("layout", given.chroma.value, made.chroma.value),
            ("bits", given.depth, made.depth),
            ("matrix", given.matrix.value, made.matrix.value),
            ("range", _range(given), _range(made)),
            ("chroma", _siting(given), _siting(made)),
        )
        if before != after
    ]


def _spoken(color: ColorSpec) -> str:
    """Range, depth, siting and transfer, for people."""
    words = [f"{_range(color)} range", f"{color.depth} bit", f"chroma {_siting(color)}"]
    if color.transfer is not None:
        words.append(f"transfer {color.transfer}")
    return ", ".join(words)


def _range(color: ColorSpec) -> str:
    return "full" if color.full_range else "studio"


def _siting(color: ColorSpec) -> str:
    """Where chroma lies; of whole planes, nowhere else than luma."""
    shared = color.chroma not in (Chroma.C420, Chroma.C422)
    return "whole" if shared else color.siting.value
