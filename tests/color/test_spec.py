"""What a colour description means."""

import pytest

from vinr_cli.color.spec import (
    KR_KB,
    Chroma,
    ColorSpec,
    Matrix,
    is_exact,
    is_hdr,
    matrix_of_tag,
    matrix_tag,
    output_tags,
    plane_shapes,
    quantisation,
    with_layout,
)


@pytest.mark.parametrize(
    ("chroma", "shapes"),
    [
        (Chroma.GRAY, ((5, 7),)),
        (Chroma.C420, ((5, 7), (3, 4), (3, 4))),
        (Chroma.C422, ((5, 7), (5, 4), (5, 4))),
        (Chroma.C444, ((5, 7), (5, 7), (5, 7))),
        (Chroma.RGB, ((5, 7), (5, 7), (5, 7))),
    ],
)
def test_odd_sides_round_chroma_up(chroma: Chroma, shapes: tuple[tuple[int, int], ...]) -> None:
    """A subsampled plane of an odd side has half its samples, rounded up."""
    assert plane_shapes(ColorSpec(chroma=chroma), 5, 7) == shapes


@pytest.mark.parametrize(
    ("tag", "height", "matrix"),
    [
        (None, 719, Matrix.BT601),
        (None, 720, Matrix.BT709),
        ("bt470bg", 2160, Matrix.BT601),
        ("smpte170m", 2160, Matrix.BT601),
        ("bt709", 240, Matrix.BT709),
        ("bt2020nc", 240, Matrix.BT2020),
        ("ictcp", 240, Matrix.BT2020),
        ("something new", 1080, Matrix.BT709),
    ],
)
def test_matrix_comes_from_tag_or_lines(tag: str | None, height: int, matrix: Matrix) -> None:
    """A tag decides; without one the number of lines does, with 720 as the border."""
    assert matrix_of_tag(tag, height=height) is matrix


def test_near_matrices_are_known_as_such() -> None:
    """Only tags whose very matrix is used count as exact."""
    assert is_exact("bt709")
    assert not is_exact("ictcp")
    assert not is_exact("ycgco")


@pytest.mark.parametrize(
    ("depth", "full", "expected"),
    [
        (8, False, (16, 219, 128, 224, 1, 254)),
        (10, False, (64, 876, 512, 896, 4, 1019)),
        (12, False, (256, 3504, 2048, 3584, 16, 4079)),
        (8, True, (0, 255, 128, 255, 0, 255)),
        (10, True, (0, 1023, 512, 1023, 0, 1023)),
    ],
)
def test_code_values_follow_the_standard(depth: int, full: bool, expected: tuple[int, ...]) -> None:
    """Black, spans, chroma zero and forbidden codes are those of BT.709 and BT.2100."""
    q = quantisation(ColorSpec(depth=depth, full_range=full))

    found = (q.luma_offset, q.luma_span, q.chroma_offset, q.chroma_span, q.lowest, q.highest)
    assert found == expected


def test_every_matrix_but_rgb_has_weights() -> None:
    """Each luma-chroma matrix has weights that leave something for green."""
    assert set(KR_KB) == set(Matrix) - {Matrix.RGB}
    assert all(0 < kr + kb < 1 for kr, kb in KR_KB.values())


def test_source_tags_are_kept_and_gaps_filled() -> None:
    """An output says what the source said, and what goes with its matrix where it said nothing."""
    assert output_tags(ColorSpec(matrix=Matrix.BT601)) == ("smpte170m", "smpte170m", "smpte170m")
    assert output_tags(ColorSpec(tagged_matrix="bt470bg", matrix=Matrix.BT601))[0] == "bt470bg"
    pq = ColorSpec(
        matrix=Matrix.BT2020, primaries="bt2020", transfer="smpte2084", tagged_matrix="bt2020nc"
    )
    assert output_tags(pq) == ("bt2020", "smpte2084", "bt2020nc")
    assert output_tags(ColorSpec(matrix=Matrix.BT2020))[:2] == (None, None)
    assert matrix_tag(ColorSpec(matrix=Matrix.RGB, chroma=Chroma.RGB)) == "gbr"


def test_hdr_is_told_by_transfer() -> None:
    """PQ and HLG are HDR; ten bits or BT.2020 alone are not."""
    assert is_hdr(ColorSpec(transfer="smpte2084"))
    assert is_hdr(ColorSpec(transfer="arib-std-b67"))
    assert not is_hdr(ColorSpec(depth=10, matrix=Matrix.BT2020, primaries="bt2020"))


def test_rgb_becomes_studio_luma_and_chroma() -> None:
    """RGB in another layout takes the matrix of its primaries, or of its size, in studio range."""
    rgb = ColorSpec(chroma=Chroma.RGB, matrix=Matrix.RGB, full_range=True, tagged_matrix="gbr")

    hd, sd = (with_layout(rgb, Chroma.C444, 8, height=h) for h in (1080, 480))
    assert (hd.matrix, hd.full_range, hd.tagged_matrix) == (Matrix.BT709, False, None)
    assert sd.matrix is Matrix.BT601
    same = with_layout(ColorSpec(full_range=True), Chroma.C444, 10)
    assert (same.full_range, same.depth, same.chroma) == (True, 10, Chroma.C444)
