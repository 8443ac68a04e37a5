"""`vinr upscale`: one input to one checked output under its final name."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vinr_cli.errors import Interrupted, OutputError, OutputExistsError
from vinr_cli.events import Event, Finished, Notice, Reporter, silent
from vinr_cli.jobs.announce import open_announced
from vinr_cli.jobs.disk import check_space
from vinr_cli.jobs.done import finished_before, remember
from vinr_cli.jobs.fingerprint import fingerprint
from vinr_cli.jobs.finishing import complete, made
from vinr_cli.jobs.folders import work_folders
from vinr_cli.jobs.ledger import Ledger, clean, discard
from vinr_cli.jobs.lock import Lock, hold
from vinr_cli.jobs.pictures import make_folder
from vinr_cli.jobs.plan import Plan, Target
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.jobs.stop import Stop
from vinr_cli.jobs.target import require_target
from vinr_cli.plan.job import JobSpec
from vinr_cli.plan.segments import choose_grid

if TYPE_CHECKING:
    from vinr_cli.jobs.render import Rendered, Workshop

BEAT_SECONDS = 10.0
"""Least time between two signs of life in the lock."""


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
        plan, workshop = open_announced(plan, report)
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
    finished = made(plan, ending, rendered)
    complete(
        plan, ending, parts, place, report,
        before=lambda whole: remember(ledger.folder, whole, marks, finished),
    )  # fmt: skip
    return replace(finished, seconds=time.perf_counter() - start)
