#!/usr/bin/env bash
# Expected: frame.side_data of PyAV lists the side data of any frame that decodes.
# Happens: reading it raises "ValueError: 31 is not a valid Type" for a picture with EXIF, which
#   is most photos: FFmpeg 8.1 knows more kinds of side data than PyAV's enum. Everything else
#   that the frame carries as side data (an ICC profile, HDR data) is out of reach as well. It is
#   the same in JPEG, PNG, WebP and AVIF; without EXIF it works.
# Versions: PyAV 18.1.0 (FFmpeg 8.1.2), Pillow 13.0.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq av==18.1.0 pillow==13.0.0
venv/bin/python - <<'PY'
import sys

import av
import PIL
from PIL import Image

print("PyAV", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
print("Pillow", PIL.__version__)

exif = Image.Exif()
exif[0x010F] = "Maker"
picture = Image.new("RGB", (64, 64), "teal")
found = {}
for kind in ("jpg", "png", "webp", "avif"):
    for tags in (None, exif):
        name = f"{'exif' if tags else 'plain'}.{kind}"
        picture.save(name, **({"exif": tags} if tags else {}))
        with av.open(name) as file:
            frame = next(file.decode(video=0))
        try:
            found[name] = [item.type.name for item in frame.side_data]
        except ValueError as error:
            found[name] = str(error)
        print(f"{name}: side data {found[name]!r}")
for name, value in found.items():
    if (value == "31 is not a valid Type") != name.startswith("exif"):
        sys.exit(f"changed: side data of {name}")
print("as documented")
PY
