#!/usr/bin/env bash
# Expected: a Matroska file made at 60000/1001 fps says 60000/1001, as one at 24000/1001 or
#   30000/1001 says its own rate.
# Happens: Matroska stores a frame's duration in whole nanoseconds, and FFmpeg turns that back
#   into a fraction: 60000/1001 is read as 19001/317, 48000/1001 as 7001/146, 120000/1001 as
#   29011/242. The odd rate goes on into what is made of the file: an MP4 gets a time base of
#   1/19001, so it cannot be joined without loss with an MP4 of the original rate. Code that
#   compares rates as fractions must allow for this.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), read by PyAV 18.1.0 (FFmpeg 8.1.2).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1
venv/bin/python - <<'PY'
import subprocess
import sys

import av
import imageio_ffmpeg

print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)


def ffmpeg(*args):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *args], check=True)


def rate_and_base(name):
    with av.open(name) as file:
        stream = file.streams.video[0]
        return str(stream.average_rate), str(stream.time_base)


found = {}
for rate in ("24000/1001", "30000/1001", "48000/1001", "60000/1001", "120000/1001"):
    ffmpeg("-f", "lavfi", "-i", f"testsrc=s=96x64:r={rate},format=yuv420p", "-frames:v", "120",
           "-c:v", "libx264", "a.mkv")
    ffmpeg("-i", "a.mkv", "-c:v", "libx264", "b.mp4")
    found[rate] = rate_and_base("a.mkv")[0], *rate_and_base("b.mp4")
    print(f"{rate:>11}: Matroska {found[rate][0]}; MP4 made of it {found[rate][1]}, "
          f"time base {found[rate][2]}")
if found != {
    "24000/1001": ("24000/1001", "24000/1001", "1/24000"),
    "30000/1001": ("30000/1001", "30000/1001", "1/30000"),
    "48000/1001": ("7001/146", "7001/146", "1/14002"),
    "60000/1001": ("19001/317", "19001/317", "1/19001"),
    "120000/1001": ("29011/242", "29011/242", "1/29011"),
}:
    sys.exit("changed: how the rate of a Matroska file is read")
print("as documented")
PY
