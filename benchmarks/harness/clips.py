"""Clips of a moving pattern with sound."""

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions

_SD_MATRIX = 6
"""smpte170m, as ITU-T H.273 numbers it."""


def make_clip(path: Path, *, seconds: float, size: tuple[int, int], rate: Fraction) -> Path:
    """Write an H.264 clip with an AAC sine.

    Args:
        path: The file.
        seconds: Its length.
        size: (width, height) in pixels.
        rate: Frames per second.
    """
    picture = f"testsrc2=size={size[0]}x{size[1]}:rate={rate}"
    command = [str(find_ffmpeg(EncodeOptions())), "-nostdin", "-y", "-loglevel", "error"]
    command += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=440"]
    command += ["-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    subprocess.run([*command, str(path)], check=True)
    return path


def write_clip(path: Path, frames: int) -> Path:
    """A moving pattern of 64x48 with a scene cut every 37 frames, and sound."""
    with av.open(path, "w") as container:
        options = {"preset": "ultrafast", "g": "12", "bf": "2"}
        video = cast(Any, container.add_stream("libx264", rate=25, options=options))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.colorspace = _SD_MATRIX
        audio = cast(Any, container.add_stream("aac", rate=48000))
        y, x = np.mgrid[:48, :64]
        for i in range(frames):
            levels = ((x * 3 + y * 2 + i * 5 + i // 37 * 90) % 256).astype(np.uint8)
            picture = np.stack([levels, 255 - levels, levels // 2], -1)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for start in range(0, frames * 1920 - 1024, 1024):
            wave = (np.sin(np.arange(start, start + 1024) * 0.05) * 0.3).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
            container.mux(audio.encode(sound))
        container.mux(audio.encode())
    return path
