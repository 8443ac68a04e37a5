"""Clips with a known truth that are hard to enlarge and to interpolate.

Run it as ``python benchmarks/hard_clips.py FOLDER``, then
``vinr evaluate FOLDER --strips STRIPS``. Each clip is a folder of PNG frames. All motion is
continuous and exact, drawn at three times the size and averaged, so a frame between two others is
really what a camera would have seen there. Nothing here is used in training.
"""

import argparse
import sys
from pathlib import Path

from harness.hard_clips import FRAMES, clips, write


def main() -> int:
    """Write all clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, draw in clips().items():
        write(folder / name, draw)
        sys.stdout.write(f"{folder / name}: {FRAMES} frames\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
