"""Frames per second of the whole program, and of the network alone.

Run it as ``python benchmarks/speed.py``. It makes a clip, upscales it, and prints output frames
per second end to end, the busy time of each stage (decode, compute, encode), and then the network
alone on the same sizes: encoding a pair, and rendering one instant of it.
"""

import argparse
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import torch

from harness.clips import make_clip
from vinr_cli.engine.device import choose_device, choose_precision
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.events import Finished
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateRequest, SizeRequest
from vinr_cli.weights.load import load_model


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default", help="name or path of the weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", default="320x180", help="size of the clip, WxH")
    parser.add_argument("--scale", default="4")
    parser.add_argument("--fps-mult", default="2")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument(
        "--preset", default=None, help="encoder preset; the codec's default if none"
    )
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.mp4"
        make_clip(source, seconds=options.seconds, size=(width, height), rate=Fraction(25))
        spec = JobSpec(
            source,
            Path(folder) / "out.mp4",
            size=SizeRequest(scale=Fraction(options.scale)),
            rate=RateRequest(value=Fraction(options.fps_mult)),
            model=options.model,
            device=options.device,
            precision=options.precision,
            encode=EncodeOptions(preset=options.preset),
        )
        size = plan_upscale(spec).size
        print(f"{width}x{height} to {size[0]}x{size[1]}, {torch.get_num_threads()} threads")
        show(run_upscale(spec))
        model_alone(spec, (height, width), (size[1], size[0]))
    return 0


def show(finished: Finished) -> None:
    """The whole program."""
    print(
        f"whole program: {finished.frames} frames in {finished.seconds:.2f} s, "
        f"{finished.frames / finished.seconds:.2f} frames/s"
    )
    for name, seconds in finished.stage_seconds:
        print(f"  {name}: busy {seconds:.2f} s, {finished.frames / seconds:.2f} frames/s")


def model_alone(spec: JobSpec, lr: tuple[int, int], hr: tuple[int, int], count: int = 4) -> None:
    """The network without video: seconds per pair encoded, and per frame rendered."""
    device = choose_device(spec.device)
    model = load_model(spec.model, device)
    renderer = PairRenderer(model, lr, hr, autocast=choose_precision(spec.precision, device, model))
    frames = [torch.rand(3, *lr, device=device) for _ in range(count + 1)]
    times = [0.5 + 0.1 * k for k in range(3)]
    renderer.push(frames[0])
    renderer.render(0)
    pairs = instants = 0.0
    for frame in frames[1:]:
        renderer.push(frame)
        first = timed(renderer, times[0], device)
        rest = sum(timed(renderer, t, device) for t in times[1:]) / (len(times) - 1)
        pairs += first - rest
        instants += rest
    pair, instant = pairs / count, instants / count
    per_pair = float(spec.rate.value)
    print(
        f"network alone on {device}: {pair * 1000:.1f} ms a pair, {instant * 1000:.1f} ms a frame, "
        f"{per_pair / (pair + per_pair * instant):.2f} frames/s at {per_pair:g} frames a pair"
    )


def timed(renderer: PairRenderer, t: float, device: torch.device) -> float:
    """Seconds to render one instant, the device's queue emptied before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    renderer.render(t)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
