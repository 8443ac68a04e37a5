#!/usr/bin/env bash
# Expected: FFmpeg's psnr filter, given one lossless stream in MP4 and the same packets copied to
#   Matroska, says "inf".
# Happens: about 30 dB, and SSIM about 0.97. The filter pairs frames by time. Matroska rounds times
#   to 1 ms, so about half of the frames lie a little before their twin and are compared with the
#   frame before it. At 25 fps (40 ms, exact) the answer is right. Numbering both streams anew
#   (settb and setpts=N) makes it right at any rate.
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

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def ffmpeg(*args):
    command = [FFMPEG, "-y", "-hide_banner", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True)


def digests(name):
    lines = ffmpeg("-i", name, "-f", "framemd5", "-").stdout.splitlines()
    return [line.split()[-1] for line in lines if not line.startswith("#")]


def psnr(before):
    graph = f"[0:v]{before}[a];[1:v]{before}[b];[a][b]psnr"
    log = ffmpeg("-i", "a.mp4", "-i", "a.mkv", "-lavfi", graph, "-f", "null", "-").stderr
    return float(re.search(r"average:(\S+)", log)[1])


found = {}
for rate in ("25", "24", "30000/1001", "60"):
    source = f"testsrc2=s=96x64:r={rate},format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "30", "-c:v", "libx264", "-qp", "0", "a.mp4")
    ffmpeg("-i", "a.mp4", "-c", "copy", "a.mkv")
    same = digests("a.mp4") == digests("a.mkv")
    found[rate] = same, psnr("null"), psnr(f"settb=1/({rate}),setpts=N")
    print(f"{rate:>10} fps: same pictures {same}, psnr {found[rate][1]:.1f} dB, "
          f"numbered anew {found[rate][2]} dB")
inf = float("inf")
if found.pop("25") != (True, inf, inf) or any(
    not same or plain > 40 or anew != inf for same, plain, anew in found.values()
):
    sys.exit("changed: psnr no longer depends on how the container rounds times")
print("as documented")
PY
