"""How the numbers in a frame's planes mean colours. No torch.

Code values and their meaning follow ITU-T H.273 (which repeats BT.601, BT.709 and BT.2020): the
luma weights of each matrix, the quantisation of full and studio range, and the places of the
chroma samples.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction


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
    FCC = "fcc"
    SMPTE240M = "smpte240m"


class Siting(StrEnum):
    """Where a 4:2:0 or 4:2:2 chroma sample lies relative to the luma samples."""

    LEFT = "left"
    CENTER = "center"
    TOPLEFT = "topleft"


HD_LINES = 720
"""A stream of this many lines or more that names no matrix is taken as BT.709, else BT.601."""

KR_KB: dict[Matrix, tuple[float, float]] = {
    Matrix.BT601: (0.299, 0.114),
    Matrix.BT709: (0.2126, 0.0722),
    Matrix.BT2020: (0.2627, 0.0593),
    Matrix.FCC: (0.30, 0.11),
    Matrix.SMPTE240M: (0.212, 0.087),
}
"""Luma weights (Kr, Kb) of each matrix, ITU-T H.273 table 4; Kg is 1 - Kr - Kb."""

HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
"""Transfers (PQ and HLG) that 8 bits cannot carry without banding."""

# ffmpeg's names of H.273's MatrixCoefficients, and the matrix that we convert with. The last
# group has no matrix of this form: a near one is used both ways, and the tag is kept.
_MATRIX_OF_TAG: dict[str, Matrix] = {
    "gbr": Matrix.RGB,
    "bt709": Matrix.BT709,
    "fcc": Matrix.FCC,
    "bt470bg": Matrix.BT601,
    "smpte170m": Matrix.BT601,
    "smpte240m": Matrix.SMPTE240M,
    "bt2020nc": Matrix.BT2020,
    "bt2020c": Matrix.BT2020,
    "ictcp": Matrix.BT2020,
    "ipt-c2": Matrix.BT2020,
    "smpte2085": Matrix.BT2020,
    "chroma-derived-nc": Matrix.BT709,
    "chroma-derived-c": Matrix.BT709,
    "ycgco": Matrix.BT709,
    "ycgco-re": Matrix.BT709,
    "ycgco-ro": Matrix.BT709,
}
_EXACT_TAGS = frozenset({"gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"})
_TAG_OF_MATRIX: dict[Matrix, str] = {
    Matrix.RGB: "gbr",
    Matrix.BT601: "smpte170m",
    Matrix.BT709: "bt709",
    Matrix.BT2020: "bt2020nc",
    Matrix.FCC: "fcc",
    Matrix.SMPTE240M: "smpte240m",
}


@dataclass(frozen=True, slots=True)
class Mastering:
    """The display that HDR pictures were graded on (SMPTE ST 2086).

    Attributes:
        red: CIE 1931 (x, y) of the red primary.
        green: (x, y) of the green primary.
        blue: (x, y) of the blue primary.
        white: (x, y) of the white point.
        luminance: (least, greatest) luminance in cd/m2.
    """

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    luminance: tuple[Fraction, Fraction]


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
        mastering: The display of the grading; None if the source does not say.
        light: Greatest (pixel, frame average) light level in cd/m2 (CTA-861.3); None if the source
            does not say.
        alpha: Whether a plane of opacity comes after the others: full size, the same depth, always
            full range, and straight (the colours are not multiplied with it).
    """

    chroma: Chroma = Chroma.C420
    matrix: Matrix = Matrix.BT709
    full_range: bool = False
    depth: int = 8
    siting: Siting = Siting.LEFT
    primaries: str | None = None
    transfer: str | None = None
    tagged_matrix: str | None = None
    mastering: Mastering | None = None
    light: tuple[int, int] | None = None
    alpha: bool = False


def matrix_of_tag(tag: str | None, *, height: int) -> Matrix:
    """Choose the matrix to convert with from the source's tag.

    Args:
        tag: ffmpeg's name of the matrix, None if untagged.
        height: Lines of the picture as shown upright; decides for an untagged stream.

    Returns:
        The tag's matrix, a near one for matrices that are not of the Kr-Kb form, and for an
        untagged or unknown one BT.709 from `HD_LINES` up, else BT.601.
    """
    untagged = Matrix.BT709 if height >= HD_LINES else Matrix.BT601
    return untagged if tag is None else _MATRIX_OF_TAG.get(tag, untagged)


