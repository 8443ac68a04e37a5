"""A finished film to an animation, or to raw pictures."""

import subprocess
from pathlib import Path

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.borders import url, words_of

_GRAPH = "split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=sierra2_4a"
"""One palette for the whole film, from what moves in it, and error diffusion with it."""


WEBP_QUALITY = 90
"""libwebp's 0 to 100; 75, its own default, shows blocks in flat parts."""


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
    _render(ffmpeg, film, target, ["-filter_complex", _GRAPH, "-loop", "0", "-f", "gif"])


def write_webp(ffmpeg: Path, film: Path, target: Path) -> None:
    """Make an endless animated WebP of a film's pictures, as they are stored.

    libwebp merges neighbours that look the same and stores what changes. Times are rounded to 1 ms.

    Args:
        ffmpeg: The binary.
        film: A video file of BT.601 in studio range, 4:2:0, which is what WebP holds.
        target: The WebP file; replaced if it exists.

    Raises:
        EncoderError: If ffmpeg fails, with its own last words.
    """
    encode = ["-c:v", "libwebp_anim", "-quality", str(WEBP_QUALITY), "-loop", "0", "-f", "webp"]
    _render(ffmpeg, film, target, ["-map", "0:v", *encode])


def write_y4m(ffmpeg: Path, film: Path, target: Path) -> None:
    """Write a film's pictures uncompressed, with its constant rate (YUV4MPEG2).

    Args:
        ffmpeg: The binary.
        film: A video file of a constant rate.
        target: The y4m file; replaced if it exists.

    Raises:
        EncoderError: If ffmpeg fails, with its own last words.
    """
    deep = ["-strict", "-1"]  # more than 8 bits are an extension that all readers in use know
    _render(ffmpeg, film, target, ["-map", "0:v", *deep, "-f", "yuv4mpegpipe"])


def _render(ffmpeg: Path, film: Path, target: Path, arguments: list[str]) -> None:
    """Run ffmpeg on a film, with its frames and times as they are."""
    command = [str(ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    command += ["-noautorotate", "-i", url(film), "-fps_mode", "passthrough", *arguments]
    command.append(url(target))
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise EncoderError(ffmpeg, f"cannot be run: {words_of(error)}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(target, f"cannot be made: {words[-1] if words else 'ffmpeg failed'}")
