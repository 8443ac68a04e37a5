"""A clip to measure with: a moving test pattern, made by ffmpeg."""

import subprocess
from pathlib import Path

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions

RATE = 25
"""Frames per second."""

TIME_LIMIT = 300
"""Seconds that ffmpeg may take."""


def make_test_clip(path: Path, *, frames: int, size: tuple[int, int]) -> None:
    """Write an H.264 clip without sound.

    Args:
        path: The file.
        frames: Its length.
        size: (width, height) in pixels.

    Raises:
        EncoderError: ffmpeg is missing, fails, or takes too long.
    """
    picture = f"testsrc2=size={size[0]}x{size[1]}:rate={RATE}"
    command = [str(find_ffmpeg(EncodeOptions())), "-nostdin", "-y", "-loglevel", "error"]
    command += ["-f", "lavfi", "-i", picture, "-frames:v", str(frames), "-pix_fmt", "yuv420p"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIME_LIMIT)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        raise EncoderError(
            "ffmpeg", f"no test clip: {''.join(said)}", "See `vinr bench --help` for the sizes."
        ) from error
