import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.errors import InputError
from vinr_cli.media.read.exif import orientation_of
from vinr_cli.media.read.sources import probe_source, read_source
from vinr_cli.media.read.stills import decode, look

Make = Callable[..., Path]


def block(value: int, order: str = ">") -> bytes:
    """A TIFF structure of two entries, the second of which is the orientation."""
    magic = b"MM\0*" if order == ">" else b"II*\0"
    entries = struct.pack(f"{order}HHIHH", 0x0100, 3, 1, 96, 0)
    entries += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    return magic + struct.pack(f"{order}IH", 8, 2) + entries + bytes(4)


def marked(path: Path, value: int) -> Path:
    """Put an orientation into a JPEG or a PNG."""
    data = path.read_bytes()
    if path.suffix == ".jpg":
        body = b"Exif\0\0" + block(value)
        path.write_bytes(data[:2] + struct.pack(">HH", 0xFFE1, len(body) + 2) + body + data[2:])
        return path
    body = b"eXIf" + block(value)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data[:33] + chunk + data[33:])
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_every_file_has_its_place(order: str, value: int) -> None:
    """The orientation is found in JPEG, PNG, WebP and TIFF, of either byte order."""
    exif = block(value, order)
    app1 = b"\xff\xe0\0\x04JF" + struct.pack(">HH", 0xFFE1, len(exif) + 8) + b"Exif\0\0" + exif
    files = {
        "mjpeg": b"\xff\xd8" + app1 + b"\xff\xda",
        "png": bytes(8) + struct.pack(">I4s", 2, b"tEXt") + b"ab" + bytes(4)
        + struct.pack(">I4s", len(exif), b"eXIf") + exif + bytes(4),
        "webp": b"RIFF\0\0\0\0WEBP" + struct.pack("<4sI", b"VP8X", 3) + bytes(4)
        + struct.pack("<4sI", b"EXIF", len(exif)) + exif,
        "tiff": exif,
    }  # fmt: skip
    found = {orientation_of(data, codec) for codec, data in files.items()}
    assert len(found) == 1
    degrees, mirrored = found.pop()
    assert mirrored == (value in (2, 4, 5, 7))
    assert (degrees % 180 == 90) == (value > 4)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", block(9), block(6)[:15], b"MM\0*\xff\xff\xff\xff"]
)
def test_nonsense_is_upright(data: bytes) -> None:
    """What breaks off or says nothing known leaves a picture as it is."""
    for codec in ("mjpeg", "png", "webp", "tiff", "bmp"):
        assert orientation_of(data, codec) == (0, False)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("value", range(1, 9))
def test_pictures_are_read_for_their_orientation(
    make: Make, tmp_path: Path, value: int, suffix: str
) -> None:
    """Reading and turning as described shows what the orientation means, mirrored ones too."""
    (tmp_path / "in").mkdir()
    source = ("-f", "lavfi", "-i", "testsrc=s=48x32:r=5:d=0.2", "-pix_fmt")
    pix_fmt = "yuvj444p" if suffix == ".jpg" else "rgb24"
    path = make(f"in/f1{suffix}", *source, pix_fmt, "-frames:v", "1")
    plain = decode(path, look(path).codec).frame.to_ndarray(format="gray")
    marked(path, value)
    media = probe_source(tmp_path / "in")
    with read_source(media) as reader:
        luma = next(iter(reader)).planes[0]
    shown = np.rot90(luma, -media.video.rotation // 90)
    # Where row 0 and column 0 of the file are in the picture: Exif 2.3, table of tag 0x0112.
    expected = {
        1: plain, 2: plain[:, ::-1], 3: plain[::-1, ::-1], 4: plain[::-1],
        5: plain.T, 6: plain.T[:, ::-1], 7: plain.T[::-1, ::-1], 8: plain.T[::-1],
    }[value]  # fmt: skip
    if suffix == ".jpg":
        np.testing.assert_array_equal(shown, expected)
        return
    assert shown.shape == expected.shape
    rgb = decode(path, "png").frame.to_ndarray(format="rgb24")[..., 0]
    turned = {
        1: rgb, 2: rgb[:, ::-1], 3: rgb[::-1, ::-1], 4: rgb[::-1],
        5: rgb.T, 6: rgb.T[:, ::-1], 7: rgb.T[::-1, ::-1], 8: rgb.T[::-1],
    }[value]  # fmt: skip
    np.testing.assert_array_equal(shown, turned)


def test_two_ways_are_refused(make: Make, tmp_path: Path) -> None:
    """Pictures that are to be turned in different ways are refused by name."""
    (tmp_path / "in").mkdir()
    make("in/f%d.jpg", "-f", "lavfi", "-i", "testsrc=s=48x32:r=5:d=0.4")
    marked(tmp_path / "in" / "f2.jpg", 6)
    media = probe_source(tmp_path / "in")
    with (
        read_source(media) as reader,
        pytest.raises(InputError, match=r"f2\.jpg: is marked to be turned another way"),
    ):
        list(reader)
