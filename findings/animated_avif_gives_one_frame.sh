#!/usr/bin/env bash
# Expected: an animated AVIF that FFmpeg (or Pillow) wrote, given back to FFmpeg, is an animation,
#   as GIF and APNG are.
# Happens: such a file holds two video streams: a still picture (the file's poster) and the track
#   with the animation. FFmpeg takes the still, so the output has one frame, exit status 0; so
#   does PyAV's decode(video=0). The animation is -map 0:v:1. Pillow reads all ten frames.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), PyAV 18.1.0 (FFmpeg 8.1.2), Pillow 13.0.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1 pillow==13.0.0
venv/bin/python - <<'PY'
import subprocess
import sys

import av
import imageio_ffmpeg
import PIL
from PIL import Image

print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
print("Pillow", PIL.__version__)


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def count(name, *selection):
    lines = ffmpeg("-i", name, *selection, "-f", "framemd5", "-").splitlines()
    return sum(not line.startswith("#") for line in lines)


clip = ["-f", "lavfi", "-i", "testsrc=s=64x64:r=10", "-frames:v", "10"]
for name in ("ffmpeg.gif", "ffmpeg.apng", "ffmpeg.avif"):
    ffmpeg(*clip, name)
pictures = [Image.new("RGB", (64, 64), (25 * k, 0, 0)) for k in range(10)]
pictures[0].save("pillow.avif", save_all=True, append_images=pictures[1:], duration=100)

found = {}
for name in ("ffmpeg.gif", "ffmpeg.apng", "ffmpeg.avif", "pillow.avif"):
    with av.open(name) as file:
        pyav = sum(1 for _ in file.decode(video=0))
        streams = len(file.streams.video)
    last = count(name, "-map", f"0:v:{streams - 1}")
    found[name] = count(name), pyav, streams, last, Image.open(name).n_frames
    print(f"{name}: FFmpeg {found[name][0]}, PyAV {pyav}, {streams} video streams, "
          f"the last has {last}; Pillow {found[name][4]}")
if found != {
    "ffmpeg.gif": (10, 10, 1, 10, 10),
    "ffmpeg.apng": (10, 10, 1, 10, 10),
    "ffmpeg.avif": (1, 1, 2, 10, 10),
    "pillow.avif": (1, 1, 2, 10, 10),
}:
    sys.exit("changed: which stream of an animated AVIF is taken")
print("as documented")
PY
