#!/usr/bin/env bash
# Expected: 4:2:0 video turned into RGB at its own size has its chroma interpolated, and by the
#   kernel that flags= names (bicubic unless something else is asked for).
# Happens: without a change of size swscale repeats each chroma sample twice: bicubic, lanczos and
#   neighbor give the same bytes. Interpolation needs both full_chroma_int and accurate_rnd.
#   PyAV's to_ndarray(format="rgb24") repeats likewise, so blocky chroma is what a network or a
#   metric is fed.
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

# Grey luma; Cr steps from 128 to 200 in the middle.
cr = np.full((32, 32), 128, np.uint8)
cr[:, 16:] = 200
planes = np.concatenate([np.full(64 * 64 + 32 * 32, 128, np.uint8), cr.ravel()])
picture = planes.reshape(96, 64)


def red_row(flags):
    """The red channel across the step, from the ffmpeg program."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "rawvideo"]
    command += ["-pix_fmt", "yuv420p", "-s", "64x64", "-i", "-", "-vf", f"scale=flags={flags}"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, input=picture.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(64, 64, 3)[10, 26:38, 0].tolist()


full = "bicubic+full_chroma_int+accurate_rnd"
rows = {flags: red_row(flags) for flags in ("bicubic", "lanczos", "neighbor", full)}
frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
rows["PyAV"] = frame.to_ndarray(format="rgb24")[10, 26:38, 0].tolist()
for name, row in rows.items():
    print(f"{name:>37}", *row)
blocky = [rows[name] for name in ("bicubic", "lanczos", "neighbor", "PyAV")]
if any(row != [130] * 6 + [244] * 6 for row in blocky) or len(set(rows[full])) < 6:
    sys.exit("changed: which flags interpolate chroma at equal size")
print("as documented")
PY
