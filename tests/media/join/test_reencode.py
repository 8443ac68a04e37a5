"""Tempo and codecs of converted tracks."""

from collections.abc import Callable
from fractions import Fraction
from math import prod
from pathlib import Path

import pytest

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.containers import AVI, MP4, WEBM, Conversion
from vinr_cli.media.join.reencode import convert_subtitle, tempo_steps


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
    assert [c.sound.codec for c in (WEBM, AVI, MP4)] == ["libopus", "pcm_s16le", "aac"]


@pytest.mark.parametrize("listed", [False, True])
def test_the_binary_does_not_follow_lists(
    ffmpeg: Path, make: Callable[..., Path], tmp_path: Path, listed: bool
) -> None:
    """What converts a track reads a file, and no list that names that very file."""
    text = tmp_path / "in.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    source = make("in.mkv", "-i", str(text))
    if listed:
        source = tmp_path / "in.ffconcat"
        source.write_text("ffconcat version 1.0\nfile in.mkv\n")
    target = tmp_path / "out.vtt"
    if not listed:
        convert_subtitle(ffmpeg, source, 0, target, conversion=Conversion("webvtt", "webm"))
        assert target.stat().st_size > 0
        return
    with pytest.raises(EncoderError, match="Error opening input"):
        convert_subtitle(ffmpeg, source, 0, target, conversion=Conversion("webvtt", "webm"))
    assert not target.exists()
