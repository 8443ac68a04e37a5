"""Clips for the benchmarks: a moving pattern with sound, made by ffmpeg."""

import subprocess
from fractions import Fraction
from pathlib import Path

from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions


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
