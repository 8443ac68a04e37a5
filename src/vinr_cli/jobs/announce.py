"""What a job says before its first frame, whichever road it takes."""

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from vinr_cli.events import Notice, Planned, Reporter
from vinr_cli.jobs.decisions import details
from vinr_cli.jobs.plan import Plan
from vinr_cli.plan.job import STDIO

if TYPE_CHECKING:
    from vinr_cli.jobs.render import Workshop


def open_announced(plan: Plan, report: Reporter) -> "tuple[Plan, Workshop]":
    """Load the weights, then report the plan with the device that does the work, and its notices.

    Returns:
        The plan with its worker, and what renders it.

    Raises:
        VinrError: weights or device are refused.
    """
    from vinr_cli.jobs.render import open_workshop  # noqa: PLC0415 - torch loads only now

    workshop = open_workshop(plan, report)
    plan = replace(plan, worker=workshop.worker)
    report(planned(plan))
    subject = plan.media.path if plan.spec.input == STDIO else plan.spec.input
    for text in plan.notices:
        report(Notice(text, str(subject)))
    return plan, workshop


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
