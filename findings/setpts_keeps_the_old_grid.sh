#!/usr/bin/env bash
# Expected: setpts=PTS*1.25 on 30 fps video, written to MP4 (which can hold any frame times),
#   shows each frame for 41.7 ms.
# Happens: the encoder's time base is still 1/30 s, so the new times are rounded to the old grid:
#   33.3, 66.7, 33.3, 33.3 ms, a visible stutter, with no message and with no frame lost.
#   -fps_mode vfr or passthrough change nothing. -enc_time_base filter (or an fps filter after
#   setpts) does.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), read back by PyAV 18.1.0.
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
print("PyAV", av.__version__)


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "warning", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


ffmpeg("-f", "lavfi", "-i", "testsrc=s=96x64:r=30,format=yuv420p", "-frames:v", "9",
       "-c:v", "libx264", "in.mp4")


def slowed(*options):
    """Milliseconds between the frames of a 30 fps clip slowed to 24, and the log."""
    log = ffmpeg("-i", "in.mp4", "-vf", "setpts=PTS*1.25", *options, "-c:v", "libx264", "out.mp4")
    with av.open("out.mp4") as file:
        times = [frame.pts * frame.time_base for frame in file.decode(video=0)]
    steps = [round(float(b - a) * 1000, 1) for a, b in zip(times, times[1:])]
    print(f"{' '.join(options) or 'setpts alone':>24}:", *steps)
    return steps, log


uneven = [33.3, 66.7, 33.3, 33.3, 33.3, 66.7, 33.3, 33.3]
ok = slowed() == (uneven, "")
ok &= slowed("-fps_mode", "vfr") == (uneven, "")
ok &= slowed("-fps_mode", "passthrough") == (uneven, "")
ok &= slowed("-enc_time_base", "filter")[0] == [41.7] * 8
if not ok:
    sys.exit("changed: times after setpts are no longer rounded to the old rate")
print("as documented")
PY
