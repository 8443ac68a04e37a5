"""One measurement of the whole program and of the network alone, as a value."""

import dataclasses
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vinr_cli.engine.device import choose_device, choose_precision
from vinr_cli.engine.measure import (
    measure_network,
    peak_bytes,
    processor_seconds,
    renders_with,
    surroundings,
)
from vinr_cli.engine.stream import QUEUED, THREADS
from vinr_cli.events import Event, FramesDone
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.fingerprint import ffmpeg_version
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.media.base import find_ffmpeg
from vinr_cli.media.measure import make_test_clip
from vinr_cli.plan.job import JobSpec, RateRequest, SizeRequest
from vinr_cli.weights.load import load_model

PAIRS = 3
"""Pairs that the network alone is timed on."""


@dataclass(frozen=True)
class BenchReport:
    """What was measured.

    Attributes:
        source: (width, height) of the clip.
        output: (width, height) of the result.
        model: Name or path of the weights.
        renders_with: The native kernels' build, "triton" or "pytorch".
        frames: Output frames written.
        seconds: Wall time of decoding, computing and encoding them, start-up included.
        frames_per_second: Of the whole program.
        processors_busy: How many processors were at work on average in `seconds`, the encoder's
            among them.
        stage_seconds: Busy time of each stage, see `engine.stream.STAGES`.
        pass_seconds: Wall time from the first frame decoded to the last one encoded.
        slowest: The thread of `engine.stream.THREADS` that was busy longest; of `QUEUED` on a GPU.
        wall_to_slowest: `pass_seconds` by that thread's busy time: 1 if the slowest sets the pace.
        pair_seconds: The network alone: encoding a pair and preparing its grid.
        instant_seconds: The network alone: rendering one instant.
        network_frames_per_second: The network alone, at the asked frames a pair.
        peak_bytes: Most memory held: of the GPU, else of the process; None if unknown.
        surroundings: Device, threads, versions.
    """

    source: tuple[int, int]
    output: tuple[int, int]
    model: str
    renders_with: str
    frames: int
    seconds: float
    frames_per_second: float
    processors_busy: float
    stage_seconds: dict[str, float]
    pass_seconds: float
    slowest: str
    wall_to_slowest: float
    pair_seconds: float
    instant_seconds: float
    network_frames_per_second: float
    peak_bytes: int | None
    surroundings: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dataclasses.asdict(self)


def run_bench(
    *, size: tuple[int, int], scale: Fraction, fps_mult: Fraction, frames: int,
    model: str = "default", device: str = "auto", precision: str = "auto",
) -> BenchReport:  # fmt: skip
    """Upscale a made clip, then time the network alone on the same sizes.

    Args:
        size: (width, height) of the clip.
        scale: As of `upscale`.
        fps_mult: As of `upscale`.
        frames: Length of the clip, from 2 up.
        model: As of `upscale`.
        device: As of `upscale`.
        precision: As of `upscale`.

    Raises:
        VinrError: as `upscale` does.
    """
    chosen = choose_device(device)
    with tempfile.TemporaryDirectory(prefix="vinr-bench-") as folder:
        source = Path(folder) / "clip.mp4"
        make_test_clip(source, frames=frames, size=size)
        spec = JobSpec(
            source,
            Path(folder) / "out.mkv",
            size=SizeRequest(scale=scale),
            rate=RateRequest(value=fps_mult),
            model=model,
            device=device,
            precision=precision,
        )
        output = plan_upscale(spec).size
        passes: list[float] = []
        before = processor_seconds()
        done = run_upscale(spec, lambda event: _note_pass(event, passes))
        used = processor_seconds() - before
    stages = dict(done.stage_seconds)
    apart = QUEUED if chosen.type == "cuda" else THREADS
    threads = {name: sum(stages[stage] for stage in part) for name, part in apart.items()}
    slowest = max(threads, key=lambda name: threads[name])
    network = load_model(model, chosen)
    autocast = choose_precision(precision, chosen, network)
    times = measure_network(network, size[::-1], output[::-1], pairs=PAIRS, autocast=autocast)
    return BenchReport(
        source=size,
        output=output,
        model=model,
        renders_with=renders_with(network, chosen),
        frames=done.frames,
        seconds=done.seconds,
        frames_per_second=done.frames / done.seconds,
        processors_busy=used / done.seconds,
        stage_seconds=stages,
        pass_seconds=passes[-1],
        slowest=slowest,
        wall_to_slowest=passes[-1] / threads[slowest],
        pair_seconds=times.pair,
        instant_seconds=times.instant,
        network_frames_per_second=times.rate(float(fps_mult)),
        peak_bytes=peak_bytes(chosen),
        surroundings={
            **surroundings(chosen),
            "pyav": version("av"),
            "encoder": ffmpeg_version(find_ffmpeg(spec.encode)).partition(" Copyright")[0],
        },
    )


def _note_pass(event: Event, passes: list[float]) -> None:
    """Keep how long the pass has taken so far."""
    if isinstance(event, FramesDone):
        passes.append(event.seconds)
