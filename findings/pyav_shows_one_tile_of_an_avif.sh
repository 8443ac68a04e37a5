#!/usr/bin/env bash
# Expected: av.open() of a still AVIF that is stored as a grid of tiles (large pictures often are)
#   decodes the picture.
# Happens: PyAV lists each tile as a video stream, and decode(video=0) gives the first tile, here
#   a quarter of the picture, without an error. The ffmpeg program and Pillow give the whole. The
#   only sign is the flag "dependent" in each stream's disposition.
# Versions: PyAV 18.1.0 (FFmpeg 8.1.2), FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), Pillow 13.0.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1 pillow==13.0.0
venv/bin/python - <<'PY'
import io
import struct
import subprocess
import sys

import av
import imageio_ffmpeg
import PIL
from PIL import Image

print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version(), "and Pillow", PIL.__version__)


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind, *parts, version=0):
    return box(kind, bytes([version, 0, 0, 0]), *parts)


def coded(colour):
    """AV1 data of a plain 64x64 picture, and its av1C box."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "AVIF")
    data = file.getvalue()
    at = data.index(b"av1C") - 4
    config = data[at : at + struct.unpack(">I", data[at : at + 4])[0]]
    return data[data.index(b"mdat") + 4 :], config


parts = [coded(colour) for colour in ("red", "lime", "blue", "white")]
tiles, config = [data for data, _ in parts], parts[0][1]
grid = struct.pack(">BBBBHH", 0, 0, 1, 1, 128, 128)  # two rows, two columns, 128x128
sizes = [full(b"ispe", struct.pack(">II", side, side)) for side in (128, 64)]
pixels = full(b"pixi", bytes([3, 8, 8, 8]))
links = struct.pack(">IHBBB", 5, 1, 2, 1, 3)  # item 1 has properties 1 and 3
links += b"".join(struct.pack(">HBBBB", k, 3, 2, 3, 0x84) for k in range(2, 6))
items = [full(b"infe", struct.pack(">HH4sx", k, 0, kind), version=2)
         for k, kind in enumerate([b"grid", *[b"av01"] * 4], 1)]


def meta(start):
    """The index of the file; the tiles begin at byte START."""
    where = struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(grid))
    for k, tile in enumerate(tiles):
        where += struct.pack(">HHHHII", k + 2, 0, 0, 1, start, len(tile))
        start += len(tile)
    return full(
        b"meta", full(b"hdlr", struct.pack(">I4s13x", 0, b"pict")), full(b"pitm", b"\0\1"),
        full(b"iloc", b"\x44\0\0\5", where, version=1), full(b"iinf", b"\0\5", *items),
        full(b"iref", box(b"dimg", struct.pack(">6H", 1, 4, 2, 3, 4, 5))),
        box(b"iprp", box(b"ipco", *sizes, pixels, config), full(b"ipma", links)),
        box(b"idat", grid),
    )


brand = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
with open("grid.avif", "wb") as file:
    file.write(brand + meta(len(brand) + len(meta(0)) + 8) + box(b"mdat", *tiles))

subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "grid.avif", "-update", "1",
                "grid.png"], check=True)
with av.open("grid.avif") as file:
    streams = [(s.width, s.height, s.disposition.name) for s in file.streams.video]
    frames = [(frame.width, frame.height) for frame in file.decode(video=0)]
found = Image.open("grid.avif").size, Image.open("grid.png").size, frames
print("Pillow", found[0], "FFmpeg", found[1], "PyAV", *frames, "of streams", *streams)
if found != ((128, 128), (128, 128), [(64, 64)]) or len(streams) != 4:
    sys.exit("changed: what PyAV makes of an AVIF grid")
print("as documented")
PY
