from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vinr_cli.color.spec import Chroma, Matrix, Siting
from vinr_cli.media.base.containers import container_named
from vinr_cli.media.read.describe import probe
from vinr_cli.media.write.colour_words import (
    colour_changes,
    matrix_guess,
    read_colours,
    written_colours,
)
from vinr_cli.media.write.encoders import choose
from vinr_cli.plan.job import EncodeOptions

Make = Callable[..., Path]


def test_a_guess_is_called_one(clip: Make) -> None:
    """An untagged matrix is named with the rule that chose it; a tagged one is not a guess."""
    video = probe(clip("a.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p")).video
    assert matrix_guess(video.color, 719) == "bt601 (untagged, fewer than 720 lines)"
    assert matrix_guess(video.color, 720).endswith("720 lines or more)")
    assert read_colours(video.pix_fmt, video.color, 48).startswith("yuv420p, bt601 (untagged, ")
    tagged = replace(video, color=replace(video.color, tagged_matrix="bt709"))
    assert matrix_guess(tagged.color, 48) == ""
    assert (
        read_colours(tagged.pix_fmt, tagged.color, 48)
        == "yuv420p, bt709, studio range, 8 bit, chroma left"
    )
    gray = replace(video, color=replace(video.color, chroma=Chroma.GRAY))
    assert matrix_guess(gray.color, 48) == ""


def test_changes_are_those_of_the_samples(clip: Make) -> None:
    """Every difference of layout, depth, matrix, range and siting is named, and nothing else."""
    given = probe(clip("a.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p")).video.color
    encoder = choose(EncodeOptions("h264"), container_named("mp4"), given)
    assert colour_changes(given, encoder) == []
    other = replace(
        given, chroma=Chroma.C444, depth=10, matrix=Matrix.BT709, full_range=True,
        siting=Siting.CENTER, transfer="bt709",
    )  # fmt: skip
    assert colour_changes(other, encoder) == [
        "layout 444 to 420", "bits 10 to 8", "matrix bt709 to bt601", "range full to studio",
        "chroma whole to left",
    ]  # fmt: skip
    assert written_colours(replace(encoder, color=other)) == (
        "yuv420p, bt709, full range, 10 bit, chroma whole, transfer bt709, tagged bt709/bt709/bt709"
    )


def test_a_palette_is_told(clip: Make) -> None:
    """A GIF's colours are those of its palette, not of the film that it is made of."""
    given = probe(clip("a.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p")).video.color
    encoder = choose(EncodeOptions(), container_named("gif"), given)
    assert written_colours(encoder) == "one palette of 256 colours, error diffusion"
    assert colour_changes(given, encoder) == ["in one palette of 256 colours"]
