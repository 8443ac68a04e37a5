from fractions import Fraction

import pytest

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import SizeRequest
from vinr_cli.plan.sizes import output_size

ODD = (101, 57)


@pytest.mark.parametrize(
    ("request_", "source", "even", "expected"),
    [
        (SizeRequest(), (320, 180), (True, True), (320, 180)),
        (SizeRequest(), ODD, (False, False), ODD),
        (SizeRequest(), ODD, (True, True), (102, 58)),
        (SizeRequest(scale=Fraction(7, 2)), (320, 180), (True, True), (1120, 630)),
        (SizeRequest(scale=Fraction(7, 2)), ODD, (False, False), (354, 200)),
        (SizeRequest(scale=Fraction(3)), ODD, (True, False), (304, 171)),
        (SizeRequest(scale=Fraction(1, 4)), (1, 1), (False, False), (1, 1)),
        (SizeRequest(scale=Fraction(1, 4)), (5, 5), (True, True), (2, 2)),
        (SizeRequest(scale=Fraction(16)), (1, 1), (True, True), (16, 16)),
        (SizeRequest(width=640), (320, 181), (False, False), (640, 362)),
        (SizeRequest(height=500), (1920, 1080), (True, True), (888, 500)),
        (SizeRequest(height=500), (1920, 1080), (False, False), (889, 500)),
        (SizeRequest(width=333, height=200), (320, 180), (False, False), (333, 200)),
    ],
)
def test_sizes_round_to_the_nearest_that_the_encoder_takes(
    request_: SizeRequest,
    source: tuple[int, int],
    even: tuple[bool, bool],
    expected: tuple[int, int],
) -> None:
    """Scales and derived sides round half up, to even numbers where the encoder needs them."""
    assert output_size(request_, source, even=even) == expected


def test_a_rotated_source_takes_width_and_height_as_shown() -> None:
    """The width of a request is that of the upright picture, which is the stored height."""
    assert output_size(SizeRequest(width=540), (1920, 1080), rotation=90) == (960, 540)
    assert output_size(SizeRequest(width=540), (1920, 1080), rotation=180) == (540, 304)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (SizeRequest(scale=Fraction(0)), "factor of 0"),
        (SizeRequest(scale=Fraction(-2)), "factor of -2"),
        (SizeRequest(scale=Fraction(6, 25)), "factor of 0.24"),
        (SizeRequest(scale=Fraction(1601, 100)), "factor of 16.01"),
        (SizeRequest(width=64, height=3000), "is impossible"),
        (SizeRequest(width=641), "641 is odd"),
        (SizeRequest(width=640, height=361), "361 is odd"),
    ],
)
def test_impossible_sizes_are_refused_with_the_value(request_: SizeRequest, words: str) -> None:
    """Out-of-range factors and odd asked sides raise UsageError naming them."""
    with pytest.raises(UsageError, match=words):
        output_size(request_, (320, 180), even=(True, True))


def test_an_absurdly_large_frame_is_refused() -> None:
    """More pixels than ffmpeg's buffers can hold are refused before anything runs."""
    with pytest.raises(UsageError, match="pixels a frame"):
        output_size(SizeRequest(scale=Fraction(16)), (3840, 2160))
