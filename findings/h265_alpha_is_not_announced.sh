#!/usr/bin/env bash
# Expected: what FFmpeg says of a stream's pixel format is what its frames have; and FFmpeg's
#   libraries in PyAV decode what the ffmpeg program decodes.
# Happens: H.265 that libx265 made of yuva420p frames (alpha as a second layer) is announced as
#   plain yuv420p by both. The frames of the ffmpeg program are yuva420p with the right alpha;
#   those of PyAV, whose FFmpeg is one release older, have none. A program that plans by the
#   announced format drops the transparency. FFV1 is announced and decoded as yuva420p.
# Versions: FFmpeg 9.0.2 with x265 (imageio-ffmpeg 0.8.1), PyAV 18.1.0 (FFmpeg 8.1.2).
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
print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-hide_banner", *args]
    return subprocess.run(command, check=True, capture_output=True).stdout


def log(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", *args, "-f", "null", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


found = {}
for codec in ("libx265", "ffv1"):
    # Plain grey of alpha 77.
    ffmpeg("-f", "lavfi", "-i", "color=c=gray:s=64x64:r=24,format=yuva420p,lutyuv=a=77",
           "-frames:v", "3", "-c:v", codec, "alpha.mkv")
    seen = log("-i", "alpha.mkv", "-vf", "showinfo")
    stream = re.search(r"Stream #0.*Video: .*?(yuva?420p)", seen)[1]
    frames = set(re.findall(r" fmt:(\S+)", seen))
    raw = ffmpeg("-v", "error", "-i", "alpha.mkv", "-pix_fmt", "yuva420p", "-f", "rawvideo", "-")
    with av.open("alpha.mkv") as file:
        pyav_stream = file.streams.video[0].format.name
        pyav_frames = {frame.format.name for frame in file.decode(video=0)}
    found[codec] = (stream, frames, raw[-1], pyav_stream, pyav_frames)
    print(f"{codec}: FFmpeg announces {stream}, decodes {frames}, alpha {raw[-1]}; "
          f"PyAV announces {pyav_stream}, decodes {pyav_frames}")
whole = ("yuva420p", {"yuva420p"}, 77, "yuva420p", {"yuva420p"})
if found["ffv1"] != whole:
    sys.exit("changed: FFV1 no longer carries alpha as it did")
if found["libx265"] != ("yuv420p", {"yuva420p"}, 77, "yuv420p", {"yuv420p"}):
    sys.exit("changed: how alpha in H.265 is announced or decoded")
print("as documented")
PY
