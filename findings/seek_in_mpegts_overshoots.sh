#!/usr/bin/env bash
# Expected: container.seek(t) of PyAV lands on a key frame at or before t (it does in MP4 and
#   Matroska), so decoding from there passes t; and frame 0 can always be had.
# Happens: in MPEG-TS the seek goes by decoding times and does not look for key frames. With
#   B-frames the key frame's decoding time lies before its pts, so a seek to the very pts of a key
#   frame lands after it, and the first picture that can be decoded is the next key frame, here
#   one second late. OpenCV meets the same: asked for frame 0 of a fresh TS file it gives frame
#   25.
# Versions: PyAV 18.1.0 (FFmpeg 8.1.2), OpenCV 5.0.0 (FFmpeg's libraries inside).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1 numpy==2.4.6 \
    opencv-python-headless==5.0.0.93
venv/bin/python - <<'PY'
import subprocess
import sys

import av
import cv2
import imageio_ffmpeg

print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info, "OpenCV", cv2.__version__)


def make(name):
    """100 frames at 25 fps, a key frame each 25; the luma of frame N is 16 + 2 N."""
    source = "nullsrc=s=64x64:r=25,trim=end_frame=100,geq=lum=16+N*2:cb=128:cr=128,format=yuv420p"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source,
                    "-c:v", "libx264", "-qp", "1", "-bf", "2", "-g", "25", name], check=True)


def pyav(name, wanted):
    """The first frame that decodes after a seek to each wanted frame's exact time."""
    found = []
    with av.open(name) as file:
        stream = file.streams.video[0]
        times = [frame.pts for frame in file.decode(stream)]
        for number in wanted:
            file.seek(times[number], stream=stream)
            first = next(file.decode(stream), None)
            found.append(first and times.index(first.pts))
    return found


def opencv(name, wanted):
    """The frame that read() gives for each wanted number, by its luma."""
    file, found = cv2.VideoCapture(name), []
    for number in wanted:
        file.set(cv2.CAP_PROP_POS_FRAMES, number)
        _, picture = file.read()
        found.append(round(float(picture[5, 5, 0]) * 219 / 255 / 2))
    return found


found = {}
for name in ("a.mp4", "a.mkv", "a.ts"):
    make(name)
    found[name] = pyav(name, [0, 25, 40, 50]), opencv(name, [0, 50])
    print(f"{name}: wanted 0, 25, 40, 50: PyAV decodes from {found[name][0]}; "
          f"wanted 0, 50: OpenCV gives {found[name][1]}")
if found["a.mp4"] != ([0, 25, 25, 50], [0, 50]) or found["a.mkv"] != ([0, 25, 25, 50], [0, 50]):
    sys.exit("changed: seeking in MP4 or Matroska")
if found["a.ts"][0] != [25, 50, 50, 75] or found["a.ts"][1][0] != 25:
    sys.exit("changed: seeking in MPEG-TS")
print("as documented")
PY
