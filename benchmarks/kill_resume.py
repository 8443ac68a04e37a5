"""Kill a job at random moments, go on each time, and compare with an undisturbed run.

``python benchmarks/kill_resume.py --kills 50 --seed 1`` makes a small video with scene cuts, runs
``vinr upscale`` on it once in peace, then again with kill -9 at random moments: while it starts,
while it makes frames, and while it puts the finished file together. It fails if the output differs
by a byte, if the final name exists before the end, if a finished part is lost or changed, or if a
kill costs more than the part that was open.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from harness.kill_resume import PHASES, Series


def main() -> int:
    """Run a series and print what it came to; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frames", type=int, default=4000, help="source frames")
    parser.add_argument("--part-frames", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vinr-kill-") as folder:
        series = Series(Path(folder), given.frames, given.part_frames)
        report = series.run(given.kills, given.seed)
    kills = ", ".join(f"{report.kills[phase]} {phase}" for phase in PHASES)
    print(f"{sum(report.kills.values())} kills ({kills}); seed {given.seed}")
    print(f"largest part, the most that a kill can cost: {report.lost} output frames")
    print(f"all kills hit one job, before its end: {'yes' if report.one_job else 'NO'}")
    print(f"identical to the undisturbed run: {'yes' if report.identical else 'NO'}")
    for fault in report.faults:
        print(f"fault: {fault}")
    return 0 if report.identical and report.one_job and not report.faults else 1


if __name__ == "__main__":
    sys.exit(main())
