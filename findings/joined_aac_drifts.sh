#!/usr/bin/env bash
# Expected: ten MP4 files of one second, joined by the concat demuxer with -c copy, decode to ten
#   seconds of sound: each file alone decodes to exactly one second.
# Happens: each piece brings its encoder's delay and padding along, and the joined file can hide
#   them only at its own start. Its sound decodes to 10.24 s, though the packet times say 10.02 s:
#   at each joint it falls 24 ms further behind the picture. (FFmpeg warns of "non-monotonic DTS",
#   not of longer sound.) Decoding the same list without the copy gives exactly ten seconds.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq imageio-ffmpeg==0.8.1
venv/bin/python - <<'PY'
import array
import subprocess
import sys

import imageio_ffmpeg

print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *args]
    return subprocess.run(command, check=True, capture_output=True).stdout


def sound(*source):
    '''Seconds of sound, and the times of the clicks.'''
    samples = array.array("h", ffmpeg(*source, "-map", "0:a", "-f", "s16le", "-"))
    clicks = []
    for index, value in enumerate(samples):
        if abs(value) > 8000 and (not clicks or index - clicks[-1] > 4800):
            clicks.append(index)
    return len(samples) / 48000, [round(index / 48000, 2) for index in clicks]


click = "aevalsrc='if(between(t,0.5,0.505),0.9*sin(2*PI*2000*t),0)':s=48000:d=1"
ffmpeg("-f", "lavfi", "-i", click, "-f", "lavfi", "-i", "color=s=64x64:r=25:d=1",
       "-c:a", "aac", "-c:v", "libx264", "-bf", "0", "one.mp4")
with open("list.txt", "w") as file:
    file.write("file one.mp4\n" * 10)
ffmpeg("-f", "concat", "-i", "list.txt", "-c", "copy", "joined.mp4")

one = sound("-i", "one.mp4")
joined = sound("-i", "joined.mp4")
decoded = sound("-f", "concat", "-i", "list.txt")
for name, (seconds, clicks) in (("one", one), ("joined", joined), ("list, decoded", decoded)):
    print(f"{name}: {seconds:.4f} s, clicks at", *clicks)
if one != (1.0, [0.5]) or decoded != (10.0, [k + 0.5 for k in range(10)]):
    sys.exit("changed: what a single piece decodes to")
if joined[0] < 10.2 or joined[1][-1] < 9.7:
    sys.exit("changed: joined AAC no longer grows at each joint")
print("as documented")
PY
