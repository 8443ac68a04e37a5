"""Single pictures to files."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vinr_cli.errors import OutputError


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture as PNG.

    Args:
        path: The file; replaced if it exists.
        picture: (H, W, 3), RGB.

    Raises:
        OutputError: the file cannot be written.
    """
    codec = CodecContext.create("png", "w")
    if not isinstance(codec, VideoCodecContext):
        raise OutputError(path, "this PyAV cannot write PNG")
    codec.height, codec.width = picture.shape[:2]
    codec.pix_fmt = "rgb24"
    codec.framerate = Fraction(1)
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    packets = [*codec.encode(frame), *codec.encode(None)]
    try:
        path.write_bytes(b"".join(bytes(packet) for packet in packets))
    except OSError as error:
        raise OutputError(path, f"cannot be written: {error.strerror}") from error
