#!/usr/bin/env bash
# Expected: 10-bit video that passes an FFmpeg filter stays at 10 bits, or the log says that it
#   does not.
# Happens: minterpolate, nlmeans, eq, drawbox, overlay, mpdecimate, fieldmatch and others take 8
#   bits only. FFmpeg inserts a conversion before them and says nothing at the default log level.
#   Close relatives keep the depth (framerate, hqdn3d, hue, pad, yadif), so a guess by kind is
#   wrong too.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq imageio-ffmpeg==0.8.1
venv/bin/python - <<'PY'
import re
import subprocess
import sys

import imageio_ffmpeg

print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
EIGHT = [
    "minterpolate=fps=50", "nlmeans", "eq=contrast=1.1", "drawbox", "mpdecimate", "fieldmatch",
    "pullup", "perspective", "vignette", "delogo=x=2:y=2:w=4:h=4",
]
DEEP = ["framerate=50", "hqdn3d", "hue=h=10", "pad=80:80", "yadif", "unsharp", "fade=in:0:5"]
OVERLAY = "null[v];color=s=8x8[small];[v][small]overlay=shortest=1"


def depth_after(chain):
    """Pixel formats that leave the filter, and what the log says about a conversion."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-f", "lavfi", "-i"]
    command += ["testsrc2=s=64x64:r=25:d=0.4,format=yuv420p10le"]
    command += ["-filter_complex", f"[0:v]{chain},showinfo", "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    said = [line for line in log.splitlines() if re.search(r"convert|depth|8[- ]bits?\b", line)]
    return set(re.findall(r" fmt:(\S+)", log)), said


wrong = []
for chain in [*EIGHT, OVERLAY, *DEEP]:
    formats, said = depth_after(chain)
    name = "overlay" if chain == OVERLAY else chain.split("=")[0]
    print(f"{name:>13}: yuv420p10le -> {', '.join(formats)}")
    want = {"yuv420p10le"} if chain in DEEP else {"yuva420p"} if chain == OVERLAY else {"yuv420p"}
    if formats != want or said:
        wrong.append(name)
if wrong:
    sys.exit(f"changed: depth or log of {', '.join(wrong)}")
print("as documented")
PY
