"""`vinr upscale`: the main job."""

from dataclasses import replace

import typer

import vinr_cli.cli.options as o
from vinr_cli.cli.batch import do_job, run_batch, settle_output, show_plan, spread
from vinr_cli.cli.command import takes
from vinr_cli.cli.console import Session
from vinr_cli.cli.inputs import check_inputs, split_names
from vinr_cli.cli.remote import fetching
from vinr_cli.cli.report import open_reports
from vinr_cli.cli.rows import Given
from vinr_cli.cli.transfer import bring_model

EXAMPLES = (
    ("vinr in.mp4", "twice the size, twice the frame rate"),
    ("vinr in.mp4 out.mkv -s 1080p --fps 60", "a name, a size and a rate"),
    ("vinr *.mp4 -o results/ --scale 3", "many files"),
    ("vinr in.mp4 --start 60 --end 65", "five seconds, to see how it looks"),
)


@takes(*o.UPSCALE, examples=EXAMPLES)
def upscale(context: typer.Context, given: Given) -> None:
    """Make videos larger, smoother, or both.

    Only INPUT is needed. With neither a size nor a rate, both are doubled; with one of them, the
    source's other is kept. A bad input does not stop the others. The same command again goes on
    where an earlier one ended, however it ended. A rate of 23.976 (or 23.98), 29.97, 47.952
    (47.95), 59.94, 119.88 or 239.76 means the NTSC one, such as 24000/1001.
    """
    dry = given[o.DRY_RUN]
    inputs, name = split_names(given[o.INPUTS], given[o.MARKED], given[o.OUTPUT])
    spec = o.job_of(given, inputs[0])
    reports = open_reports(
        context.ensure_object(Session),
        quiet=given[o.QUIET],
        verbose=given[o.VERBOSE],
        as_json=given[o.AS_JSON],
    )
    output = settle_output(name, inputs, given[o.FORMAT], create=not dry)
    specs = spread(replace(spec, output=output), inputs)
    bring_model(spec.model, quiet=reports.calm)  # what is wrong for all inputs is said once
    job = fetching(show_plan if dry else do_job, allowed=given[o.ALLOW_NETWORK])
    with reports:
        sound, bad = check_inputs(specs, reports)
        code = run_batch(sound, job, reports, bad)
    raise typer.Exit(code)
