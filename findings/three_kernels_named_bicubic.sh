#!/usr/bin/env bash
# Expected: "bicubic" enlargement by two gives the same picture in each library, up to rounding.
# Happens: there are three kernels of that name. By their response to one bright column the free
#   parameter a is -0.5 in Pillow and in torch with antialias=True, -0.6 in swscale (FFmpeg, PyAV)
#   and -0.75 in OpenCV and in torch without antialias, although enlarging needs no antialias. One
#   pixel of a sharp edge differs by up to 9 of 255, so a PSNR "over bicubic" must name the
#   library.
# Versions: PyTorch 2.13.0, OpenCV 5.0.0, Pillow 13.0.0, FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq imageio-ffmpeg==0.8.1 numpy==2.4.6 pillow==13.0.0 torch==2.13.0 \
    opencv-python-headless==5.0.0.93
venv/bin/python - <<'PY'
import subprocess
import sys

import cv2
import imageio_ffmpeg
import numpy as np
import PIL
import torch
from PIL import Image

print("PyTorch", torch.__version__, "OpenCV", cv2.__version__, "Pillow", PIL.__version__,
      "FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def swscale(picture):
    """Enlarges in 16-bit grey: 0 is 0.25 of the range and 1 is 0.75, for the overshoot."""
    codes = np.round((picture * 0.5 + 0.25) * 65535).astype(np.uint16)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "rawvideo"]
    command += ["-pix_fmt", "gray16le", "-s", "32x32", "-i", "-"]
    command += ["-vf", "scale=64:64:flags=bicubic", "-f", "rawvideo", "-pix_fmt", "gray16le", "-"]
    done = subprocess.run(command, input=codes.tobytes(), capture_output=True, check=True)
    return (np.frombuffer(done.stdout, np.uint16).reshape(64, 64) / 65535 - 0.25) / 0.5


def pytorch(picture, antialias):
    tensor = torch.from_numpy(picture)[None, None]
    resize = torch.nn.functional.interpolate
    return resize(tensor, size=(64, 64), mode="bicubic", antialias=antialias)[0, 0].numpy()


METHODS = {
    "Pillow": lambda p: np.asarray(Image.fromarray(p).resize((64, 64), Image.BICUBIC)),
    "torch, antialias": lambda p: pytorch(p, True),
    "swscale": swscale,
    "torch": lambda p: pytorch(p, False),
    "OpenCV": lambda p: cv2.resize(p, (64, 64), interpolation=cv2.INTER_CUBIC),
}
column, edge = np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32)
column[:, 16] = 1
edge[:, 16:] = 1
found, edges = {}, {}
for name, enlarge in METHODS.items():
    # Keys' kernel: at a distance of 1.25 pixels its value is a * 9 / 64.
    found[name] = round(float(enlarge(column)[32, 30]) * 64 / 9, 2)
    edges[name] = enlarge(edge)[32] * 255
    print(f"{name:>16}: a = {found[name]}, edge {np.round(edges[name][28:36], 1)}")
spread = max(np.abs(one - two).max() for one in edges.values() for two in edges.values())
print(f"largest difference at the edge: {spread:.1f} of 255")
if list(found.values()) != [-0.5, -0.5, -0.6, -0.75, -0.75]:
    sys.exit("changed: the kernel of a bicubic")
print("as documented")
PY
