"""`vinr upscale`: one input to one checked output under its final name."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vinr_cli.errors import OutputError
from vinr_cli.events import Finished, Notice, Planned, Reporter, silent
from vinr_cli.jobs.plan_upscale import Plan, plan_upscale, require_target
from vinr_cli.media.mux import check, finish, temporary_name
from vinr_cli.plan.job import JobSpec, RateKind, SlowAudio
from vinr_cli.plan.naming import decimal

if TYPE_CHECKING:
    from vinr_cli.engine.stream import Streamed
    from vinr_cli.jobs.render import Workshop

__all__ = ["Plan", "plan_upscale", "require_target", "run_upscale"]


def run_upscale(spec: JobSpec, report: Reporter = silent) -> Finished:
    """Do the whole job: plan, render, add the source's other tracks, check, rename.

    Everything that can be refused is refused before the first frame is computed, and whatever
    does not need torch before torch is loaded. Until the last step only hidden files beside the
    output exist; they are gone afterwards, also after a failure or KeyboardInterrupt, and then the
    final name is as it was before.

    Args:
        spec: What is asked for.
        report: Told `Planned` once, then notices and progress, then `Finished`; from this thread.

    Returns:
        The last event.

    Raises:
        VinrError: one of the tree in `errors`, naming file, cause and fix.
    """
    start = time.perf_counter()
    plan = plan_upscale(spec)
    require_target(plan)
    from vinr_cli.jobs.render import open_workshop, render  # noqa: PLC0415 - torch loads only now

    workshop = open_workshop(plan, report)
    report(planned(plan, workshop))
    for text in plan.notices:
        report(Notice(text, str(spec.input)))
    with _temporary_files(plan.output) as (part, whole):
        streamed = render(plan, workshop, part, report)
        if streamed.frames_out != plan.frames:
            cause = f"{streamed.frames_out} frames were made, {plan.frames} were expected"
            report(Notice(cause, str(spec.input)))
        _assemble(plan, streamed, part, whole, report)
        _rename(plan, whole)
    finished = Finished(
        output=plan.output,
        frames=streamed.frames_out,
        duration=streamed.duration,
        seconds=time.perf_counter() - start,
        stage_seconds=streamed.stage_seconds,
    )
    report(finished)
    return finished


def planned(plan: Plan, workshop: "Workshop | None" = None) -> Planned:
    """The event that tells a plan.

    Args:
        plan: The plan.
        workshop: What does the work; None before it is opened: then the device is as asked for.
    """
    spec, video = plan.spec, plan.media.video
    window = plan.window
    mean = None if window.duration <= 0 else Fraction(window.frames) / window.duration
    return Planned(
        input=spec.input,
        output=plan.output,
        source_size=(video.width, video.height),
        output_size=plan.size,
        source_rate=window.rate or mean,
        output_rate=plan.rate,
        frames_in=window.frames,
        frames_out=plan.frames,
        model=spec.model,
        device=spec.device if workshop is None else workshop.device,
        details=_details(plan, workshop),
    )


def _details(plan: Plan, workshop: "Workshop | None") -> tuple[tuple[str, str], ...]:
    """Every further decision, for people."""
    video, encoder, window = plan.media.video, plan.encoder, plan.window
    color = video.color
    matrix = color.tagged_matrix or f"{color.matrix} (untagged)"
    details = [
        ("rate", "constant" if window.rate is not None else "variable"),
        ("duration", f"{decimal(plan.duration)} s"),
        ("colour", f"{video.pix_fmt}, {matrix}, {'full' if color.full_range else 'studio'} range"),
        ("encoder", f"{encoder.encoder} {encoder.pix_fmt}"),
        ("container", encoder.container),
        ("scene cuts", _scenes(plan.spec.scene_threshold)),
        ("precision", "fp32" if plan.spec.precision == "auto" else plan.spec.precision),
    ]
    if workshop is not None and workshop.tiles > 1:
        details.append(("tiles", str(workshop.tiles)))
    if video.rotation:
        details.append(("rotation", f"{video.rotation} degrees"))
    return tuple(details)


def _scenes(threshold: float | None) -> str:
    """What is done about scene cuts, for people."""
    return "not looked for" if threshold is None else f"from {threshold:g} % change, not mixed"


def _assemble(plan: Plan, streamed: "Streamed", part: Path, whole: Path, report: Reporter) -> None:
    """Put the picture and the source's other tracks together, and read the result back."""
    spec = plan.spec
    slow = spec.rate.kind is RateKind.SLOW_MOTION
    notices: list[str] = []
    finish(
        part,
        plan.media,
        whole,
        audio=spec.audio and not (slow and spec.slow_audio is SlowAudio.DROP),
        shift=streamed.shift,
        cut=plan.window.cut,
        stretch=spec.rate.value if slow else None,
        ffmpeg=plan.encoder.ffmpeg,
        notices=notices,
        last_duration=streamed.last_hold,
        container=plan.encoder.container,
    )
    for text in notices:
        report(Notice(text, str(spec.input)))
    check(
        whole,
        frames=streamed.frames_out,
        duration=streamed.duration,
        tolerance=streamed.longest,
        size=plan.size,
    )


def _rename(plan: Plan, whole: Path) -> None:
    """Give the finished file its final name."""
    if os.path.lexists(plan.output) and not plan.spec.overwrite:
        raise OutputError(
            plan.output, "appeared while the job ran", "Use --overwrite, or another name with -o."
        )
    try:
        os.replace(whole, plan.output)
    except OSError as error:
        raise OutputError(plan.output, f"cannot be written: {error.strerror}") from error


@contextmanager
def _temporary_files(output: Path) -> Iterator[tuple[Path, Path]]:
    """Hidden names for (video part, whole file) beside the output.

    Whatever has them at the end is removed, whichever way the end comes.
    """
    part, whole = temporary_name(output), temporary_name(output)
    try:
        yield part, whole
    finally:
        for path in (part, whole):
            path.unlink(missing_ok=True)
