"""Peak memory of the whole program on a short and on a ten times longer video.

Run it as ``python benchmarks/memory.py``. It makes two clips (20 s and 200 s), upscales each in a
process of its own, and prints the peak resident memory of that process and of the ffmpeg that it
starts. It exits with 1 if the long one's peak, of either, is more than 10 % above the short one's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from harness.clips import make_clip

ALLOWED = 1.10
"""Greatest ratio of the two peaks."""

WORKER = """
import json, resource, sys
from fractions import Fraction
from pathlib import Path
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateRequest, SizeRequest

source, target, model, scale, multiplier = sys.argv[1:]
finished = run_upscale(JobSpec(
    Path(source), Path(target), model=model, device="cpu", overwrite=True,
    size=SizeRequest(scale=Fraction(scale)), rate=RateRequest(value=Fraction(multiplier)),
    encode=EncodeOptions(preset="ultrafast"),
))
peaks = [resource.getrusage(who).ru_maxrss for who in (
    resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"frames": finished.frames, "own": peaks[0], "ffmpeg": peaks[1]}))
"""


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default", help="name or path of the weights")
    parser.add_argument("--size", default="96x64", help="size of the clips, WxH")
    parser.add_argument("--scale", default="2")
    parser.add_argument("--fps-mult", default="2")
    parser.add_argument("--seconds", type=float, nargs=2, default=(20.0, 200.0))
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    peaks: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in options.seconds:
            source = Path(folder) / f"in-{seconds:g}.mp4"
            make_clip(source, seconds=seconds, size=(width, height), rate=Fraction(25))
            peaks.append(measure(source, options.model, options.scale, options.fps_mult))
            show(seconds, peaks[-1])
    ratios = {who: peaks[1][who] / peaks[0][who] for who in ("own", "ffmpeg")}
    print("ratio: " + ", ".join(f"{who} {ratio:.3f}" for who, ratio in ratios.items()))
    return int(max(ratios.values()) > ALLOWED)


def measure(source: Path, model: str, scale: str, multiplier: str) -> dict[str, int]:
    """Upscale in a new process; peaks in KiB (bytes on macOS), frames, milliseconds."""
    start = time.perf_counter()
    command = [sys.executable, "-c", WORKER, str(source), str(source.with_suffix(".out.mp4"))]
    done = subprocess.run(
        [*command, model, scale, multiplier],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")},
    )
    result: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "milliseconds": round(1000 * (time.perf_counter() - start))}


def show(seconds: float, peak: dict[str, int]) -> None:
    """One line."""
    print(
        f"{seconds:g} s: {peak['frames']} frames, peak {peak['own'] / 1024:.0f} MiB, "
        f"ffmpeg {peak['ffmpeg'] / 1024:.0f} MiB, {peak['milliseconds'] / 1000:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
