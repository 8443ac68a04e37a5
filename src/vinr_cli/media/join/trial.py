"""One frame through a settled encoder, where its table cannot promise that it works."""

import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, words_of
from vinr_cli.media.base.codecs import CODECS
from vinr_cli.media.base.complaints import reason_of
from vinr_cli.media.base.opening import codec_name, open_input
from vinr_cli.media.base.pixel_formats import pixel_format
from vinr_cli.media.join.decisions import holds
from vinr_cli.media.write.encoders import Encoder

LARGE_SIDE = 4096
"""Pixels of a side up to which every encoder of the table goes."""
_SECONDS = 120
"""A frame of the largest size takes seconds."""


def needs_trial(encoder: Encoder, size: tuple[int, int], extra: tuple[str, ...]) -> bool:
    """Whether something is asked of an encoder that only it can judge.

    Args:
        encoder: The settled encoder.
        size: (width, height) that is encoded.
        extra: The user's own arguments.
    """
    return bool(extra) or encoder.name not in CODECS or max(size) > LARGE_SIDE


def try_encoder(
    encoder: Encoder, size: tuple[int, int], *, rate: Fraction | None, extra: tuple[str, ...]
) -> None:
    """Encode one gray frame as the film will be, and see whether the target's format holds it.

    Args:
        encoder: The settled encoder.
        size: (width, height) that is encoded.
        rate: Output frames per second if constant, else None.
        extra: The user's own arguments, for the message.

    Raises:
        EncoderError: The encoder refuses, with ffmpeg's reason.
        UsageError: The target's format cannot hold what it makes, or it has another size.
    """
    with tempfile.TemporaryDirectory(prefix="vinr-") as folder:
        part = Path(folder) / "part"
        _encode(encoder, size, rate, extra, part)
        if encoder.container.alone:
            return
        try:
            with open_input(part) as container:
                (stream,) = container.streams.video
                name, fits = codec_name(stream), holds(encoder.container, stream)
                made = (stream.codec_context.width, stream.codec_context.height)
        except (*LIBRARY_ERRORS, ValueError) as error:
            cause = f"makes what cannot be read: {words_of(error)}"
            raise EncoderError(encoder.encoder, cause, "Choose another --codec.") from error
    if made != size:
        cause = f"makes frames of {made[0]}x{made[1]} instead of {size[0]}x{size[1]}"
        raise UsageError("--ffmpeg-args", cause, "--size and --scale choose the size.")
    if not fits:
        fix = "Choose another --codec, or another format; mkv holds nearly every one."
        raise UsageError(encoder.name, f"makes {name}, which {encoder.container} cannot hold", fix)


def _encode(
    encoder: Encoder,
    size: tuple[int, int],
    rate: Fraction | None,
    extra: tuple[str, ...],
    part: Path,
) -> None:
    """Run ffmpeg on one frame.

    Raises:
        EncoderError: It fails.
    """
    width, height = size
    frame = f"color=gray:s={width}x{height}:r={rate or 25},trim=end_frame=1"
    source = f"{frame},format={pixel_format(encoder.color)}"
    command = [str(encoder.ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    command += [*encoder.setup, "-f", "lavfi", "-i", source, "-frames:v", "1"]
    command += ["-vf", encoder.upload or "null", "-c:v", encoder.encoder]
    command += [] if encoder.upload else ["-pix_fmt", encoder.pix_fmt]
    command += [*encoder.arguments, "-f", encoder.part_format, str(part)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderError(encoder.ffmpeg, f"cannot be run: {words_of(error)}") from error
    if done.returncode or not part.is_file():
        words = reason_of(done.stderr.decode(errors="replace")) or "without a word"
        fix = "Change --ffmpeg-args." if extra else "Choose another --codec, or another size."
        raise EncoderError(encoder.encoder, f"refuses {width}x{height}: {words}", fix)
