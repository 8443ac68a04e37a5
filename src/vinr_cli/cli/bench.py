"""`vinr bench`: how fast this machine is, in a form to compare and to paste."""

from fractions import Fraction
from typing import TYPE_CHECKING

import typer

import vinr_cli.cli.options as o
from vinr_cli._version import __version__
from vinr_cli.cli.command import takes
from vinr_cli.cli.console import tell, tell_json
from vinr_cli.cli.rows import Given, option
from vinr_cli.plan.job import Limit
from vinr_cli.plan.numbers import parse_size, parse_whole

if TYPE_CHECKING:
    from vinr_cli.jobs.bench import BenchReport

CLIP = option("--clip", parse_size, "WxH", "", "Size of the clip that is made and upscaled.",
              default=(320, 180), shown="320x180")  # fmt: skip
FRAMES = option("--frames", parse_whole, "N", "", "Length of the clip.",
                default=25, shown="25", limit=Limit("--frames", 2, 10_000))  # fmt: skip
_JOB = (o.SCALE, o.FPS_MULT, o.MODEL, o.DEVICE, o.PRECISION)


@takes(CLIP, FRAMES, *_JOB, o.AS_JSON, o.DEBUG)
def bench(context: typer.Context, given: Given) -> None:
    """Measure frames per second, stage by stage, on a clip made for it: x4, twice the rate."""
    from vinr_cli.jobs.bench import run_bench

    report = run_bench(
        size=given[CLIP],
        scale=given[o.SCALE] or Fraction(4),
        fps_mult=given[o.FPS_MULT] or Fraction(2),
        frames=given[FRAMES],
        model=given[o.MODEL],
        device=given[o.DEVICE],
        precision=given[o.PRECISION],
    )
    if given[o.AS_JSON]:
        tell_json({"vinr": __version__, **report.to_dict()})
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
