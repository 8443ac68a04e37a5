"""`vinr upscale`: one input to one checked output under its final name."""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vinr_cli.errors import Interrupted, OutputError, OutputExistsError
from vinr_cli.events import Event, Finished, Notice, Planned, Reporter, silent
from vinr_cli.jobs.decisions import details, tags
from vinr_cli.jobs.disk import check_space
from vinr_cli.jobs.done import finished_before, remember
from vinr_cli.jobs.fingerprint import fingerprint
from vinr_cli.jobs.ledger import Ending, Ledger, clean, discard, sync_folder, unfinished
from vinr_cli.jobs.lock import Lock, hold
from vinr_cli.jobs.pictures import make_folder, place_pictures, require_pictures
from vinr_cli.jobs.plan import Plan, Target
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.jobs.stop import Stop
from vinr_cli.jobs.target import require_target
from vinr_cli.media.base import NAME_BYTES
from vinr_cli.media.join import check, check_sound, finish
from vinr_cli.media.pictures import check_webp
from vinr_cli.plan.job import JobSpec
from vinr_cli.plan.segments import choose_grid
from vinr_cli.plan.timeline import slow_factor

if TYPE_CHECKING:
    from vinr_cli.jobs.render import Rendered, Workshop

BEAT_SECONDS = 10.0
"""Least time between two signs of life in the lock."""
_WORK = ".vinr"
"""What a work folder's name adds to the output's."""

__all__ = ["Plan", "plan_upscale", "require_target", "run_upscale"]


def run_upscale(spec: JobSpec, report: Reporter = silent, stop: Stop | None = None) -> Finished:
    """Do the whole job: plan, render what is missing, add the source's other tracks, check, rename.

    Everything that can be refused is refused before the first frame is computed, and whatever
    does not need torch before torch is loaded. Until the last step there is only the work folder;
    finished parts stay in it whatever happens, and the same call goes on with them. The final name
    is as it was until its file is complete and has been decoded from start to end.

    Args:
        spec: What is asked for.
        report: Told `Planned` once, then notices and progress, then `Finished`; from this thread.
        stop: Asks to stop while frames are made; None never does.

    Returns:
        The last event.

    Raises:
        Interrupted: `stop` asked; what was made is kept.
        VinrError: one of the tree in `errors`, naming file, cause and fix.
    """
    start = time.perf_counter()
    plan = plan_upscale(spec)
    place, store = work_folders(plan)
    try:
        require_target(plan)
    except OutputExistsError:
        before = finished_before(plan, place, store)
        if before is None:
            raise
        report(Notice("an earlier run has finished it; what it left is removed", str(spec.input)))
        report(before)
        return before
    marks = fingerprint(plan)
    if plan.target is Target.PICTURES:
        make_folder(plan.output)
    with hold(place, plan.output) as lock:
        from vinr_cli.jobs.render import open_workshop  # noqa: PLC0415 - torch loads only now

        workshop = open_workshop(plan, report)
        plan = replace(plan, worker=workshop.worker)
        report(planned(plan))
        for text in plan.notices:
            report(Notice(text, str(spec.input)))
        ledger = _open_ledger(plan, place, store, marks, workshop)
        _tell_state(plan, ledger, lock, report)
        try:
            _tell_space(plan, place, ledger, report)
            rendered = _render(plan, workshop, ledger, _beating(report, lock), stop or Stop())
            finished = _finish(plan, ledger, rendered, place, marks, start=start, report=report)
        finally:
            if not ledger.parts:
                discard(store)
        discard(store)
    report(finished)
    return finished


def work_folders(plan: Plan) -> tuple[Path, Path]:
    """(the folder with the job's lock, beside the output; the folder with its parts).

    They are one, unless the user wants the parts elsewhere.
    """
    output = plan.output.absolute()
    mark = hashlib.sha256(os.fsencode(output)).hexdigest()[:8]
    name = f"{output.name}{_WORK}"
    if len(os.fsencode(name)) > NAME_BYTES:
        name = f"{mark}{_WORK}"
    place = output.parent / name
    if plan.spec.work_dir is None:
        return place, place
    other = f"{mark}-{name}"
    if len(os.fsencode(other)) > NAME_BYTES:
        other = f"{mark}{_WORK}"
    return place, plan.spec.work_dir.absolute() / other


