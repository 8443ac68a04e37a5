"""Everything that a GPU does, verified against the CPU in float32, and timed: one command.

Run it as ``python benchmarks/gpu.py`` on a machine with a CUDA device (about ten minutes), or with
``--device cpu --rehearse`` anywhere: small sizes, the same code. It prints tables in Markdown,
writes all figures to ``--json``, and exits with 1 if a check fails. In order:

1. Checks: both networks in float32 and in half precision, with and without the Triton kernel,
   against the CPU; code values there and back through pinned buffers; and that the host waits for
   nothing while it queues a pair.
2. The packaged network alone: milliseconds a pair and an instant, frames/s at 1, 2 and 4 frames a
   pair, peak memory, for 540p to 1080p, 720p to 1440p and 1080p to 2160p, by every way of
   rendering.
3. The whole program on the same sizes, with its slowest stage.
4. The published network with seeded weights against the straightforward one of the tests.

It has been rehearsed on a CPU and has not run on a GPU. With ``TRITON_INTERPRET=1`` a rehearsal
goes through the Triton kernel, slowly: add ``--checks-only``.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import oracle, seeding
from vinr_cli.color.convert import from_rgb, to_rgb
from vinr_cli.color.spec import ColorSpec
from vinr_cli.engine.assemble import renderer_for
from vinr_cli.engine.device import choose_device, format_name
from vinr_cli.engine.host_copies import mover_for
from vinr_cli.engine.measure import measure_network, surroundings
from vinr_cli.engine.precision import automatic, psnr
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.engine.stream import QUEUED
from vinr_cli.events import Event, FramesDone
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.measure.testclip import make_test_clip
from vinr_cli.model.compact import triton_render
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.published import deform
from vinr_cli.model.published.network import PublishedVideoINR
from vinr_cli.model.videoinr import Network
from vinr_cli.native import library as native
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateRequest, SizeRequest
from vinr_cli.weights.load import load_model

TIMES = (0.25, 0.5, 0.9)
MULTIPLIERS = (1, 2, 4)
SIZES = ((960, 540), (1280, 720), (1920, 1080))
REHEARSED = ((48, 36), (64, 48))
FLOOR, SEEDED_FLOOR = 50.0, 45.0
EXACT = 80.0
"""PSNR in dB that float32 keeps on another device: 1e-4, other orders of summation."""


@dataclass(frozen=True)
class Way:
    """One way of computing on the device.

    Attributes:
        dtype: Autocast's; None is float32.
        triton: Whether the kernel renders, where it is trusted.
    """

    dtype: torch.dtype | None = None
    triton: bool = False

    @property
    def name(self) -> str:
        """For the tables."""
        return format_name(self.dtype) + (", Triton" if self.triton else "")

    @contextmanager
    def chosen(self) -> Iterator[None]:
        """The environment that chooses it."""
        interpreted = os.environ.get("TRITON_INTERPRET") == "1"
        switches = {
            triton_render.SWITCH: ("interpret" if interpreted else "") if self.triton else "0",
            native.SWITCH: "0",  # so that a CPU rehearses the same ways
        }
        with patch.dict(os.environ, switches):
            yield


WAYS = tuple(
    Way(dtype, triton)
    for dtype in (None, torch.float16, torch.bfloat16)
    for triton in (False, True)
)


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        what: In words.
        figure: What was found.
        passes: Whether it is good enough.
    """

    what: str
    figure: str
    passes: bool


@dataclass(frozen=True)
class Speed:
    """The network alone on one size.

    Attributes:
        size: (width, height) of the frames.
        output: (width, height) of the result.
        way: How it was computed.
        pair_ms: Milliseconds a pair, the later frame's encoder included.
        instant_ms: Milliseconds an instant.
        rates: Output frames/s at each of `MULTIPLIERS` frames a pair.
        peak_mib: Most memory held; None on a CPU.
    """

    size: tuple[int, int]
    output: tuple[int, int]
    way: str
    pair_ms: float
    instant_ms: float
    rates: tuple[float, ...]
    peak_mib: float | None


@dataclass(frozen=True)
class Whole:
    """The whole program on one size.

    Attributes:
        size: (width, height) of the clip.
        output: (width, height) of the result.
        multiplier: Output frames per source frame.
        frames: Output frames.
        rate: Output frames/s, start-up included.
        stages: Busy seconds of each thread, see `engine.stream.QUEUED`.
        seconds: Wall time from the first frame decoded to the last one encoded.
        peak_mib: Most memory held; None on a CPU.
    """

    size: tuple[int, int]
    output: tuple[int, int]
    multiplier: int
    frames: int
    rate: float
    stages: dict[str, float]
    seconds: float
    peak_mib: float | None


# -- checks ----------------------------------------------------------------------------------------


