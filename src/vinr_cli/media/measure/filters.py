"""Frames through an ffmpeg filter graph: the baselines that results are compared with."""

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vinr_cli.errors import EncoderError


def filter_frames(
    frames: NDArray[np.uint8],
    graph: str,
    *,
    rate: Fraction,
    size: tuple[int, int],
    ffmpeg: Path,
) -> NDArray[np.uint8]:
    """Run frames through a filter graph.

    Args:
        frames: (T, H, W, 3), RGB.
        graph: A simple filter graph (one input, one output).
        rate: Frame rate of the input, in frames per second.
        size: (height, width) that the graph's frames have.
        ffmpeg: The ffmpeg binary.

    Returns:
        (T', height, width, 3), RGB: every frame that the graph gives.

    Raises:
        EncoderError: ffmpeg fails, or gives frames of another size.
    """
    height, width = frames.shape[1:3]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
    source = [*raw, "-video_size", f"{width}x{height}", "-framerate", str(rate), "-i", "pipe:0"]
    target = ["-vf", graph, *raw, "pipe:1"]
    command = [str(ffmpeg), "-hide_banner", "-loglevel", "error", *source, *target]
    done = subprocess.run(command, input=frames.tobytes(), capture_output=True, check=False)
    count, rest = divmod(len(done.stdout), size[0] * size[1] * 3)
    if done.returncode or rest:
        words = done.stderr.decode(errors="replace").strip() or "frames of another size came back"
        raise EncoderError(ffmpeg, f"filter {graph!r} failed ({words})")
    return np.frombuffer(done.stdout, np.uint8).reshape(count, *size, 3)
