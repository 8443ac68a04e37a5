"""`vinr bench`: how fast this machine is, in a form to compare and to paste."""

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

import vinr_cli.cli.options as o
from vinr_cli._version import __version__
from vinr_cli.cli.console import tell
from vinr_cli.plan.numbers import parse_size

if TYPE_CHECKING:
    from vinr_cli.jobs.bench import BenchReport

Clip = Annotated[
    str, typer.Option("--clip", metavar="WxH", help="Size of the clip that is made and upscaled.")
]
Frames = Annotated[
    int, typer.Option("--frames", metavar="N", min=2, max=10_000, help="Length of the clip.")
]


def bench(
    clip: Clip = "320x180",
    frames: Frames = 25,
    scale: o.Scale = None,
    fps_mult: o.FpsMult = None,
    model: o.Model = "default",
    device: o.Device = "auto",
    precision: o.PrecisionOption = o.Precision.AUTO,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Measure frames per second, stage by stage, on a clip made for it: x4, twice the rate."""
    size = parse_size(clip, "--clip")
    from vinr_cli.jobs.bench import run_bench

    report = run_bench(
        size=size,
        scale=Fraction(4) if scale is None else scale,
        fps_mult=Fraction(2) if fps_mult is None else fps_mult,
        frames=frames,
        model=model,
        device=device,
        precision=precision.value,
    )
    if as_json:
        tell(json.dumps({"vinr": __version__, **report.to_dict()}))
    else:
        tell("\n".join(bench_lines(report)))


def bench_lines(report: "BenchReport") -> list[str]:
    """The table."""
    (width, height), (wide, high) = report.source, report.output
    peak = "unknown" if report.peak_bytes is None else f"{report.peak_bytes / 2**20:.0f} MiB"
    rows = [
        ("vinr", __version__),
        ("work", f"{width}x{height} to {wide}x{high}, {report.frames} frames out"),
        ("model", f"{report.model}, rendered by {report.renders_with}"),
        ("end to end", f"{report.frames_per_second:.2f} frames/s ({report.seconds:.2f} s)"),
        *(
            (f"  {stage}", f"{seconds:.2f} s busy")
            for stage, seconds in report.stage_seconds.items()
        ),
        (
            "  the pass",
            f"{report.pass_seconds:.2f} s wall, {report.wall_to_slowest:.2f} x the slowest thread "
            f"({report.slowest})",
        ),
        (
            "  processors",
            f"{report.processors_busy:.2f} of {report.surroundings['processors']} busy",
        ),
        ("network alone", f"{report.network_frames_per_second:.2f} frames/s"),
        ("  a pair", f"{report.pair_seconds * 1000:.1f} ms"),
        ("  an instant", f"{report.instant_seconds * 1000:.1f} ms"),
        ("peak memory", peak),
        *report.surroundings.items(),
    ]
    return [f"{name:<14} {value}" for name, value in rows]
