"""The line of strengths between two packaged sets of weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vinr_cli.errors import UsageError
from vinr_cli.weights.deblock import (
    AS_IT_IS,
    STRONGEST,
    WEAKEST,
    plain_of,
    require_strength,
    strength_for,
)
from vinr_cli.weights.load import load_model, move_along
from vinr_cli.weights.records import RECORDS

SPANS = {"h264": (10, 40), "vp9": (20, 200), "mpeg2video": (-5, 20), "mpeg4": (-5, 20)}
"""Quantizers that are fine, and coarse ones."""


@pytest.mark.parametrize("codec", SPANS)
def test_coarser_is_never_weaker(codec: str) -> None:
    """From fine to coarse the strength goes from 0.5 to 1.75, never down, in steps of 0.05."""
    fine, coarse = SPANS[codec]
    found = [strength_for(codec, fine + (coarse - fine) * k / 200) for k in range(201)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (WEAKEST, STRONGEST)
    assert all(value == round(round(value * 20) / 20, 2) for value in found)
    assert len(set(found)) == 26


def test_the_same_size_is_not_cleaned() -> None:
    """Where the size stays, a coarse source gets the weights as they are, a fine one still less."""
    assert strength_for("h264", 45, same_size=True) == AS_IT_IS
    assert strength_for("h264", 10, same_size=True) == WEAKEST


def test_an_unknown_codec_changes_nothing() -> None:
    """A codec whose unit is not known gets the weights as they are."""
    assert strength_for("hevc", 51) == AS_IT_IS


def test_both_ends_of_a_line_fit_together() -> None:
    """What a record names as its plain set is packaged, and has the same network."""
    lines = [(record.name, record.plain) for record in RECORDS if record.plain]
    assert lines
    assert plain_of("default") == "clean"
    for name, plain in lines:
        assert plain_of(plain) is None
        assert load_model(name).config == load_model(plain).config


def weights(name: str, deblock: float | None = None) -> dict[str, Tensor]:
    state = load_model(name, deblock=deblock).state_dict()
    return {key: value for key, value in state.items() if value.is_floating_point()}


def test_places_on_the_line() -> None:
    """0 is the plain set to the bit, 1 the file, 1.75 three quarters of the way beyond it."""
    plain, video = weights("clean"), weights("video")
    for strength in (0.0, 0.5, 1.0, 1.75):
        found = weights("video", deblock=strength)
        for key, value in found.items():
            wanted = plain[key] + strength * (video[key] - plain[key])
            assert torch.allclose(value, wanted, rtol=1e-6, atol=1e-6), key
        variances = [value for key, value in found.items() if key.endswith("running_var")]
        assert variances
        assert all((value > 0).all() for value in variances)
    nothing = weights("video", deblock=0)
    assert all(torch.equal(nothing[key], plain[key]) for key in plain)
    assert any(not torch.equal(video[key], plain[key]) for key in plain)


def test_a_moved_network_answers_otherwise() -> None:
    """Weights that were used before are not remembered: colours change with the strength."""
    network, frames = load_model("video"), torch.rand(1, 2, 3, 16, 16)
    with torch.inference_mode():
        before = network(frames, 0.5, (32, 32))
        move_along(network, load_model("clean"), 0.0)
        after = network(frames, 0.5, (32, 32))
        assert torch.equal(after, load_model("clean")(frames, 0.5, (32, 32)))
    assert not torch.equal(after, before)


@pytest.mark.parametrize(
    ("name", "strength", "words"),
    [
        ("video", 1.8, "from 0 to 1.75, not 1.8"),
        ("default", -0.1, "from 0 to 1.75, not -0.1"),
        ("video", float("nan"), "from 0 to 1.75, not nan"),
        ("clean", 1.0, "means nothing to the model clean"),
    ],
)
def test_strengths_that_are_not_there(name: str, strength: float, words: str) -> None:
    """A strength outside of the line, or of a model without one, is refused, and says why."""
    with pytest.raises(UsageError, match=words):
        require_strength(name, strength)
    with pytest.raises(UsageError, match=words):
        load_model(name, deblock=strength)


def test_a_file_has_one_strength(tiny: Path) -> None:
    """A weights file of somebody's own has no line, and is loaded as it is."""
    assert plain_of(str(tiny)) is None
    require_strength(str(tiny), None)
    with pytest.raises(UsageError, match="means nothing to the model"):
        load_model(tiny, deblock=1.0)
