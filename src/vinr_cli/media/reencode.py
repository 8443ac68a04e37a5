"""Tracks that a container cannot hold as they are, re-encoded by ffmpeg into scratch files."""

import subprocess
from fractions import Fraction
from pathlib import Path

from vinr_cli.errors import EncoderError
from vinr_cli.media.borders import url, words_of

_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 80_000, "libmp3lame": 128_000, "ac3": 96_000}
"""Bit rates, per channel and second, at which these codecs are taken as transparent."""
_SLOWEST_TEMPO = Fraction(1, 2)
"""One atempo filter goes down to half the tempo; more of them go further."""
_FASTEST_TEMPO = Fraction(2)
"""Above this atempo leaves samples out instead of blending them."""

SUBTITLE_OF = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
"""The text subtitle codec of each container that has one."""
_SUBTITLE_SCRATCH = {"mov_text": "mp4", "subrip": "matroska", "webvtt": "webm"}


def audio_codec(container: str, channels: int) -> str:
    """Ffmpeg's encoder for sound that a container cannot hold as it is."""
    if container == "webm":
        return "libopus"
    if container == "avi":
        return "libmp3lame" if channels <= 2 else "ac3"
    return "aac"


def convert_audio(
    ffmpeg: Path,
    source: Path,
    index: int,
    target: Path,
    *,
    codec: str,
    channels: int,
    stretch: Fraction,
    start: Fraction | None,
    end: Fraction | None,
) -> None:
    """Re-encode one sound track; the result starts at time zero and has no gaps.

    Args:
        ffmpeg: The binary.
        source: The file.
        index: The track's stream index in it.
        target: Scratch file to write, in MP4 format.
        codec: ffmpeg's encoder, see `audio_codec`.
        channels: Channels of the track, for the bit rate.
        stretch: How many times as long the sound becomes, at its own pitch.
        start: First time to keep, in seconds on the source's clock; None from the beginning.
        end: First time to drop again; None to the end.

    Raises:
        EncoderError: If ffmpeg fails, with its own last words.
    """
    filters = []
    if start is not None or end is not None:
        bounds = [f"start={float(start):.6f}"] if start is not None else []
        bounds += [f"end={float(end):.6f}"] if end is not None else []
        filters.append(f"atrim={':'.join(bounds)}")
    filters += ["asetpts=PTS-STARTPTS", "aresample=async=1"]
    filters += [f"atempo={float(tempo):.9f}" for tempo in tempo_steps(1 / stretch)]
    rate = _BITS_PER_CHANNEL[codec] * max(channels, 1)
    encode = ["-af", ",".join(filters), "-c:a", codec, "-b:a", str(rate)]
    _run(ffmpeg, source, index, [*encode, "-f", "mp4"], target)


def convert_subtitle(ffmpeg: Path, source: Path, index: int, target: Path, *, codec: str) -> None:
    """Turn one text subtitle track into another text format, at its own times.

    Raises:
        EncoderError: If ffmpeg fails, as it does for pictures as subtitles.
    """
    _run(ffmpeg, source, index, ["-c:s", codec, "-f", _SUBTITLE_SCRATCH[codec]], target)


def tempo_steps(tempo: Fraction) -> list[Fraction]:
    """Split a tempo into equal-sided steps that one atempo filter can do; empty for tempo 1."""
    steps = []
    while tempo < _SLOWEST_TEMPO:
        steps.append(_SLOWEST_TEMPO)
        tempo /= _SLOWEST_TEMPO
    while tempo > _FASTEST_TEMPO:
        steps.append(_FASTEST_TEMPO)
        tempo /= _FASTEST_TEMPO
    return steps if tempo == 1 else [*steps, tempo]


def _run(ffmpeg: Path, source: Path, index: int, arguments: list[str], target: Path) -> None:
    """Run ffmpeg on one stream of a file, with the file's own clock."""
    command = [str(ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-copyts"]
    command += ["-i", url(source), "-map", f"0:{index}", "-map_metadata", "-1", "-map_chapters"]
    command += ["-1", *arguments, url(target)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise EncoderError(ffmpeg, f"cannot be run: {words_of(error)}") from error
    if done.returncode or not target.exists():
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(source, f"stream {index}: {words[-1] if words else 'ffmpeg failed'}")
