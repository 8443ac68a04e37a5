"""The main job as a function for Python programs; the command line says the same in options."""

from dataclasses import replace
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path

from vinr_cli.events import Finished, Reporter, silent
from vinr_cli.jobs.run import run_job
from vinr_cli.plan.job import JobSpec, SizeRequest
from vinr_cli.plan.numbers import parse_number, parse_rate
from vinr_cli.plan.request import settle_request
from vinr_cli.plan.sizes import read_size

Number = Fraction | int | float | str
"""An exact number, or one as it would be written on the command line; 3.5 is 7/2."""

_PLAIN = JobSpec(input=Path())


def upscale_video(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    scale: Number | None = None,
    size: tuple[int, int] | str | None = None,
    fps_mult: Number | None = None,
    fps: Number | None = None,
    slowmo: Number | None = None,
    options: JobSpec = _PLAIN,
    report: Reporter = silent,
) -> Finished:
    """Make a video larger, smoother, or both.

    Args:
        source: The video; "-" is standard input.
        output: The final name, or an existing folder; "-" is standard output; None chooses a name
            in the source's folder.
        scale: Factor for both sides, 0.25 to 16.
        size: (width, height) in pixels or a name such as "1080p", instead of a scale. A picture of
            another shape keeps it, and fits inside.
        fps_mult: Output frames per source frame.
        fps: Output frames per second, instead; 23.976, 29.97, 59.94 mean the NTSC rates.
        slowmo: How many times as long it lasts, instead.
        options: Everything else; its input, output, size and rate are replaced. With neither a
            size nor a rate asked for, both are doubled.
        report: Told what is planned, how far it is, and what there is to note.

    Returns:
        What was made.

    Raises:
        VinrError: one of the tree in `vinr_cli.errors`, naming file, cause and fix.
    """
    named = read_size(size, "size") if isinstance(size, str) else None
    wanted, rate = settle_request(
        scale=None if scale is None else parse_number(str(scale), "scale"),
        size=SizeRequest(width=size[0], height=size[1]) if isinstance(size, tuple) else named,
        fps_mult=None if fps_mult is None else parse_number(str(fps_mult), "fps_mult"),
        fps=None if fps is None else parse_rate(str(fps), "fps"),
        slowmo=None if slowmo is None else parse_number(str(slowmo), "slowmo"),
    )
    target = None if output is None else Path(fspath(output))
    spec = replace(options, input=Path(fspath(source)), output=target, size=wanted, rate=rate)
    return run_job(spec, report)
