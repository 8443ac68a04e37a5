#!/usr/bin/env bash
# Expected: full-range 8-bit RGB white (255) becomes white when the depth rises: 65535 in rgb48,
#   1023 in gbrp10, 1.0 in gbrpf32.
# Happens: 65283, 1020 and 0.99615; only the grey formats reach the top. Going back to 8 bits
#   gives 255 again, so a round trip hides it, but arithmetic on the deep samples (1 - x, a
#   threshold at 1.0, a comparison with another library's x / 255) is off by 0.4 %.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), PyAV 18.1.0 (FFmpeg 8.1.2).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
venv/bin/python - <<'PY'
import subprocess
import sys

import av
import imageio_ffmpeg
import numpy as np

print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
WHITE = np.full((64, 64, 3), 255, np.uint8)


def convert(samples, source, target, dtype):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "rawvideo", "-pix_fmt", source]
    command += ["-s", "64x64", "-i", "-", "-f", "rawvideo", "-pix_fmt", target, "-"]
    done = subprocess.run(command, input=samples.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype)


found = {}
for target, dtype, top in (
    ("rgb48le", np.uint16, 65535),
    ("gbrp10le", np.uint16, 1023),
    ("gbrpf32le", np.float32, 1.0),
    ("gray16le", np.uint16, 65535),
):
    deep = convert(WHITE, "rgb24", target, dtype)
    program = round(float(np.unique(deep).item()), 5)
    frame = av.VideoFrame.from_ndarray(WHITE, format="rgb24").reformat(format=target)
    pyav = round(float(np.unique(frame.to_ndarray()).item()), 5)
    back = int(np.unique(convert(deep, target, "rgb24", np.uint8)).item())
    found[target] = program, pyav, back
    print(f"{target:>9}: white is {program:g} (PyAV {pyav:g}) of {top:g}; back in 8 bits {back}")
if found != {
    "rgb48le": (65283, 65283, 255),
    "gbrp10le": (1020, 1020, 255),
    "gbrpf32le": (0.99615, 0.99615, 255),
    "gray16le": (65535, 65535, 255),
}:
    sys.exit("changed: what 8-bit white becomes at a greater depth")
print("as documented")
PY
