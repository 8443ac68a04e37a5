"""Single pictures to files."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vinr_cli.errors import EncoderError, OutputError


def png_of(picture: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3), RGB, as the bytes of a PNG file.

    Raises:
        EncoderError: this PyAV cannot write PNG.
    """
    codec = CodecContext.create("png", "w")
    if not isinstance(codec, VideoCodecContext):
        raise EncoderError("png", "this PyAV cannot write PNG")
    codec.height, codec.width = picture.shape[:2]
    codec.pix_fmt = "rgb24"
    codec.framerate = Fraction(1)
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture as PNG.

    Args:
        path: The file; replaced if it exists.
        picture: (H, W, 3), RGB.

    Raises:
        EncoderError: this PyAV cannot write PNG.
        OutputError: the file cannot be written.
    """
    try:
        path.write_bytes(png_of(picture))
    except OSError as error:
        raise OutputError(path, f"cannot be written: {error.strerror}") from error
