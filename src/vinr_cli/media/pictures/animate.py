"""A finished film to an animation, or to raw pictures."""

import subprocess
from pathlib import Path

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.borders import url, words_of
from vinr_cli.media.base.containers import Container


def render_film(ffmpeg: Path, film: Path, target: Path, container: Container) -> None:
    """Make an endless animation, or raw pictures, of a film's frames as they are stored.

    A palette needs all frames before the first is written, so ffmpeg holds the film in memory then.
    libwebp merges neighbours that look the same and stores what changes.

    Args:
        ffmpeg: The binary.
        film: A video file, of the layout and rate that the format holds.
        target: The file; replaced if it exists.
        container: Its format, a row with `rendering`.

    Raises:
        EncoderError: If ffmpeg fails, with its own last words.
    """
    command = [str(ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    command += ["-noautorotate", "-i", url(film), "-fps_mode", "passthrough"]
    command += [*container.rendering, "-f", container.muxer, url(target)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise EncoderError(ffmpeg, f"cannot be run: {words_of(error)}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(target, f"cannot be made: {words[-1] if words else 'ffmpeg failed'}")
