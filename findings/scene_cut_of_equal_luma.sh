#!/usr/bin/env bash
# Expected: FFmpeg's scene detectors (scdet, and scene in select) see a cut from a red picture to
#   a blue one.
# Happens: in YUV both look at luma alone. A hard cut between two plain colours of equal Y scores
#   0. The same two pictures as RGB score 72 and 1.0. No note in the log says that chroma is
#   ignored.
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


def picture(y, u, v):
    return bytes([y]) * 64 * 64 + bytes([u]) * 32 * 32 + bytes([v]) * 32 * 32


# Five red frames, then five blue ones: the luma is 81 throughout.
clip = picture(81, 90, 240) * 5 + picture(81, 240, 90) * 5


def best(chain, key):
    """The highest score of the ten frames."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-f", "rawvideo", "-pix_fmt", "yuv420p"]
    command += ["-s", "64x64", "-i", "-", "-vf", f"{chain},metadata=print", "-f", "null", "-"]
    log = subprocess.run(command, input=clip, check=True, capture_output=True).stderr.decode()
    return max(float(score) for score in re.findall(rf"{key}=(\S+)", log))


found = {}
for pixels in ("yuv420p", "yuv444p", "gbrp", "rgb24"):
    scdet = best(f"format={pixels},scdet", "lavfi.scd.score")
    scene = best(f"format={pixels},select=gte(scene\\,0)", "lavfi.scene_score")
    found[pixels] = scdet, scene
    print(f"{pixels}: scdet {scdet} of 100, select's scene {scene} of 1")
yuv, rgb = [found["yuv420p"], found["yuv444p"]], [found["gbrp"], found["rgb24"]]
if yuv != [(0, 0)] * 2 or any(scdet < 50 or scene < 0.9 for scdet, scene in rgb):
    sys.exit("changed: what the scene detectors look at")
print("as documented")
PY
