from fractions import Fraction

import pytest

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import Fit, SizeRequest
from vinr_cli.plan.sizes import output_size, read_size

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
        (
            SizeRequest(width=333, height=200, fit=Fit.STRETCH),
            (320, 180),
            (False, False),
            (333, 200),
        ),
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
        (SizeRequest(width=640, height=361, fit=Fit.STRETCH), "361 is odd"),
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


@pytest.mark.parametrize(
    ("source", "aspect", "frame", "even", "expected"),
    [
        ((1920, 1080), "1", (1280, 720), True, (1280, 720)),
        ((320, 180), "1", (200, 200), True, (200, 112)),
        ((320, 180), "1", (200, 200), False, (200, 113)),
        ((180, 320), "1", (200, 200), False, (113, 200)),
        ((320, 180), "1", (641, 361), True, (640, 360)),
        ((320, 180), "1", (1279, 719), True, (1278, 718)),
        ((854, 480), "1", (1920, 1080), True, (1920, 1080)),
        ((720, 576), "64/45", (1024, 576), True, (1024, 576)),
        ((720, 576), "64/45", (1920, 1080), True, (1920, 1080)),
        ((720, 576), "16/15", (768, 576), True, (768, 576)),
        ((720, 480), "8/9", (640, 640), True, (640, 480)),
        ((3, 3), "1", (1, 5), True, (2, 2)),
    ],
)
def test_a_picture_keeps_its_shape_inside_of_both_sides(
    source: tuple[int, int],
    aspect: str,
    frame: tuple[int, int],
    even: bool,
    expected: tuple[int, int],
) -> None:
    """Both sides are a frame: the picture fits inside, with square pixels, on whole pixels."""
    request = SizeRequest(width=frame[0], height=frame[1])
    size = output_size(request, source, even=(even, even), aspect=Fraction(aspect))
    assert size == expected


def test_a_turned_picture_fits_as_it_is_shown() -> None:
    """The frame is that of the upright picture, so a stored picture that lies fits standing."""
    request = SizeRequest(width=1080, height=1920)
    assert output_size(request, (640, 360), rotation=90) == (1920, 1080)
    assert output_size(request, (640, 360)) == (1080, 608)


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("720p", (640, 360), (1280, 720)),
        ("1080p", (640, 360), (1920, 1080)),
        ("1080P", (360, 640), (1080, 1920)),
        ("1080p", (640, 480), (1440, 1080)),
        ("1080p", (1280, 536), (1920, 804)),
        ("1440p", (640, 360), (2560, 1440)),
        ("480p", (1920, 1080), (854, 480)),
        ("4k", (1920, 1080), (3840, 2160)),
        ("4K UHD", (1080, 1920), (2160, 3840)),
        ("8k", (1920, 1080), (7680, 4320)),
        ("hd720", (640, 360), (1280, 720)),
        ("2x", (640, 360), (1280, 720)),
        ("x2", (640, 360), (1280, 720)),
        ("3.5x", (640, 360), (2240, 1260)),
        ("7/2x", (640, 360), (2240, 1260)),
        ("2", (640, 360), (1280, 720)),
        ("0.5", (640, 360), (320, 180)),
        ("320x320", (640, 360), (320, 180)),
    ],
)
def test_sizes_have_names(name: str, source: tuple[int, int], expected: tuple[int, int]) -> None:
    """A name is a frame of 16 to 9, upright for an upright picture; 2x and 2 are factors."""
    assert output_size(read_size(name, "--size"), source, even=(True, True)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1920*1080", "Did you mean 1920x1080?"),
        ("1920:1080", "Did you mean 1920x1080?"),
        ("1920 1080", "Did you mean 1920x1080?"),
        ("1920,1080", "Did you mean 1920x1080?"),
        ("1080i", "Did you mean 1080p?"),
        ("1080", "Write 1080p for a height, or both sides"),
        ("3,5", "Did you mean 3.5x?"),
        ("2,5x", "Did you mean 2.5x?"),
        ("big", "Write 1080p, 4k, 2x or 1920x1080."),
        ("", "Write 1080p, 4k, 2x or 1920x1080."),
        ("0x", "must be greater than 0"),
        ("1/0x", "is no number"),
        ("9" * 50, "is no number"),
        ("9" * 50 + "x", "is no number"),
        ("9" * 50 + "p", "is no size"),
    ],
)
def test_slips_of_a_size_bring_what_was_meant(text: str, words: str) -> None:
    """What is no size is refused with the size that it resembles, or with what can be written."""
    with pytest.raises(UsageError) as caught:
        read_size(text, "--size")
    assert words in str(caught.value)