def is_exact(tag: str) -> bool:
    """Whether `matrix_of_tag` gives the very matrix that the tag names, not a near one."""
    return tag in _EXACT_TAGS


def matrix_tag(spec: ColorSpec) -> str:
    """Name, as ffmpeg writes it, of the matrix to tag an output with."""
    return spec.tagged_matrix or _TAG_OF_MATRIX[spec.matrix]


_USUAL_TAGS: dict[str, tuple[str, str]] = {
    "bt709": ("bt709", "bt709"),
    "bt470bg": ("bt470bg", "smpte170m"),
    "smpte170m": ("smpte170m", "smpte170m"),
    "smpte240m": ("smpte240m", "smpte240m"),
}


def output_tags(spec: ColorSpec) -> tuple[str | None, str | None, str]:
    """Primaries, transfer and matrix, as ffmpeg names them, to tag an output with.

    What the source leaves out is filled with what goes with its matrix: players guess it from the
    number of lines, which upscaling changes. The transfer of BT.601 is BT.709's, under its own
    number. RGB and BT.2020 sources have no usual transfer, so nothing is made up for them.
    """
    matrix = matrix_tag(spec)
    primaries, transfer = _USUAL_TAGS.get(matrix, (None, None))
    return spec.primaries or primaries, spec.transfer or transfer, matrix


def is_hdr(spec: ColorSpec) -> bool:
    """Whether the transfer is PQ or HLG, which need ten bits or more."""
    return spec.transfer in HDR_TRANSFERS


def with_layout(spec: ColorSpec, chroma: Chroma, depth: int, *, height: int = 0) -> ColorSpec:
    """The same colours in another plane layout or depth.

    RGB becomes Y'CbCr by the matrix that suits the picture's primaries, in studio range; Y'CbCr
    becomes RGB in full range. Primaries and transfer never change.

    Args:
        spec: The description to start from.
        chroma: Wanted plane layout.
        depth: Wanted bits per sample, 8 to 16.
        height: Lines of the picture; used only to choose a matrix for an RGB source.
    """
    was_rgb, is_rgb = spec.chroma is Chroma.RGB, chroma is Chroma.RGB
    if was_rgb == is_rgb:
        return replace(spec, chroma=chroma, depth=depth)
    if is_rgb:
        matrix, full = Matrix.RGB, True
    elif spec.primaries == "bt2020":
        matrix, full = Matrix.BT2020, False
    else:
        matrix, full = (Matrix.BT709 if height >= HD_LINES or height == 0 else Matrix.BT601), False
    return replace(
        spec, chroma=chroma, depth=depth, matrix=matrix, full_range=full, tagged_matrix=None
    )


def plane_shapes(spec: ColorSpec, height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Shapes (rows, columns) of the planes of one frame.

    A subsampled chroma plane of an odd side n has (n + 1) // 2 samples.
    """
    full = (height, width)
    alpha = (full,) if spec.alpha else ()
    if spec.chroma is Chroma.GRAY:
        return (full, *alpha)
    rows = (height + 1) // 2 if spec.chroma is Chroma.C420 else height
    columns = (width + 1) // 2 if spec.chroma in (Chroma.C420, Chroma.C422) else width
    return (full, (rows, columns), (rows, columns), *alpha)


@dataclass(frozen=True, slots=True)
class Quantisation:
    """Code values of a depth and range (ITU-T H.273, equations 20 to 34).

    Attributes:
        luma_offset: Code of black (of R, G, B and Y').
        luma_span: Codes from black to nominal white.
        chroma_offset: Code of zero colour difference.
        chroma_span: Codes from the least to the greatest colour difference.
        lowest: Smallest code that may be written.
        highest: Greatest code that may be written.
    """

    luma_offset: int
    luma_span: int
    chroma_offset: int
    chroma_span: int
    lowest: int
    highest: int


def quantisation(spec: ColorSpec) -> Quantisation:
    """Code values of a spec's depth and range.

    Studio range keeps its head and foot room: only the codes that SDI reserves for timing (the
    first and the last of 8 bits, shifted to the depth) may not be written.
    """
    step = 1 << (spec.depth - 8)
    top = (1 << spec.depth) - 1
    if spec.full_range:
        return Quantisation(0, top, 128 * step, top, 0, top)
    return Quantisation(16 * step, 219 * step, 128 * step, 224 * step, step, 255 * step - 1)
