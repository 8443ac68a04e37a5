#!/usr/bin/env bash
# Expected: a GIF made at 60 fps is read back as about 60 fps, and 120 frames come out as 120.
# Happens: GIF counts in 1/100 s, so the steps are 20, 10, 20, 20, 10 ms ... FFmpeg and PyAV take
#   the shortest step for the rate and report 100 fps. Turned into a format of constant rate (y4m,
#   raw frames through a pipe) 120 frames become 200: of three pictures two are shown twice. At 30
#   fps the report is 100/3, and a GIF made at 120 fps lasts 2.4 s instead of 2.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), PyAV 18.1.0 (FFmpeg 8.1.2).
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
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *args]
    return subprocess.run(command, check=True, capture_output=True).stdout


found = {}
for rate in (30, 50, 60, 120):
    ffmpeg("-f", "lavfi", "-i", f"testsrc=s=64x64:r={rate}", "-t", "2", "a.gif")
    with av.open("a.gif") as file:
        times = [frame.pts for frame in file.decode(video=0)]  # hundredths of a second
        report = str(file.streams.video[0].average_rate)
        seconds = file.duration / 1_000_000
    piped = len(ffmpeg("-i", "a.gif", "-f", "rawvideo", "-pix_fmt", "gray", "-")) // (64 * 64)
    found[rate] = len(times), report, seconds, piped
    steps = [10 * (b - a) for a, b in zip(times, times[1:])]
    print(f"made at {rate} fps: {len(times)} frames, reported {report} fps, {seconds} s, "
          f"steps {steps[:6]} ms, through a pipe {piped} frames")
if found != {
    30: (60, "100/3", 2.0, 60),
    50: (100, "50", 2.0, 100),
    60: (120, "100", 2.0, 200),
    120: (240, "100", 2.4, 240),
}:
    sys.exit("changed: rate or frame count of a GIF")
print("as documented")
PY
