#!/usr/bin/env bash
# Expected: FFmpeg decodes HDR10+ (a T.35 message on each frame) as side data of the frame, so a
#   10-bit H.265 source encoded again by x265, or by another encoder of HDR formats, keeps it.
# Happens: of the encoders below libaom-av1 alone writes it. libx265, libx264, libsvtav1,
#   libvpx-vp9 and librav1e drop it from each frame without a message.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), read by PyAV 18.1.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1
venv/bin/python - <<'PY'
import re
import subprocess
import sys

import av
import imageio_ffmpeg

print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
print("PyAV", av.__version__)


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


def message():
    """An H.265 SEI unit with one HDR10+ message (SMPTE ST 2094-40): one window, no curve."""
    fields = [(8, 0xB5), (16, 0x3C), (16, 1), (8, 4), (8, 1)]  # country, provider, ..., version
    fields += [(2, 1), (27, 400), (1, 0)]  # windows, target luminance, no actual peak
    fields += [(17, 5000), (17, 4000), (17, 3000), (17, 1000), (4, 0), (10, 0)]  # max, average
    fields += [(1, 0), (1, 0), (1, 0)]  # no peak, no tone curve, no saturation
    bits = "".join(format(value, f"0{width}b") for width, value in fields)
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    body = bytes([4, len(payload)]) + payload + b"\x80"
    escaped = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", body)
    return b"\0\0\0\1\x4e\1" + escaped


def frames_with_it(name):
    with av.open(name) as file:
        kinds = [{item.type.name for item in f.side_data} for f in file.decode(video=0)]
    return sum("DYNAMIC_HDR_PLUS" in kind for kind in kinds), len(kinds)


ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=24,format=yuv420p10le", "-frames:v", "6",
       "-c:v", "libx265", "-bf", "0", "-x265-params", "log-level=error", "plain.hevc")
with open("plain.hevc", "rb") as file:
    units = re.split(rb"(?=\x00\x00\x00\x01)|(?<!\x00)(?=\x00\x00\x01)", file.read())
with open("in.hevc", "wb") as file:
    for unit in filter(None, units):
        is_picture = unit.lstrip(b"\0")[1] >> 1 < 32
        file.write(message() + unit if is_picture else unit)

found = {"source": frames_with_it("in.hevc")}
for codec in ("libaom-av1", "libx265", "libx264", "libsvtav1", "libvpx-vp9", "librav1e"):
    ffmpeg("-i", "in.hevc", "-c:v", codec, "out.mkv")
    found[codec] = frames_with_it("out.mkv")
for name, (marked, total) in found.items():
    print(f"{name:>11}: HDR10+ on {marked} of {total} frames")
kept = {name for name, (marked, _) in found.items() if marked == 6}
if kept != {"source", "libaom-av1"} or sum(marked for marked, _ in found.values()) != 12:
    sys.exit("changed: which encoders write HDR10+")
print("as documented")
PY
