"""`vinr upscale`: the main job."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import typer

import vinr_cli.cli.options as o
from vinr_cli.cli.batch import (
    PICTURES,
    do_job,
    into_folder,
    is_folder,
    run_batch,
    settle_output,
    show_plan,
    spread,
)
from vinr_cli.cli.command import takes
from vinr_cli.cli.console import Session
from vinr_cli.cli.inputs import check_inputs
from vinr_cli.cli.names import Found, find_inputs, folder_for, read_list, refuse_rate, split_names
from vinr_cli.cli.remote import fetching
from vinr_cli.cli.report import open_reports
from vinr_cli.cli.rows import Given
from vinr_cli.cli.transfer import bring_model

EXAMPLES = (
    ("vinr in.mp4", "twice the size, twice the frame rate"),
    ("vinr in.mp4 out.mkv -s 1080p --fps 60", "a name, a size and a rate"),
    ("vinr *.mp4 -o results/ --scale 3", "many files; a folder of them does too"),
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
    found, name = _named(given)
    inputs, dry, form = [one.path for one in found], given[o.DRY_RUN], given[o.FORMAT]
    spec = o.job_of(given, inputs[0])
    reports = open_reports(
        context.ensure_object(Session),
        quiet=given[o.QUIET],
        verbose=given[o.VERBOSE],
        as_json=given[o.AS_JSON],
    )
    output = settle_output(name, inputs, form, create=not dry)
    folder = output is not None and is_folder(name) and output.name != PICTURES
    specs = spread(replace(spec, output=output), found, folder=folder)
    bring_model(spec.model, quiet=reports.calm)  # what is wrong for all inputs is said once
    do = partial(show_plan, folder=folder) if dry else into_folder(do_job) if folder else do_job
    job = fetching(do, allowed=given[o.ALLOW_NETWORK])
    named = {one.path for one in found if one.named}
    with reports:
        checked = check_inputs(specs, reports, named, results=given[o.INCLUDE_RESULTS])
        code = run_batch(checked.sound, job, reports, checked.bad, checked.work)
    raise typer.Exit(code)


def _named(given: Given) -> tuple[Sequence[Found], str | None]:
    """The inputs, and the output's name; None if none is given."""
    if given[o.RECURSIVE]:
        refuse_rate(given[o.INPUTS])
    listed = given[o.FROM_LIST]
    marked = [*given[o.MARKED], *(read_list(listed) if listed else [])]
    paths, name = split_names(given[o.INPUTS], marked, given[o.OUTPUT])
    found = find_inputs(paths, recursive=given[o.RECURSIVE])
    return found, folder_for(found, name)
