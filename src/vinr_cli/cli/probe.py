"""`vinr probe`: what vinr sees in a file, and what it would make of it."""

import json
from typing import TYPE_CHECKING

import vinr_cli.cli.options as o
from vinr_cli.cli.console import tell
from vinr_cli.cli.describe import media_lines, media_object
from vinr_cli.cli.report import plan_lines, planned_object
from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.plan.job import STDIO, JobSpec
from vinr_cli.plan.request import settle_request

if TYPE_CHECKING:
    from vinr_cli.events import Planned
    from vinr_cli.media.read import MediaInfo, Timestamps


def probe(
    file: o.OneInput,
    scale: o.Scale = None,
    size: o.Size = None,
    width: o.Width = None,
    height: o.Height = None,
    fps_mult: o.FpsMult = None,
    fps: o.Fps = None,
    slowmo: o.Slowmo = None,
    input_fps: o.InputFps = None,
    start: o.Start = None,
    end: o.End = None,
    dedup: o.Dedup = False,
    dedup_threshold: o.DedupThreshold = None,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Show what is in a video, and what `upscale` would make of it."""
    if file == STDIO:
        fix = "vinr upscale - -o - --dry-run shows what its beginning tells."
        raise UsageError("-", "would be used up by looking at it", fix)
    wanted, rate = settle_request(
        scale=scale, size=size, width=width, height=height,
        fps_mult=fps_mult, fps=fps, slowmo=slowmo,
    )  # fmt: skip
    repeats = o.repeat_threshold(dedup, dedup_threshold)
    spec = JobSpec(
        input=file, size=wanted, rate=rate, input_rate=input_fps, start=start, end=end,
        repeat_threshold=repeats,
    )  # fmt: skip
    wishes = (scale, size, width, height, fps_mult, fps, slowmo, start, end, repeats)
    asked = any(wish is not None for wish in wishes)
    media, times, event, notes = _look(spec, asked=asked)
    if as_json:
        planned = None if event is None else planned_object(event)
        tell(json.dumps(media_object(media, times) | {"planned": planned}))
        return
    lines = media_lines(media, times)
    if event is not None:
        lines += ["planned:", *plan_lines(event, verbose=True)[1:]]
    tell("\n".join([*lines, *(f"  note: {note}" for note in notes)]))


def _look(
    spec: JobSpec, *, asked: bool
) -> "tuple[MediaInfo, Timestamps, Planned | None, tuple[str, ...]]":
    """The file, its times, the plan, and notes on it; no plan if the defaults are refused."""
    from vinr_cli.jobs.file_job import plan_upscale, planned
    from vinr_cli.media.read import probe_source, scan_source

    try:
        plan = plan_upscale(spec)
    except (UsageError, EncoderError) as refusal:
        if asked:
            raise
        media = probe_source(spec.input, spec.input_rate)
        return media, scan_source(media), None, (str(refusal),)
    return plan.media, plan.timestamps, planned(plan), plan.remarks
