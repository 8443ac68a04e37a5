from collections.abc import Callable
from pathlib import Path

import pytest

from vinr_cli.errors import InputError
from vinr_cli.media.read.stills import Still, decode, look

Make = Callable[..., Path]

KINDS = [
    ("a.png", "rgb24", Still("png", (64, 48), True, 8), "rgb24"),
    ("deep.png", "rgb48be", Still("png", (64, 48), True, 16), "rgb48be"),
    ("gray.png", "gray16be", Still("png", (64, 48), False, 16), "gray16be"),
    ("palette.png", "pal8", Still("png", (64, 48), True, 8), "pal8"),
    ("bits.png", "monob", Still("png", (64, 48), False, 8), "monob"),
    ("a.jpg", "yuvj420p", Still("mjpeg", (64, 48), True, 8), "yuvj420p"),
    ("a.tiff", "rgb24", Still("tiff"), "rgb24"),
    ("deep.tiff", "rgb48le", Still("tiff"), "rgb48le"),
    ("a.bmp", "bgr24", Still("bmp"), "bgr24"),
    ("a.webp", "yuv420p", Still("webp"), "yuv420p"),
    ("a.dpx", "gbrp10le", Still("dpx"), "gbrp10le"),
]


def still(make: Make, name: str, pix_fmt: str) -> Path:
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=1:d=1", "-frames:v", "1")
    return make(name, *source, "-pix_fmt", pix_fmt)


@pytest.mark.parametrize(("name", "pix_fmt", "expected", "decoded"), KINDS)
def test_kinds(make: Make, name: str, pix_fmt: str, expected: Still, decoded: str) -> None:
    """Each kind is known by its first bytes, and decodes to its own samples."""
    path = still(make, name, pix_fmt)
    assert look(path) == expected
    frame = decode(path, expected.codec).frame
    assert (frame.width, frame.height, frame.format.name) == (64, 48, decoded)


def test_gray_jpeg(tmp_path: Path) -> None:
    """A JPEG header of one component, behind other segments and filling bytes, is gray."""
    frame = bytes.fromhex("ffc2000b 08 0030 0040 01 011100")
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0\0\x06JFIF\xff" + frame + bytes(16))
    assert look(path) == Still("mjpeg", (64, 48), False, 8)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tiff", "a.bmp", "a.webp", "a.dpx"])
def test_broken_off(make: Make, name: str) -> None:
    """A picture that breaks off half-way is an error, not a picture with a gray rest."""
    pix_fmt = {kind[0]: kind[1] for kind in KINDS}[name]
    path = still(make, name, pix_fmt)
    codec = look(path).codec
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=name):
        decode(path, codec)


def test_damaged_inside(make: Make) -> None:
    """A PNG with one wrong byte fails its checksum."""
    path = still(make, "a.png", "rgb24")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as a picture"):
        decode(path, "png")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"hello, this is a text", "no picture of a kind"),
        (b"RIFF\0\0\0\0AVI LIST", "no picture of a kind"),
    ],
)
def test_no_picture(tmp_path: Path, content: bytes, cause: str) -> None:
    """What is no picture is refused by its content, whatever its name."""
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=cause):
        look(path)


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"gone\.png: cannot be read"):
        look(tmp_path / "gone.png")


def test_animated_webp(make: Make) -> None:
    """An animated WebP is refused plainly: no decoder at hand reads it."""
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=1")
    path = make("a.webp", *source, "-c:v", "libwebp_anim", "-f", "webp")
    with pytest.raises(InputError, match="animated WebP"):
        look(path)


def test_huge_claim(make: Make) -> None:
    """A small file that claims an enormous picture is refused before memory is asked for."""
    path = still(make, "a.png", "rgb24")
    data = bytearray(path.read_bytes())
    data[16:24] = (100_000).to_bytes(4) + (100_000).to_bytes(4)
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as a picture"):
        decode(path, "png")
