#!/usr/bin/env bash
# Expected: torch's interpolate with scale_factor=1.75 on 10 columns makes 17 of them, the same as
#   size=17 does.
# Happens: it makes 17, and other ones. Without size the given factor is used for the sampling
#   grid (1 / 1.75 per step, though 17.5 columns became 17); with size the grid is 10 / 17. On a
#   ramp the two differ by up to a quarter of an input pixel, most at the right edge: a picture
#   enlarged by the factor is shifted against its reference. recompute_scale_factor=True gives the
#   grid of size.
# Versions: PyTorch 2.13.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys

import torch
from torch.nn.functional import interpolate

print("PyTorch", torch.__version__)
ramp = torch.arange(10.0).reshape(1, 1, 1, 10)
found = {}
for mode in ("bilinear", "bicubic"):
    size = interpolate(ramp, size=(1, 17), mode=mode)
    factor = interpolate(ramp, scale_factor=(1, 1.75), mode=mode)
    anew = interpolate(ramp, scale_factor=(1, 1.75), mode=mode, recompute_scale_factor=True)
    found[mode] = [float((other - size)[..., 2:-2].abs().max()) for other in (factor, anew)]
    print(f"{mode}: shapes {tuple(size.shape)}, {tuple(factor.shape)}")
    print("  size=17:           ", *(f"{v:.2f}" for v in size.flatten().tolist()[-6:]))
    print("  scale_factor=1.75: ", *(f"{v:.2f}" for v in factor.flatten().tolist()[-6:]))
    print("  apart by up to {:.2f}; with recompute_scale_factor {:.2f}".format(*found[mode]))
if any(factor < 0.2 or anew > 1e-5 for factor, anew in found.values()):
    sys.exit("changed: scale_factor and size sample at the same places")
print("as documented")
PY
