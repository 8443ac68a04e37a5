"""Finished parts to the one checked file, or the pictures, under the final name."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vinr_cli.errors import OutputError, OutputExistsError
from vinr_cli.events import Finished, Notice, Reporter
from vinr_cli.files import publish
from vinr_cli.jobs.decisions import tags
from vinr_cli.jobs.ledger import Ending, unfinished
from vinr_cli.jobs.pictures import place_pictures, require_pictures
from vinr_cli.jobs.plan import Plan, Target
from vinr_cli.media.join import check, check_sound, finish
from vinr_cli.media.pictures import check_webp
from vinr_cli.plan.timeline import slow_factor

if TYPE_CHECKING:
    from vinr_cli.jobs.render import Rendered


def made(plan: Plan, ending: Ending, rendered: "Rendered") -> Finished:
    """The event that ends a job; its seconds are not counted yet."""
    return Finished(
        output=plan.output,
        frames=ending.frames_out,
        duration=ending.duration,
        seconds=0.0,
        stage_seconds=rendered.stage_seconds,
        losses=rendered.losses,
    )


def complete(
    plan: Plan,
    ending: Ending,
    parts: Sequence[Path],
    place: Path,
    report: Reporter,
    *,
    before: Callable[[Path], None] = lambda _: None,
) -> None:
    """Make of finished parts what has the final name, and give it that name.

    Args:
        plan: The job.
        ending: What is known of its end.
        parts: All of them, in order.
        place: A folder on the output's disk.
        report: Told notices.
        before: Called with the finished file, just before it gets its name.

    Raises:
        VinrError: It cannot be written, or is not as planned.
    """
    if plan.target is Target.PICTURES:
        _place(plan, ending, parts, place)
        return
    whole = unfinished(place, plan.output.suffix)
    try:
        _assemble(plan, ending, parts, whole, report)
        before(whole)
        rename_whole(plan, whole)
    finally:
        whole.unlink(missing_ok=True)


def _place(plan: Plan, ending: Ending, parts: Sequence[Path], place: Path) -> None:
    """Parts to pictures under their final names."""
    spec = plan.spec
    require_pictures(plan.output, spec.input, overwrite=spec.overwrite)
    (comment,) = tags(plan).values()
    place_pictures(
        plan.output, list(parts), place, frames=ending.frames_out, size=plan.stored, comment=comment
    )


def _assemble(
    plan: Plan, ending: Ending, parts: Sequence[Path], whole: Path, report: Reporter
) -> None:
    """Put the picture and the source's other tracks together, and read the result back."""
    spec = plan.spec
    notices: list[str] = []
    streams = finish(
        parts,
        plan.media,
        whole,
        decisions=plan.tracks,
        tags=tags(plan),
        shift=ending.shift,
        kept_span=plan.window.kept_span,
        stretch=slow_factor(spec.rate),
        ffmpeg=plan.encoder.ffmpeg,
        notices=notices,
        last_duration=ending.last_hold,
        container=plan.encoder.container,
    )
    for text in notices:
        report(Notice(text, str(spec.input)))
    if not plan.encoder.container.decodes:
        frames, duration = ending.frames_out, ending.duration
        check_webp(whole, frames=frames, duration=duration, size=plan.stored)
        return
    check(
        whole,
        frames=ending.frames_out,
        duration=ending.duration,
        tolerance=ending.longest,
        size=plan.stored,
        streams=streams,
    )
    if "audio" in streams:
        heard = spec.input if plan.media.reopens else None
        told = check_sound(whole, heard, plan.window.kept_span)
        if told:
            report(Notice(told, str(spec.input)))


def rename_whole(plan: Plan, whole: Path) -> None:
    """Give the finished file its final name, for good."""
    if os.path.lexists(plan.output) and not plan.spec.overwrite:
        raise OutputExistsError(
            plan.output, "appeared while the job ran", "Use --overwrite, or another name with -o."
        )
    try:
        publish(whole, plan.output)
    except OSError as error:
        raise OutputError(plan.output, f"cannot be written: {error.strerror}") from error