def rendered(
    model: Network, frames: Sequence[Tensor], scale: int, dtype: torch.dtype | None
) -> list[Tensor]:
    """All pairs of some frames at all `TIMES`, on the CPU."""
    device = next(model.parameters()).device
    height, width = frames[0].shape[-2:]
    renderer = PairRenderer(
        model, (height, width), (scale * height, scale * width), autocast=dtype, tile=0
    )
    made = []
    for first, second in pairwise(frames):
        renderer.pair(first.to(device), second.to(device))
        made += [out.float().cpu() for out in renderer.render_all(TIMES)]
    return made


def drawn(count: int, height: int, width: int) -> list[Tensor]:
    """Moving waves."""
    return [
        frame for seed in range(-(-count // 2)) for frame in seeding.frames(height, width, seed)[0]
    ]


def check_packaged(device: torch.device, rehearse: bool) -> Iterator[Check]:
    """Both packaged networks, every way, against the CPU in float32 without kernels."""
    frames = drawn(2, 16, 24) if rehearse else drawn(4, 135, 240)
    for name in ("clean", "video"):
        with patch.dict(os.environ, {native.SWITCH: "0"}):
            exact = rendered(load_model(name).eval(), frames, 3, None)
        model = load_model(name, device).eval()
        for way in WAYS:
            with way.chosen():
                found = psnr(rendered(model, frames, 3, way.dtype), exact)
            floor = EXACT if way.dtype is None else FLOOR
            yield Check(f"{name}, {way.name}", f"{found:.1f} dB", found >= floor)


def check_kernel(device: torch.device) -> Iterator[Check]:
    """The kernel's own trial."""
    for dtype in triton_render.CLOSE:
        try:
            job = triton_render.sample_job(device, dtype)
            error = triton_render.render(job) - triton_render.render_plainly(job)
            worst = float(error.abs().max())
        except Exception as problem:  # whatever a compiler or its absence raises is a finding
            text = f"{type(problem).__name__}: {problem}".splitlines()[0][:90]
            yield Check(f"kernel, {format_name(_half(dtype))}", text, device.type != "cuda")
            continue
        good = worst <= triton_render.CLOSE[dtype]
        yield Check(f"kernel, {format_name(_half(dtype))}", f"largest difference {worst:.1e}", good)


def _half(dtype: torch.dtype) -> torch.dtype | None:
    return None if dtype is torch.float32 else dtype


def check_transfer(device: torch.device) -> Iterator[Check]:
    """Code values there, to colours, back, against the same on the CPU, many frames in flight."""
    for depth in (8, 10):
        spec = ColorSpec(depth=depth)
        rng = np.random.default_rng(depth)
        kind = np.uint8 if depth == 8 else np.uint16
        shapes = ((270, 480), (135, 240), (135, 240))
        sources = [
            [rng.integers(16 << (depth - 8), 235 << (depth - 8), s).astype(kind) for s in shapes]
            for _ in range(12)
        ]
        mover, flying = mover_for(device), []
        for planes in sources:
            rgb = to_rgb(mover.upload(planes), spec)
            flying.append(mover.download(from_rgb(rgb, spec), rgb.isfinite().all()))
        wrong = 0
        for planes, download in zip(sources, flying, strict=True):
            wrong += not download.wait()
            back = [_codes(plane, kind) for plane in download.planes]
            exact = from_rgb(to_rgb([torch.from_numpy(p.astype(int)) for p in planes], spec), spec)
            # A value that lies between two codes may be rounded to either.
            pairs = zip(back, exact, strict=True)
            wrong += max(int(np.abs(a - _codes(b, kind)).max()) for a, b in pairs) > 1
        yield Check(f"{depth}-bit planes there and back", f"{wrong} of 12 frames wrong", not wrong)


def check_waiting(device: torch.device) -> Iterator[Check]:
    """That the host queues a pair's frames without waiting for the device; on CUDA alone."""
    if device.type != "cuda":
        return
    frames = [frame.to(device) for frame in drawn(4, 135, 240)]
    model = load_model("default", device).eval()
    renderer = renderer_for(model, (135, 240), (270, 480), alpha=False)
    for pair in pairwise(frames[:3]):
        renderer.pair(*pair)
        list(renderer.render_all(TIMES))
    renderer.pair(*frames[2:])
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        list(renderer.render_all(TIMES))
        torch.cuda.set_sync_debug_mode("default")
    yield Check("waits for the device in a pair", str(len(waits)), not waits)


def _codes(plane: Tensor, kind: type[np.unsignedinteger]) -> NDArray[np.int64]:
    """Code values as numbers."""
    array = plane.numpy()
    return (array.view(kind) if plane.dtype == torch.int16 else array).astype(np.int64)


def seeded(device: torch.device) -> PublishedVideoINR:
    """The published network with the tests' weights."""
    model = PublishedVideoINR(ModelConfig.published()).eval()
    seeding.seed_weights(model)
    return model.to(device)


def check_published(device: torch.device, rehearse: bool) -> Iterator[Check]:
    """The published network against the CPU in float32."""
    frames = drawn(2, *((16, 24) if rehearse else (48, 64)))
    exact = rendered(seeded(torch.device("cpu")), frames, 2, None)
    model = seeded(device)
    for dtype in (None, torch.float16, torch.bfloat16):
        found = psnr(rendered(model, frames, 2, dtype), exact)
        floor = SEEDED_FLOOR if dtype else 60.0
        yield Check(f"published, seeded, {format_name(dtype)}", f"{found:.1f} dB", found >= floor)


# -- speed -----------------------------------------------------------------------------------------


def start_peak(device: torch.device) -> None:
    """Forget the most memory that was held."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> float | None:
    """Most memory held since `start_peak`, in MiB."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None


def network_speeds(
    device: torch.device, sizes: Sequence[tuple[int, int]], pairs: int
) -> Iterator[Speed]:
    """The packaged network alone."""
    model = load_model("default", device).eval()
    for width, height in sizes:
        output = 2 * width, 2 * height
        for way in WAYS:
            start_peak(device)
            with way.chosen():
                times = measure_network(
                    model, (height, width), output[::-1], pairs=pairs, autocast=way.dtype
                )
            rates = tuple(times.rate(m) for m in MULTIPLIERS)
            yield Speed(
                (width, height), output, way.name, times.pair * 1e3, times.instant * 1e3, rates,
                peak(device),
            )  # fmt: skip


def whole_speeds(
    device: torch.device, sizes: Sequence[tuple[int, int]], frames: int, preset: str | None
) -> Iterator[Whole]:
    """The whole program with its defaults."""
    with tempfile.TemporaryDirectory() as folder:
        for width, height in sizes:
            source = Path(folder) / f"{height}.mp4"
            make_test_clip(source, frames=frames, size=(width, height))
            for multiplier in MULTIPLIERS:
                start_peak(device)
                wall = [0.0]
                done = run_upscale(
                    JobSpec(
                        source,
                        Path(folder) / "out.mkv",
                        size=SizeRequest(scale=Fraction(2)),
                        rate=RateRequest(value=Fraction(multiplier)),
                        device=str(device),
                        overwrite=True,
                        encode=EncodeOptions(preset=preset),
                    ),
                    partial(note_pass, wall),
                )
                yield Whole(
                    (width, height), (2 * width, 2 * height), multiplier, done.frames,
                    done.frames / done.seconds, by_thread(done.stage_seconds), wall[-1],
                    peak(device),
                )  # fmt: skip


def kernel_speeds(device: torch.device, rehearse: bool) -> Iterator[tuple[str, str, str]]:
    """The kernel alone, packaged widths, for several blocks: format, block, milliseconds."""
    lr = (6, 9) if rehearse else (540, 960)
    for dtype in triton_render.CLOSE:
        job = triton_render.sample_job(device, dtype)
        canvas = torch.rand(2, *lr, 2, 2, 12, device=device).to(job.canvases[0].dtype)
        job = replace(
            job,
            canvases=(canvas[0], canvas[1]),
            motion=torch.randn(1, *lr, 12, device=device),
            rows=torch.linspace(0, lr[0] - 1, 2 * lr[0], device=device),
            cols=torch.linspace(0, lr[1] - 1, 2 * lr[1], device=device),
            times=job.times[:1],
            shift=job.shift[:1],
        )
        for block in (16, 32, 64, 128):
            try:
                work = partial(triton_render.render, job, block)
                figure = f"{1e3 * seconds_of(device, work, 1 if rehearse else 50):.3f} ms"
            except Exception as problem:  # a missing library, or a block that is too large
                figure = type(problem).__name__
            yield format_name(_half(dtype)), str(block), figure


def note_pass(wall: list[float], event: Event) -> None:
    """Keep how long the pass has taken so far."""
    if isinstance(event, FramesDone):
        wall[-1] = event.seconds


def by_thread(stages: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Busy seconds of what runs side by side on a GPU."""
    seconds = dict(stages)
    return {name: sum(seconds[stage] for stage in part) for name, part in QUEUED.items()}


def seconds_of(device: torch.device, work: Callable[[], object], repeats: int) -> float:
    """Seconds of some work, after one time that is not counted."""
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / repeats


def published_speeds(device: torch.device, rehearse: bool) -> dict[str, float]:
    """Milliseconds of the published network: ours and the literal formulas, at one time.

    The literal encoder is ours with the literal deformable convolution.
    """
    height, width, scale = (12, 16, 2) if rehearse else (180, 320, 4)
    model = seeded(device)
    frames = seeding.frames(height, width).to(device)
    size = scale * height, scale * width
    repeats = 1 if rehearse else 3
    with torch.inference_mode(), torch.device(device):
        features = model.encode_pair(*(model.encode_frame(frames[:, i]) for i in (0, 1)))
        when = torch.full((1,), 0.5)
        works: dict[str, Callable[[], object]] = {
            "encoder": lambda: model.encode(frames),
            "decoder": lambda: model.query(features, when, size),
            "literal decoder": lambda: oracle.decode(model, features.values, frames, when, size),
        }
        found = {name: 1e3 * seconds_of(device, work, repeats) for name, work in works.items()}
        with patch.object(deform, "deform_conv", oracle.deform_conv):
            work = works["encoder"]
            return found | {"literal encoder": 1e3 * seconds_of(device, work, repeats)}


# -- printing --------------------------------------------------------------------------------------


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table."""
    for cells in (columns, ["---"] * len(columns), *rows):
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def sized(pair: tuple[int, int]) -> str:
    """A size for the tables."""
    return f"{pair[0]}x{pair[1]}"


def mib(value: float | None) -> str:
    """Memory for the tables."""
    return "-" if value is None else f"{value:.0f} MiB"


def show_checks(checks: Sequence[Check]) -> None:
    """What was verified."""
    table(
        ("check", "found", "good"),
        [(c.what, c.figure, "yes" if c.passes else "NO") for c in checks],
    )


def show_speeds(speeds: Sequence[Speed]) -> None:
    """The network alone."""
    table(
        ("from", "to", "way", "a pair", "an instant", *(f"x{m}" for m in MULTIPLIERS), "peak"),
        [
            (
                sized(s.size), sized(s.output), s.way, f"{s.pair_ms:.1f} ms",
                f"{s.instant_ms:.1f} ms", *(f"{r:.1f}/s" for r in s.rates), mib(s.peak_mib),
            )
            for s in speeds
        ],
    )  # fmt: skip


def show_whole(runs: Sequence[Whole], speeds: Sequence[Speed]) -> None:
    """The whole program, and how it compares with its slowest stage."""
    rows = []
    for run in runs:
        alone = max(
            (s.rates[MULTIPLIERS.index(run.multiplier)] for s in speeds if s.size == run.size),
            default=0.0,
        )
        slowest = max(run.stages, key=lambda stage: run.stages[stage])
        pace = f"{slowest}, {run.seconds / run.stages[slowest]:.2f}"
        figures = f"{run.rate:.1f}/s", f"{run.frames / run.seconds:.1f}/s", f"{alone:.1f}/s"
        sizes = sized(run.size), sized(run.output), f"x{run.multiplier}"
        rows.append((*sizes, *figures, pace, mib(run.peak_mib)))
    columns = (
        "from", "to", "time", "whole", "the pass", "network, fastest way",
        "slowest, and wall time by it", "peak",
    )  # fmt: skip
    table(columns, rows)


def main() -> int:
    """Check, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rehearse", action="store_true", help="small sizes, once each")
    parser.add_argument("--json", type=Path, help="where all figures go")
    parser.add_argument("--frames", type=int, default=48, help="source frames of the whole program")
    parser.add_argument("--preset", help="encoder preset of the whole program")
    parser.add_argument("--checks-only", action="store_true")
    options = parser.parse_args()
    device = choose_device(options.device)
    about = {**surroundings(device), "auto precision": format_name(automatic(device))}
    for name, value in about.items():
        print(f"{name}: {value}")
    print(flush=True)
    checks = [
        *check_kernel(device),
        *check_transfer(device),
        *check_waiting(device),
        *check_packaged(device, options.rehearse),
        *check_published(device, options.rehearse),
    ]
    show_checks(checks)
    found: dict[str, object] = {"about": about, "checks": [asdict(c) for c in checks]}
    if not options.checks_only:
        sizes = REHEARSED if options.rehearse else SIZES
        speeds = list(network_speeds(device, sizes, 1 if options.rehearse else 6))
        show_speeds(speeds)
        frames = 4 if options.rehearse else options.frames
        kernel = list(kernel_speeds(device, options.rehearse))
        table(("kernel, 540p to 1080p", "block", "an instant"), kernel)
        runs = list(whole_speeds(device, sizes, frames, options.preset))
        show_whole(runs, speeds)
        published = published_speeds(device, options.rehearse)
        table(
            ("published network, seeded", "time"),
            [(n, f"{v:.1f} ms") for n, v in published.items()],
        )
        found |= {
            "network": [asdict(s) for s in speeds],
            "kernel": kernel,
            "whole": [asdict(r) for r in runs],
            "published_ms": published,
        }
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(not all(check.passes for check in checks))


if __name__ == "__main__":
    sys.exit(main())
