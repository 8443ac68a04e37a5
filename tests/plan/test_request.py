from fractions import Fraction
from typing import Any

import pytest

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import Fit, RateKind, RateRequest, SizeRequest
from vinr_cli.plan.request import settle_request

SAME_RATE = RateRequest(RateKind.MULTIPLY, Fraction(1))


def test_no_wish_means_both_doubled() -> None:
    """Whoever asks for neither a size nor a rate gets scale 2 and twice the frames."""
    expected = SizeRequest(scale=Fraction(2)), RateRequest(RateKind.MULTIPLY, Fraction(2))
    assert settle_request() == expected


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"scale": Fraction(3)}, (SizeRequest(scale=Fraction(3)), SAME_RATE)),
        ({"size": SizeRequest(width=64, height=48)}, (SizeRequest(width=64, height=48), SAME_RATE)),
        ({"size": SizeRequest(scale=Fraction(3))}, (SizeRequest(scale=Fraction(3)), SAME_RATE)),
        (
            {"size": SizeRequest(width=64, height=48), "fit": Fit.STRETCH},
            (SizeRequest(width=64, height=48, fit=Fit.STRETCH), SAME_RATE),
        ),
        (
            {"width": 64, "height": 48, "fit": Fit.KEEP},
            (SizeRequest(width=64, height=48), SAME_RATE),
        ),
        ({"width": 64}, (SizeRequest(width=64), SAME_RATE)),
        ({"width": 64, "height": 48}, (SizeRequest(width=64, height=48), SAME_RATE)),
        ({"fps": Fraction(60)}, (SizeRequest(), RateRequest(RateKind.TARGET, Fraction(60)))),
        (
            {"slowmo": Fraction(4), "height": 48},
            (SizeRequest(height=48), RateRequest(RateKind.SLOW_MOTION, Fraction(4))),
        ),
        (
            {"fps_mult": Fraction(5, 2)},
            (SizeRequest(), RateRequest(RateKind.MULTIPLY, Fraction(5, 2))),
        ),
    ],
)
def test_what_is_not_wished_stays(
    wishes: dict[str, Any], expected: tuple[SizeRequest, RateRequest]
) -> None:
    """A wish for a size keeps the rate, and a wish for a rate keeps the size."""
    assert settle_request(**wishes) == expected


@pytest.mark.parametrize(
    ("wishes", "names"),
    [
        ({"scale": Fraction(2), "size": SizeRequest(width=4, height=4)}, "--scale and --size"),
        ({"scale": Fraction(2), "width": 4}, "--scale and --width"),
        ({"scale": Fraction(2), "height": 4}, "--scale and --height"),
        ({"size": SizeRequest(width=4, height=4), "height": 4}, "--size and --height"),
        ({"fps": Fraction(2), "fps_mult": Fraction(2)}, "--fps-mult and --fps"),
        ({"fps": Fraction(2), "slowmo": Fraction(2)}, "--fps and --slowmo"),
        ({"fps_mult": Fraction(2), "slowmo": Fraction(2)}, "--fps-mult and --slowmo"),
    ],
)
def test_contradictions_are_refused(wishes: dict[str, Any], names: str) -> None:
    """Two wishes that exclude each other raise UsageError naming both."""
    with pytest.raises(UsageError, match=f"{names}: exclude each other"):
        settle_request(**wishes)


@pytest.mark.parametrize("wishes", [{}, {"scale": Fraction(2)}, {"width": 64}, {"height": 64}])
def test_a_fit_needs_both_sides(wishes: dict[str, Any]) -> None:
    """What becomes of another shape means nothing where no shape is asked for."""
    with pytest.raises(UsageError, match="--fit stretch: means nothing"):
        settle_request(**wishes, fit=Fit.STRETCH)