def _open_ledger(
    plan: Plan, place: Path, store: Path, marks: dict[str, str], workshop: "Workshop"
) -> Ledger:
    """The job's work folder, cleaned of what a killed run left."""
    spec = plan.spec
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(store, f"cannot be created: {error.strerror}") from error
    for folder in {place, store}:
        clean(folder)
    if spec.restart:
        discard(store)
        store.mkdir(exist_ok=True)
    grid = choose_grid(
        plan.window.frames,
        plan.frames,
        plan.size,
        accelerated=workshop.device != "cpu",
        frames=spec.part_frames,
    )
    return Ledger.open(store, plan.output, marks, grid)


def _tell_state(plan: Plan, ledger: Ledger, lock: Lock, report: Reporter) -> None:
    """Say what an earlier run left."""
    subject = str(plan.spec.input)
    for text in ledger.notices:
        report(Notice(text, subject))
    if lock.stale:
        report(Notice(f"an earlier run ({lock.stale}) ended without a word", subject))
    done = sum(part.frames for part in ledger.parts)
    if ledger.parts:
        text = f"going on: {done} of {plan.frames} frames are finished already"
        report(Notice(text, subject))


def _tell_space(plan: Plan, place: Path, ledger: Ledger, report: Reporter) -> None:
    """Say, or refuse, if the disk may be too small."""
    done = sum(part.frames for part in ledger.parts)
    short = check_space(plan, place, ledger.folder, done)
    if short:
        report(Notice(short, str(plan.spec.input)))


def _beating(report: Reporter, lock: Lock) -> Reporter:
    """The same reporter, and now and then a sign of life in the lock."""
    last = time.monotonic()

    def beat(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > BEAT_SECONDS:
            last = now
            lock.beat()
        report(event)

    return beat


def _render(
    plan: Plan, workshop: "Workshop", ledger: Ledger, report: Reporter, stop: Stop
) -> "Rendered":
    """Make the missing parts, unless somebody asks to stop."""
    from vinr_cli.jobs.render import render_parts  # noqa: PLC0415

    with stop.heed():
        rendered = render_parts(plan, workshop, ledger, report, lambda: stop.requested)
    if rendered.ending is None:
        done = sum(part.frames for part in ledger.parts)
        raise Interrupted(
            plan.output,
            f"stopped; {done} of {plan.frames} frames are finished and kept in {ledger.folder}",
            "Give the same command again to go on.",
        )
    return rendered


def _finish(
    plan: Plan,
    ledger: Ledger,
    rendered: "Rendered",
    place: Path,
    marks: dict[str, str],
    *,
    start: float,
    report: Reporter,
) -> Finished:
    """Parts to the finished file under its name."""
    ending = rendered.ending
    if ending is None:
        raise ValueError("the job is not complete")
    if ending.frames_out != plan.frames:
        cause = f"{ending.frames_out} frames were made, {plan.frames} were expected"
        report(Notice(cause, str(plan.spec.input)))
    parts = [ledger.folder / part.file for part in ledger.parts if part.file]
    finished = Finished(
        output=plan.output,
        frames=ending.frames_out,
        duration=ending.duration,
        seconds=0.0,
        stage_seconds=rendered.stage_seconds,
        losses=rendered.losses,
    )
    complete(
        plan, ending, parts, place, report,
        before=lambda whole: remember(ledger.folder, whole, marks, finished),
    )  # fmt: skip
    return replace(finished, seconds=time.perf_counter() - start)


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


def planned(plan: Plan) -> Planned:
    """The event that tells a plan; until there is a worker, its device is as asked for."""
    spec, video = plan.spec, plan.media.video
    window = plan.window
    mean = None if window.duration <= 0 else Fraction(window.frames) / window.duration
    return Planned(
        input=spec.input,
        output=plan.output,
        source_size=(video.width, video.height),
        output_size=plan.stored,
        source_rate=window.rate or mean,
        output_rate=plan.rate,
        frames_in=window.frames or None,
        frames_out=plan.frames or None,
        model=spec.model,
        device=spec.device if plan.worker is None else plan.worker.device,
        details=details(plan),
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
        with whole.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(whole, plan.output)
    except OSError as error:
        raise OutputError(plan.output, f"cannot be written: {error.strerror}") from error
    sync_folder(plan.output.parent)
