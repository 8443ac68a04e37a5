"""Untrusted files: what they claim costs nothing, and what they name is not read."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from vinr_cli.errors import InputError
from vinr_cli.media.read.describe import probe

Make = Callable[..., Path]

CLAIM = """
import resource, sys
from pathlib import Path
from vinr_cli.errors import InputError
from vinr_cli.media.read.describe import probe
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    probe(Path(sys.argv[1]))
except InputError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def picture(path: Path, width: int, height: int) -> Path:
    """A PNG of some hundred bytes that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("side", [12_000, 30_000, 100_000])
def test_a_claimed_size_allocates_nothing(
    tmp_path: Path, environment: dict[str, str], side: int
) -> None:
    """A file of 100 bytes that says 100000x100000 is refused, with less than 50 MB of memory."""
    path = picture(tmp_path / "big.png", side, side)
    told = subprocess.run(
        [sys.executable, "-c", CLAIM, str(path)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 0 <= int(told.stdout) < 50_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile {0}\n"),
        ("list.txt", "ffconcat version 1.0\nfile '{0}'\n"),
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n"),
        ("stream.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
    ],
)
@pytest.mark.parametrize("target", ["beside", "absolute", "network"])
def test_lists_are_not_followed(make: Make, name: str, text: str, target: str) -> None:
    """Playlists and scripts that name other files or addresses are refused, whatever they name."""
    video = make("v.mp4", "-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x48")
    places = {"beside": "v.mp4", "absolute": str(video), "network": "http://127.0.0.1:9/v.mp4"}
    path = video.with_name(name)
    path.write_text(text.format(places[target]))
    with pytest.raises(InputError):
        probe(path)


def test_an_address_is_no_file() -> None:
    """An input that is an address is looked for as a file, and not there."""
    with pytest.raises(InputError, match="no such file"):
        probe(Path("http://127.0.0.1:9/v.mp4"))
