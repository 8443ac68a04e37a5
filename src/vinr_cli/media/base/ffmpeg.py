"""The ffmpeg binary: where it is, and what it says of itself."""

import os
import re
import subprocess
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.codecs import Codec
from vinr_cli.media.base.complaints import reason_of
from vinr_cli.plan.job import EncodeOptions

FFMPEG_VARIABLE = "VINR_FFMPEG"

_QUERY_SECONDS = 60
"""A working ffmpeg lists its encoders in a fraction of a second."""


def find_ffmpeg(options: EncodeOptions) -> Path:
    """Find the ffmpeg binary: the option, then VINR_FFMPEG, then imageio-ffmpeg's.

    Raises:
        EncoderError: If none is there.
    """
    for given, where in (
        (options.ffmpeg, "--ffmpeg"),
        (os.environ.get(FFMPEG_VARIABLE), FFMPEG_VARIABLE),
    ):
        if not given:
            continue
        path = Path(given)
        if not path.is_file() or not os.access(path, os.X_OK):
            cause = f"{where} names no program that can be run"
            raise EncoderError(path, cause, "Give the path of an ffmpeg binary.")
        return path
    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        fix = f"Install imageio-ffmpeg with its binary, or set {FFMPEG_VARIABLE}."
        raise EncoderError("ffmpeg", "no ffmpeg binary was found", fix) from error


def list_encoders(ffmpeg: Path) -> dict[str, str]:
    """Video encoders of an ffmpeg, each with the canonical name of its codec.

    Raises:
        EncoderError: If the binary does not behave like ffmpeg.
    """
    found = {}
    for line in _ask(ffmpeg, "-encoders").splitlines():
        match = re.match(r"\s*V[A-Z.]{5}\s+(\S+)\s+(.*)", line)
        if match and match[1] != "=":
            codec = re.search(r"\(codec (\S+)\)", match[2])
            found[match[1]] = codec[1] if codec else match[1]
    if not found:
        raise EncoderError(ffmpeg, "does not list any encoder", "Is this an ffmpeg binary?")
    return found


def pixel_formats(ffmpeg: Path, encoder: str) -> tuple[str, ...]:
    """Pixel formats that an encoder takes; empty if it takes any.

    Raises:
        EncoderError: If the binary does not behave like ffmpeg.
    """
    text = _ask(ffmpeg, "-h", f"encoder={encoder}")
    match = re.search(r"Supported pixel formats:\s*(.+)", text)
    return tuple(match[1].split()) if match else ()


def trouble_of(ffmpeg: Path, codec: Codec) -> str:
    """Why an encoder does not encode one small frame; empty if it does."""
    upload = ["-vf", f"format=nv12,{codec.upload}"] if codec.upload else []
    source = ["-f", "lavfi", "-i", "color=s=256x256:d=1:r=1,format=nv12"]
    target = ["-frames:v", "1", "-c:v", codec.encoder, "-f", "null", "-"]
    try:
        return _answer(ffmpeg, "-loglevel", "error", *codec.setup, *source, *upload, *target)[1]
    except EncoderError as error:
        return error.cause


def _ask(ffmpeg: Path, *question: str) -> str:
    """Standard output of an ffmpeg that only prints something."""
    text, trouble = _answer(ffmpeg, *question)
    if trouble:
        raise EncoderError(ffmpeg, f"fails: {trouble}")
    return text


def _answer(ffmpeg: Path, *question: str) -> tuple[str, str]:
    """Standard output of an ffmpeg, and why it fails; empty if it does not."""
    try:
        done = subprocess.run(
            [ffmpeg, "-hide_banner", "-nostdin", *question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QUERY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderError(ffmpeg, f"cannot be run: {error}") from error
    text, words = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    return text, (reason_of(words) or "without a word") if done.returncode else ""
