"""Sound that cannot be decoded, in a finished file and in its source."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from vinr_cli.errors import VerificationError
from vinr_cli.media.join.sound import check_sound, find_damage

RATE = 48000


def write_sound(path: Path, codec: str = "aac", tracks: int = 1) -> Path:
    """Two seconds of noise."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 2 * RATE)).astype(np.float32)
    with av.open(path, "w") as container:
        streams = [cast(Any, container.add_stream(codec, rate=RATE)) for _ in range(tracks)]
        for stream in streams:
            stream.layout = "mono"
        for start in range(0, noise.shape[1] - 1023, 1024):
            for stream in streams:
                block = noise[:, start : start + 1024]
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return path


def blank(path: Path, number: int, track: int = 0) -> Fraction:
    """Make zeros of a packet; returns its time."""
    with av.open(path) as container:
        packets = [p for p in container.demux(audio=track) if p.size]
        packet = packets[number]
        place, size, time = packet.pos, packet.size, (packet.pts or 0) * packet.time_base
    data = bytearray(path.read_bytes())
    assert place is not None
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    return time


def test_whole_sound_has_no_damage(tmp_path: Path) -> None:
    """Every packet of two whole tracks is decoded."""
    path = write_sound(tmp_path / "a.mp4", tracks=2)
    assert find_damage(path) == ()
    assert check_sound(path, path) == ""


def test_a_damaged_packet_is_named(tmp_path: Path) -> None:
    """The track and the time of a packet that cannot be decoded are told."""
    path = write_sound(tmp_path / "a.mp4", tracks=2)
    time = blank(path, 40, track=1)
    (damage,) = find_damage(path)
    assert (damage.track, damage.time) == (2, time)
    assert str(damage).startswith(f"sound track 2 cannot be decoded at {float(time):.3f} s")


def test_damage_of_the_source_is_told(tmp_path: Path) -> None:
    """What the source has damaged too is told and is no failure; nor is what it alone has."""
    path, whole = write_sound(tmp_path / "a.mp4"), write_sound(tmp_path / "b.mp4")
    blank(path, 40)
    assert check_sound(path, path).endswith("it was copied as it is")
    assert "what can be decoded of it was kept" in check_sound(whole, path)
    assert check_sound(whole, path, (Fraction(1, 2), Fraction(3, 4))) == ""


@pytest.mark.parametrize("source", [True, False])
def test_new_damage_is_a_failure(tmp_path: Path, source: bool) -> None:
    """A packet that was whole in the source, or has none, must be whole in the finished file."""
    path, whole = write_sound(tmp_path / "a.mp4"), write_sound(tmp_path / "b.mp4")
    blank(path, 40)
    with pytest.raises(VerificationError, match=r"sound track 1 cannot be decoded at 0\.8"):
        check_sound(path, whole if source else None)


def test_a_file_that_cannot_be_opened_is_a_failure(tmp_path: Path) -> None:
    """Half a finished file fails the check with a message."""
    path = write_sound(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(VerificationError, match="cannot be read back"):
        check_sound(path, None)


@pytest.mark.parametrize(("suffix", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus"),
                                               ("wav", "pcm_s16le"), ("mkv", "flac")])  # fmt: skip
def test_other_codecs(tmp_path: Path, suffix: str, codec: str) -> None:
    """Whole tracks of other codecs have no damage."""
    if codec not in av.codecs_available:
        pytest.skip(f"no {codec} here")
    path = tmp_path / f"a.{suffix}"
    with av.open(write_sound(tmp_path / "a.mp4")) as source, av.open(path, "w") as target:
        stream = cast(Any, target.add_stream(codec, rate=RATE, layout="mono"))
        form = stream.codec_context.codec.audio_formats[0]
        resampler = av.AudioResampler(form, "mono", RATE, 0 if codec == "pcm_s16le" else None)
        for frame in source.decode(audio=0):
            for piece in resampler.resample(frame):
                target.mux(stream.encode(piece))
        target.mux(stream.encode())
    assert find_damage(path) == ()
