"""`vinr probe`: what vinr sees in a file, and what it would make of it."""

from typing import TYPE_CHECKING

import typer

import vinr_cli.cli.options as o
from vinr_cli.cli.command import takes
from vinr_cli.cli.console import tell, tell_json
from vinr_cli.cli.describe import media_lines, media_object
from vinr_cli.cli.inputs import require_there
from vinr_cli.cli.report import plan_lines, planned_object
from vinr_cli.cli.rows import Given
from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.plan.job import STDIO, JobSpec

if TYPE_CHECKING:
    from vinr_cli.events import Planned
    from vinr_cli.media.read import MediaInfo, Timestamps


_SPACE = (o.SCALE, o.SIZE, o.WIDTH, o.HEIGHT, o.FIT)
_TIME = (o.FPS_MULT, o.FPS, o.SLOWMO)
_PART = (o.START, o.END, o.DEDUP, o.DEDUP_THRESHOLD)


@takes(o.FILE, *_SPACE, *_TIME, o.INPUT_FPS, *_PART, o.AS_JSON, o.DEBUG)
def probe(context: typer.Context, given: Given) -> None:
    """Show what is in a video, and what `upscale` would make of it."""
    if given[o.FILE] == STDIO:
        fix = "vinr upscale - -o - --dry-run shows what its beginning tells."
        raise UsageError("-", "would be used up by looking at it", fix)
    require_there(given[o.FILE])
    spec = o.job_of(given, given[o.FILE])
    asked = any(row in given for row in (*_SPACE, *_TIME, *_PART))
    media, times, event, notes = _look(spec, asked=asked)
    if given[o.AS_JSON]:
        planned = None if event is None else planned_object(event)
        tell_json(media_object(media, times) | {"planned": planned})
        return
    lines = media_lines(media, times)
    if event is not None:
        lines += ["planned:", *plan_lines(event, verbose=True)[1:]]
    tell("\n".join([*lines, *(f"  note: {note}" for note in notes)]))


def _look(
    spec: JobSpec, *, asked: bool
) -> "tuple[MediaInfo, Timestamps, Planned | None, tuple[str, ...]]":
    """The file, its times, the plan, and notes on it; no plan if the defaults are refused."""
    from vinr_cli.jobs.announce import planned
    from vinr_cli.jobs.planning import plan_upscale
    from vinr_cli.media.read import probe_source, scan_source

    try:
        plan = plan_upscale(spec)
    except (UsageError, EncoderError) as refusal:
        if asked:
            raise
        media = probe_source(spec.input, spec.input_rate)
        return media, scan_source(media), None, (str(refusal),)
    return plan.media, plan.timestamps, planned(plan), plan.remarks
