#!/usr/bin/env bash
# Expected: add_stream(..., options={"crff": "10"}) fails, or warns, as the ffmpeg program does
#   ("Unrecognized option", exit status 8).
# Happens: nothing is said, and x264 encodes with its defaults, as the settings that it writes
#   into the stream show; so it does with {"prest": "slow"}, or with an option of another encoder.
#   A slip in a name, or an option that a build of the encoder lacks, shows only in the result.
#   (Of options of the container PyAV does say "Some options were not used".)
# Versions: PyAV 18.1.0 (FFmpeg 8.1.2), FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
venv/bin/python - <<'PY'
import logging
import re
import subprocess
import sys
import warnings
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
warnings.simplefilter("error")
av.logging.set_level(av.logging.WARNING)
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger().addHandler(handler)


def settings(options):
    """What x264 says in the stream of how it was set up."""
    with av.open("out.h264", "w") as file:
        stream = file.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), format="yuv420p")
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return re.search(rb"options: ([^\0]*)", Path("out.h264").read_bytes())[1].decode()


plain = settings({})
found = []
for name, value in (
    ("crf", "10"), ("preset", "slow"), ("crff", "10"), ("prest", "slow"), ("cpu-used", "8"),
):
    text = settings({name: value})
    found.append(text == plain)
    crf, subme = (re.search(f"{key}=[0-9.]+", text)[0] for key in ("crf", "subme"))
    print(f"{name}={value}: {crf} {subme},", "the defaults" if found[-1] else "as asked")
print("logged or warned:", said or "nothing")
command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "color=s=64x64:d=1"]
command += ["-c:v", "libx264", "-crff", "10", "-f", "null", "-"]
program = subprocess.run(command, capture_output=True, text=True)
print("ffmpeg -crff 10: exit status", program.returncode, program.stderr.splitlines()[0])
if found != [False, False, True, True, True] or said or program.returncode == 0:
    sys.exit("changed: PyAV reacts to unknown encoder options")
print("as documented")
PY
