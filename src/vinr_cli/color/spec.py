"""How the numbers in a frame's planes mean colours. No torch."""

from dataclasses import dataclass
from enum import StrEnum


class Chroma(StrEnum):
    """Plane layout of a frame: how many planes there are and how the chroma planes are sampled."""

    GRAY = "gray"
    C420 = "420"
    C422 = "422"
    C444 = "444"
    RGB = "rgb"


class Matrix(StrEnum):
    """Luma-chroma matrix (ITU-T H.273, MatrixCoefficients)."""

    BT601 = "bt601"
    BT709 = "bt709"
    BT2020 = "bt2020nc"
    RGB = "rgb"


class Siting(StrEnum):
    """Where a 4:2:0 or 4:2:2 chroma sample lies relative to the luma samples."""

    LEFT = "left"
    CENTER = "center"
    TOPLEFT = "topleft"


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """The colour description of a stream, as converted and as tagged.

    Attributes:
        chroma: Plane layout. Planes come in the order Y, Cb, Cr or R, G, B.
        matrix: Matrix used for conversion; RGB for an RGB layout.
        full_range: True for 0..2^n-1, False for studio range (16..235 at 8 bit).
        depth: Bits per sample, 8 to 16.
        siting: Chroma sample location.
        primaries: ffmpeg's name of the primaries ("bt709", "bt2020", ...), None if untagged.
        transfer: ffmpeg's name of the transfer ("bt709", "smpte2084", ...), None if untagged.
        tagged_matrix: ffmpeg's name of the matrix as the source says it, None if untagged; the
            output is tagged with this, or with `matrix` when the source says nothing.
    """

    chroma: Chroma = Chroma.C420
    matrix: Matrix = Matrix.BT709
    full_range: bool = False
    depth: int = 8
    siting: Siting = Siting.LEFT
    primaries: str | None = None
    transfer: str | None = None
    tagged_matrix: str | None = None
