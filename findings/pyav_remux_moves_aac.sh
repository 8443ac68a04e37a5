#!/usr/bin/env bash
# Expected: packets copied from MP4 to Matroska with PyAV (add_stream_from_template, mux) decode
#   to the same samples, as with ffmpeg -c copy.
# Happens: the copied AAC decodes to 1,024 samples more: the encoder's delay, which MP4 marks to
#   be skipped, is sound now, and the picture begins 21 ms late to keep step. ffmpeg -c copy
#   writes Matroska's CodecDelay and gives the same 48,000 samples, bit for bit. MP4 to MP4 is
#   right with both.
# Versions: PyAV 18.1.0 (FFmpeg 8.1.2), FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1), which decodes.
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

print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def ffmpeg(*args):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *args]
    return subprocess.run(command, check=True, capture_output=True).stdout


def remux(source, target):
    with av.open(source) as old, av.open(target, "w") as new:
        streams = {s.index: new.add_stream_from_template(s) for s in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def samples(name):
    return ffmpeg("-i", name, "-map", "0:a", "-f", "s16le", "-")


def picture_start(name):
    with av.open(name) as file:
        stream = file.streams.video[0]
        return round(float(next(file.decode(stream)).pts * stream.time_base) * 1000)


ffmpeg("-f", "lavfi", "-i", "sine=r=48000:d=1", "-f", "lavfi", "-i", "testsrc=s=64x64:r=24:d=1",
       "-c:a", "aac", "-c:v", "libx264", "-bf", "0", "a.mp4")
truth = samples("a.mp4")
found = {}
for kind in ("mp4", "mkv"):
    remux("a.mp4", f"pyav.{kind}")
    ffmpeg("-i", "a.mp4", "-c", "copy", f"program.{kind}")
    for maker in ("pyav", "program"):
        name = f"{maker}.{kind}"
        data = samples(name)
        found[name] = len(data) // 2, data == truth, picture_start(name)
        print(f"{name:>11}: {found[name][0]} samples, same {found[name][1]}, "
              f"picture from {found[name][2]} ms")
if found != {
    "pyav.mp4": (48000, True, 0),
    "program.mp4": (48000, True, 0),
    "pyav.mkv": (49152, False, 21),
    "program.mkv": (48000, True, 0),
}:
    sys.exit("changed: what a remux by PyAV does to AAC")
print("as documented")
PY
