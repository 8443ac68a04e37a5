"""Tempo and codecs of converted tracks."""

from fractions import Fraction
from math import prod

import pytest

from vinr_cli.media.reencode import audio_codec, tempo_steps


@pytest.mark.parametrize(
    "tempo", [Fraction(1, 16), Fraction(1, 3), Fraction(2, 5), Fraction(3, 4), Fraction(5)]
)
def test_tempo_steps_multiply_to_the_tempo(tempo: Fraction) -> None:
    """Any tempo is reached by steps that one atempo filter can do without losing samples."""
    steps = tempo_steps(tempo)

    assert prod(steps) == tempo
    assert all(Fraction(1, 2) <= s <= 2 for s in steps)


def test_tempo_one_needs_no_filter() -> None:
    """Sound at its own tempo passes no filter."""
    assert tempo_steps(Fraction(1)) == []


def test_codecs_suit_their_container() -> None:
    """WebM gets Opus, AVI plain samples, all others AAC."""
    assert [audio_codec(c) for c in ("webm", "avi", "mp4")] == ["libopus", "pcm_s16le", "aac"]
