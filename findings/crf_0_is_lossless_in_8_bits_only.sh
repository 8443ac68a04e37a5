#!/usr/bin/env bash
# Expected: -crf 0 of libx264 is lossless (it is, in 8 bits), so it is at 10 bits, too; and so is
#   the lowest -crf or -qp of the other encoders.
# Happens: libx264 at 10 bits with -crf 0 is lossy, since its scale goes down to -12 there; -qp 0
#   is lossless. libx265 and libsvtav1 are lossy with either. libvpx-vp9 and libaom-av1 are the
#   other way round: -crf 0 is exact and -qp 0 is not (-qp is not theirs, and nobody says so).
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


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *args]
    return subprocess.run(command, check=True, capture_output=True).stdout


found = {}
for pixels in ("yuv420p", "yuv420p10le"):
    noise = f"testsrc2=s=96x64:r=25,format={pixels},noise=alls=20:allf=t,format={pixels}"
    ffmpeg("-f", "lavfi", "-i", noise, "-frames:v", "4", "-c:v", "ffv1", "in.mkv")
    want = ffmpeg("-i", "in.mkv", "-f", "rawvideo", "-")
    for codec in ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "libaom-av1"):
        exact = []
        for option in ("-crf", "-qp"):
            ffmpeg("-i", "in.mkv", "-c:v", codec, option, "0", "out.mkv")
            exact.append(ffmpeg("-i", "out.mkv", "-f", "rawvideo", "-pix_fmt", pixels, "-") == want)
        found[codec, pixels] = tuple(exact)
        print(f"{codec:>10} {pixels:<11} exact: -crf 0 {exact[0]}, -qp 0 {exact[1]}")
documented = {
    ("libx264", "yuv420p"): (True, True),
    ("libx264", "yuv420p10le"): (False, True),
    **{(codec, p): (False, False) for codec in ("libx265", "libsvtav1")
       for p in ("yuv420p", "yuv420p10le")},
    **{(codec, p): (True, False) for codec in ("libvpx-vp9", "libaom-av1")
       for p in ("yuv420p", "yuv420p10le")},
}
if found != documented:
    sys.exit("changed: which encoder is exact at which setting")
print("as documented")
PY
