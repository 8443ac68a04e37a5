"""Whether a file's sound can be decoded, from start to end."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from vinr_cli.errors import InputError, VerificationError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, AnyPacket, words_of
from vinr_cli.media.base.opening import open_input

_EDGE = Fraction(1, 2)
"""Seconds before a kept span whose packets may reach into it."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A packet of sound that cannot be decoded.

    Attributes:
        track: Which of the file's sound tracks, from 1.
        time: When it would be heard, in seconds; None if the file does not say.
        words: The library's own words.
    """

    track: int
    time: Fraction | None
    words: str

    def __str__(self) -> str:
        """For people."""
        where = "somewhere" if self.time is None else f"at {float(self.time):.3f} s"
        return f"sound track {self.track} cannot be decoded {where}: {self.words}"


def find_damage(path: Path) -> tuple[Damage, ...]:
    """Decode every sound track of a file from start to end.

    Tracks of which there is no decoder are left out: nobody could say whether they are whole.

    Args:
        path: The file.

    Returns:
        What cannot be decoded, in the file's order; a track with packets that gives no sound at
        all counts once.

    Raises:
        InputError, av.error.FFmpegError, OSError: the file cannot be opened or read on.
    """
    with open_input(path) as container:
        numbers = {s.index: k for k, s in enumerate(container.streams.audio, 1) if _decodable(s)}
        return _decode(container, numbers) if numbers else ()


def check_sound(
    path: Path, source: Path | None, kept_span: tuple[Fraction, Fraction | None] | None = None
) -> str:
    """Demand that the sound of a finished file can be decoded wherever its source's can.

    Args:
        path: The finished file.
        source: The file that its sound is from; None if there is none.
        kept_span: Times of the source, in seconds, from and until which its sound was used; None
            for all.

    Returns:
        What is damaged in the source already, for people; empty if nothing is.

    Raises:
        VerificationError: there is more damage than in the source, or the file cannot be read.
    """
    try:
        found = find_damage(path)
    except (InputError, *LIBRARY_ERRORS) as error:
        raise VerificationError(path, f"cannot be read back: {words_of(error)}") from error
    before = () if source is None else _damage_before(source, kept_span)
    if len(found) > len(before):
        raise VerificationError(path, str(found[0]))
    if not before:
        return ""
    more = f", nor at {len(before) - 1} more places" if len(before) > 1 else ""
    kept = "it was copied as it is" if found else "what can be decoded of it was kept"
    return f"the source's {before[0]}{more}; {kept}"


def _damage_before(
    source: Path, span: tuple[Fraction, Fraction | None] | None
) -> tuple[Damage, ...]:
    """What of a source's sound cannot be decoded, as far as it was used and can be read."""
    try:
        found = find_damage(source)
    except (InputError, *LIBRARY_ERRORS):
        return ()
    return tuple(d for d in found if span is None or d.time is None or _within(d.time, span))


def _within(time: Fraction, span: tuple[Fraction, Fraction | None]) -> bool:
    return span[0] - _EDGE <= time and (span[1] is None or time < span[1])


def _decodable(stream: AudioStream) -> bool:
    return stream.codec_context is not None


def _decode(container: InputContainer, numbers: dict[int, int]) -> tuple[Damage, ...]:
    """Decode the tracks with these indices, whose numbers for people are given."""
    found: list[Damage] = []
    heard = dict.fromkeys(numbers, 0)
    silent = dict.fromkeys(numbers, 0)
    for packet in container.demux([s for s in container.streams.audio if s.index in numbers]):
        index = packet.stream.index
        try:
            frames = packet.decode()
            heard[index] += sum(f.samples for f in frames if isinstance(f, AudioFrame))
        except av.error.EOFError:
            continue  # flushed twice
        except LIBRARY_ERRORS as error:
            found.append(Damage(numbers[index], _time(packet), words_of(error)))
        silent[index] += packet.size > 0
    dumb = [index for index, packets in silent.items() if packets and not heard[index]]
    told = {damage.track for damage in found}
    found += [Damage(numbers[i], None, "it gives no sound") for i in dumb if numbers[i] not in told]
    return tuple(found)


def _time(packet: AnyPacket) -> Fraction | None:
    if packet.pts is None or packet.time_base is None:
        return None
    return packet.pts * packet.time_base
