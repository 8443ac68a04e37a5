#!/usr/bin/env bash
# Expected: 30 fps lowered to 10 keeps every third frame: 0, 3, 6, 9 ...; so do -vf fps=10, -r 10
#   and framestep=3.
# Happens: fps=10 gives 1, 4, 7, 10 ...: frames 0 and 1 both round to the first output time and
#   the later one is kept, so each picture is shown 33 ms early and the first is never shown. -r
#   10 gives 0, 1, 2, 5, 8 ...: two frames too many, and the first two steps hold a third of the
#   motion of the others. Only framestep=3 gives 0, 3, 6, 9.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq imageio-ffmpeg==0.8.1
venv/bin/python - <<'PY'
import subprocess
import sys

import imageio_ffmpeg

print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
# One second at 30 fps; the luma of frame N is 8 N.
SOURCE = "nullsrc=s=64x64:r=30,trim=end_frame=30,geq=lum=N*8:cb=128:cr=128"


def kept(*options):
    """Numbers of the source frames that come out."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", SOURCE]
    command += [*options, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    numbers = [luma // 8 for luma in data[:: 64 * 64 * 3 // 2]]
    print(f"{' '.join(options):>15}:", *numbers)
    return numbers


if (
    kept("-vf", "fps=10") != list(range(1, 30, 3))
    or kept("-r", "10") != [0, 1, *range(2, 30, 3)]
    or kept("-vf", "framestep=3") != list(range(0, 30, 3))
):
    sys.exit("changed: which frames are kept when the rate is divided by three")
print("as documented")
PY
