"""Whether one sees where parts were joined: steps of mean luma and of sharpness at the seams.

``python benchmarks/seams.py`` draws three videos of 320x180 (a natural texture that pans, the same
with a camera's noise, a still one behind a moving disc), runs ``vinr upscale`` on each at the
default quality, as one part and as many, and compares both with the frames before encoding. A pulse
would be a step, from the last frame of a part to the first of the next, that is larger than the
steps which the encoder makes anyway. The exit code is 1 if one is above the 99th percentile of
those of the file in one part.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from harness.seams import KINDS, measure


def main() -> int:
    """Print a table; 1 if a seam shows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", type=int, default=240, help="source frames")
    parser.add_argument("--part-frames", type=int, default=80)
    given = parser.parse_args()
    shown = False
    print("| video | seams | luma: at a seam, elsewhere | sharpness: at a seam, elsewhere |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="vinr-seams-") as folder:
        for kind in KINDS:
            found = measure(
                Path(folder), kind, frames=given.frames, part_frames=given.part_frames, multiply=2
            )
            shown |= found.show
            pairs = (f"{pair[0]:.2f}, {pair[1]:.2f}" for pair in (found.luma, found.sharp))
            print(f"| {kind} | {found.count} | {' | '.join(pairs)} |", flush=True)
    return int(shown)


if __name__ == "__main__":
    sys.exit(main())
