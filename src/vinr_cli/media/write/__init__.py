"""Frames to an encoder: which one, with which colours, and its process."""

from typing import TYPE_CHECKING

from vinr_cli.media.lazy import door

if TYPE_CHECKING:
    from vinr_cli.media.write.colour_words import (
        colour_changes,
        matrix_guess,
        read_colours,
        written_colours,
    )
    from vinr_cli.media.write.encoders import Encoder, centred, choose, needs_even
    from vinr_cli.media.write.writer import FrameWriter
else:
    __getattr__ = door(
        __name__,
        colour_words="colour_changes matrix_guess read_colours written_colours",
        encoders="Encoder centred choose needs_even",
        writer="FrameWriter",
    )
