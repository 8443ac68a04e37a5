"""Tracks that a container cannot hold as they are, re-encoded by ffmpeg into scratch files."""

import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from av.audio.frame import AudioFrame
from av.container import InputContainer

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, reading, url, words_of
from vinr_cli.media.base.containers import Conversion
from vinr_cli.media.base.limits import input_arguments
from vinr_cli.media.base.opening import open_input

_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 80_000}
"""Bit rates, per channel and second, at which these codecs are taken as transparent."""
_SLOWEST_TEMPO = Fraction(1, 2)
"""One atempo filter goes down to half the tempo; more of them go further."""
_FASTEST_TEMPO = Fraction(2)
"""Above this atempo leaves samples out instead of blending them."""

_SPARE_SECONDS = 2
"""Silence behind sound that is stretched; atempo keeps a few windows of a 24th of a second."""


def convert_audio(
    ffmpeg: Path,
    source: Path,
    index: int,
    target: Path,
    *,
    conversion: Conversion,
    channels: int,
    stretch: Fraction,
    start: Fraction | None,
    end: Fraction | None,
    lead: Fraction = Fraction(0),
) -> None:
    """Re-encode one sound track; the result starts at time zero and has no gaps.

    A stretched track lasts as long as it should, to a sample: atempo keeps its last window for
    itself, so silence is put behind the sound for it to keep, and what comes out is cut. Within
    the track a sound is as much off as atempo's windows make it: up to 13 ms of the source's time.

    Args:
        ffmpeg: The binary.
        source: The file.
        index: The track's stream index in it.
        target: Scratch file to write.
        conversion: What it becomes.
        channels: Channels of the track, for the bit rate.
        stretch: How many times as long the sound becomes, at its own pitch.
        start: First time to keep, in seconds on the source's clock; None from the beginning.
        end: First time to drop again; None to the end.
        lead: Seconds of silence to put before the sound; how much of its beginning to leave out
            if negative.

    Raises:
        EncoderError: If ffmpeg fails, with its own last words, or if there is no sound.
    """
    filters = []
    if start is not None or end is not None:
        bounds = [f"start={float(start):.6f}"] if start is not None else []
        bounds += [f"end={float(end):.6f}"] if end is not None else []
        filters.append(f"atrim={':'.join(bounds)}")
    filters += ["asetpts=PTS-STARTPTS", "aresample=async=1"]
    if stretch != 1:
        length = stretch * sound_length(source, index, start, end)
        filters += [f"apad=pad_dur={_SPARE_SECONDS}"]
        filters += [f"atempo={float(tempo):.9f}" for tempo in tempo_steps(1 / stretch)]
        filters += [f"atrim=end={float(length):.6f}"]
    if lead < 0:
        filters += [f"atrim=start={float(-lead):.6f}", "asetpts=PTS-STARTPTS"]
    elif lead > 0:
        filters += [f"adelay=delays={float(1000 * lead):.6f}:all=1"]
    codec = conversion.codec
    encode = ["-af", ",".join(filters), "-c:a", codec]
    if codec in _BITS_PER_CHANNEL:
        encode += ["-b:a", str(_BITS_PER_CHANNEL[codec] * max(channels, 1))]
    _run(ffmpeg, source, index, [*encode, "-f", conversion.scratch], target)


def sound_length(
    source: Path, index: int, start: Fraction | None, end: Fraction | None
) -> Fraction:
    """Seconds from the first decoded sample of a sound track to the end of the last.

    Headers may say anything, so the track is decoded; damaged packets count as the gap they leave.

    Args:
        source: The file.
        index: The track's stream index in it.
        start: First time that counts, in seconds on the source's clock; None from the beginning.
        end: First time that does not count any more; None to the end.

    Raises:
        EncoderError: If no sound is there.
    """
    first: Fraction | None = None
    last = Fraction(0)
    with reading(source), open_input(source) as container:
        for frame in _heard(container, index):
            time, length = frame
            first = time if first is None else min(first, time)
            last = max(last, time + length)
    if first is None:
        raise EncoderError(source, f"stream {index}: has no sound that can be decoded")
    first = first if start is None else max(first, start)
    last = last if end is None else min(last, end)
    if last <= first:
        raise EncoderError(source, f"stream {index}: has no sound in the chosen range")
    return last - first


def _heard(container: InputContainer, index: int) -> Iterator[tuple[Fraction, Fraction]]:
    """(start, length) of each decoded frame of a sound track that has a time, in seconds."""
    for packet in container.demux(container.streams[index]):
        try:
            frames = packet.decode()
        except LIBRARY_ERRORS:
            continue
        for frame in frames:
            if isinstance(frame, AudioFrame) and frame.pts is not None and frame.time_base:
                yield frame.pts * frame.time_base, Fraction(frame.samples, frame.sample_rate)


def convert_subtitle(
    ffmpeg: Path, source: Path, index: int, target: Path, *, conversion: Conversion
) -> None:
    """Turn one text subtitle track into another text format, at its own times.

    Raises:
        EncoderError: If ffmpeg fails, as it does for pictures as subtitles.
    """
    _run(ffmpeg, source, index, ["-c:s", conversion.codec, "-f", conversion.scratch], target)


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
    command += [*input_arguments(), "-i", url(source), "-map", f"0:{index}"]
    command += ["-map_metadata", "-1", "-map_chapters", "-1", *arguments, url(target)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise EncoderError(ffmpeg, f"cannot be run: {words_of(error)}") from error
    if done.returncode or not target.exists():
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(source, f"stream {index}: {words[-1] if words else 'ffmpeg failed'}")
