"""Animated pictures: a finished film to a GIF."""

import subprocess
from pathlib import Path

from vinr_cli.errors import EncoderError
from vinr_cli.media.borders import url, words_of

_GRAPH = "split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=sierra2_4a"
"""One palette for the whole film, from what moves in it, and error diffusion with it."""


def write_gif(ffmpeg: Path, film: Path, target: Path) -> None:
    """Make an endless GIF of a film's pictures, as they are stored.

    The palette needs all frames before the first is written, so ffmpeg holds the film in memory.

    Args:
        ffmpeg: The binary.
        film: A video file.
        target: The GIF; replaced if it exists. Times are rounded to 10 ms.

    Raises:
        EncoderError: If ffmpeg fails, with its own last words.
    """
    command = [str(ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    command += ["-noautorotate", "-i", url(film), "-filter_complex", _GRAPH]
    command += ["-fps_mode", "passthrough", "-loop", "0", "-f", "gif", url(target)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise EncoderError(ffmpeg, f"cannot be run: {words_of(error)}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(target, f"no GIF was made: {words[-1] if words else 'ffmpeg failed'}")
