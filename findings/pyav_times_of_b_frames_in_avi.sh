#!/usr/bin/env bash
# Expected: frames come from PyAV's decode() in display order, so their pts grow.
# Happens: for H.264 with B-frames in AVI the order of the pictures is right and the pts are not:
#   1, 3, 4, 2, 6, 7, 5 ... AVI stores no display times; a packet's number is taken for its pts
#   and handed on to another picture. To sort by pts, or to drop what "goes back", damages good
#   video. The ffmpeg program, on the same file, numbers them evenly.
# Versions: PyAV 18.1.0 (FFmpeg 8.1.2), FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
venv/bin/python - <<'PY'
import re
import subprocess
import sys

import av
import imageio_ffmpeg

print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-hide_banner", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


# 12 frames at 25 fps; the luma of frame N is 16 + 16 N.
source = "nullsrc=s=64x64:r=25,trim=end_frame=12,geq=lum=16+16*N:cb=128:cr=128,format=yuv420p"
ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libx264", "-qp", "4", "-bf", "2", "a.avi")
with av.open("a.avi") as file:
    frames = list(file.decode(video=0))
order = [round((frame.to_ndarray()[:64].mean() - 16) / 16) for frame in frames]
times = [frame.pts for frame in frames]
log = ffmpeg("-i", "a.avi", "-vf", "showinfo", "-f", "null", "-")
program = [int(pts) for pts in re.findall(r"\] n: .*? pts: *(\d+)", log)]
print("pictures in PyAV's order:", *order)
print("their pts in PyAV:       ", *times)
print("pts in the ffmpeg program:", *program)
if order != list(range(12)):
    sys.exit("changed: the order in which PyAV gives the pictures")
if times == sorted(times) or [b - a for a, b in zip(program, program[1:])] != [1] * 11:
    sys.exit("changed: the times of B-frames in AVI")
print("as documented")
PY
