"""One job of any kind: this module chooses the road, for the command line and for Python alike.

A job whose source and result are files or pictures is done in parts and can be resumed
(`file_job`); one with a pipe at an end streams (`stream_job`).
"""

from vinr_cli.events import Finished, Reporter, silent
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.plan import Plan
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.jobs.stop import Stop
from vinr_cli.jobs.stream_job import run_piped, show_piped
from vinr_cli.jobs.target import require_target
from vinr_cli.plan.job import STDIO, JobSpec


def is_piped(spec: JobSpec) -> bool:
    """Whether a job reads standard input or writes standard output."""
    return STDIO in (spec.input, spec.output)


def run_job(spec: JobSpec, report: Reporter = silent, stop: Stop | None = None) -> Finished:
    """Make one result of one source.

    Args:
        spec: What is asked for; `STDIO` as input or output is a pipe.
        report: Gets `Planned` once, then notices and progress, then `Finished`; from this thread.
        stop: Asks to stop while frames are made; None never does.

    Returns:
        The last event.

    Raises:
        Interrupted: `stop` asked; finished parts are kept, and what was written to a pipe is whole.
        ReaderGoneError: the reader of standard output has closed it.
        VinrError: one of the tree in `errors`, naming file, cause and fix.
    """
    run = run_piped if is_piped(spec) else run_upscale
    return run(spec, report, stop)


def plan_job(spec: JobSpec) -> Plan:
    """The plan of `run_job`, refused where that would be; nothing is computed or written.

    Of standard input as much is read as it takes to see its first frame.

    Raises:
        VinrError: as `run_job`.
    """
    if is_piped(spec):
        return show_piped(spec)
    plan = plan_upscale(spec)
    require_target(plan)
    return plan
