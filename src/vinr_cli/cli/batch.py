"""Several inputs in one run: where each result goes, and how a failure of one is told."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vinr_cli.cli.console import tell
from vinr_cli.cli.names import Found
from vinr_cli.cli.options import local
from vinr_cli.cli.pace import Batch
from vinr_cli.cli.report import JsonReports, Reports, plan_lines
from vinr_cli.errors import (
    IncompleteError,
    Interrupted,
    OptionError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from vinr_cli.events import Notice
from vinr_cli.media.base import FORMATS, default_suffix
from vinr_cli.plan.job import STDIO, JobSpec

SOME_FAILED = 1
"""Exit code of a batch in which at least one input failed."""

PICTURES = "%05d.png"
"""Names of the pictures in a folder."""

Job = Callable[[JobSpec, Reports], object]
_NONE: Mapping[Path, int] = {}


def settle_output(
    output: str | None, inputs: Sequence[Path], form: str | None = None, *, create: bool = True
) -> Path | None:
    """What `-o` means: a file for one input, or a folder.

    Args:
        output: The option's text; a slash at its end says that it is a folder.
        inputs: The inputs.
        form: The format, if it was asked for: one input's pictures go right into the folder.
        create: Whether a missing folder with such a slash is made.

    Returns:
        The path; None if the option is not given.

    Raises:
        UsageError: empty, or several inputs and no folder.
        OutputError: the folder cannot be made.
    """
    if output is None:
        return None
    if not output:
        raise UsageError("-o", "names nothing", "Give a file or a folder.")
    path = local(output)
    if path == STDIO:
        if len(inputs) > 1:
            cause = f"is one stream, and there are {len(inputs)} inputs"
            raise UsageError("-o -", cause, "Give them in separate runs.")
        return path
    if is_folder(output) and create and not path.is_dir():
        _make_folder(path)
    if len(inputs) > 1 and not is_folder(output):
        fix = "Create it, or end its name with a slash."
        raise UsageError(f"-o {output}", f"is no folder, and there are {len(inputs)} inputs", fix)
    if form and FORMATS[form][0].pictures and len(inputs) == 1 and is_folder(output):
        return path / PICTURES
    return path


def is_folder(output: str | None) -> bool:
    """Whether an output is a folder: it is there, or ends with a slash."""
    return output is not None and (output.endswith((os.sep, "/")) or local(output).is_dir())


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise OutputError(path, f"cannot be created: {error.strerror}") from error


def spread(spec: JobSpec, found: Sequence[Found], *, folder: bool) -> list[JobSpec]:
    """One job for each input.

    Args:
        spec: What is asked for.
        found: The inputs.
        folder: Whether the output is a folder; results lie in it as the inputs do in theirs.

    Raises:
        UsageError: two results could get the same name, or standard input is one of several.
    """
    if len(found) > 1 and any(other.path == STDIO for other in found):
        raise UsageError("-", "is standard input, and stands alone", "Give the others apart.")
    seen: dict[tuple[Path, str, str], Path] = {}
    specs = []
    for one in found:
        path, output = one.path, spec.output
        if output is not None and folder:
            output /= one.below
        place = (output or path.parent, path.stem, default_suffix(path))
        other = seen.setdefault(place, path)
        if other is not path:
            cause = f"would get the same output name as {other}"
            raise UsageError(path, cause, "Give them in separate runs, with -o.")
        specs.append(replace(spec, input=path, output=output))
    return specs


def into_folder(job: Job) -> Job:
    """The same job, whose output is a folder that is made first if it is missing."""

    def made(spec: JobSpec, reports: Reports) -> None:
        if spec.output is not None and not spec.output.is_dir():
            _make_folder(spec.output)
        job(spec, reports)

    return made


def run_batch(
    specs: Sequence[JobSpec],
    job: Job,
    reports: Reports,
    bad: Mapping[Path, int] = _NONE,
    work: Sequence[float] = (),
) -> int:
    """Do one job after the other; a failure does not stop the rest.

    In a batch, an input whose output exists is done: it is skipped.

    Args:
        specs: The jobs.
        job: Does one of them.
        reports: Told everything.
        bad: Inputs that have no job, because they cannot be read, and the exit codes of that.
        work: How much there is to do for each job, in one unit; 0 or nothing where unknown.

    Returns:
        The exit code: 0, the failure's own if there is one input, else `SOME_FAILED`.

    Raises:
        Interrupted, KeyboardInterrupt: nothing more is to be done.
        OptionError: every job would fail alike.
    """
    failed = list(bad)
    skipped: list[Path] = []
    code = next(iter(bad.values()), 0)
    alone = len(specs) + len(bad) == 1
    reports.batch = Batch(work or [0.0] * len(specs))
    for place, spec in enumerate(specs):
        reports.batch.begin(place)
        try:
            job(spec, reports)
        except (Interrupted, OptionError):
            raise
        except OutputExistsError as error:
            if alone:
                return reports.failed(spec.input, error)
            # A final name belongs to a finished file: an earlier run of the batch made it.
            reports.skipped(spec.input, error)
            skipped.append(spec.input)
        except Exception as error:  # a bug in one job must not stop the others
            code = reports.failed(spec.input, error)
            failed.append(spec.input)
    if alone:
        return code
    reports.summary(len(specs) + len(bad) - len(failed) - len(skipped), failed, skipped)
    return SOME_FAILED if failed else 0


def do_job(spec: JobSpec, reports: Reports) -> None:
    """Make one video.

    Raises:
        IncompleteError: it is finished, but some of the source was lost.
    """
    from vinr_cli.jobs.run import run_job

    if spec.output == STDIO and isinstance(reports, JsonReports):
        raise UsageError("--json", "writes to standard output, and so does -o -", "Give one.")
    finished = run_job(spec, reports, reports.session.stop)
    if finished.losses:
        more = f" and {len(finished.losses) - 1} more" if len(finished.losses) > 1 else ""
        raise IncompleteError(
            finished.output,
            f"is finished, but the source is damaged: {finished.losses[0]}{more}",
            "--strict stops at such a place instead.",
        )


def show_plan(spec: JobSpec, reports: Reports, *, folder: bool = False) -> None:
    """Say what `do_job` would do; fails where that would be refused.

    Args:
        spec: The job.
        reports: Gets the plan, if they are for programs, and what there is to note.
        folder: Whether the output is a folder, which may be missing: a dry run makes none.
    """
    from vinr_cli.jobs.announce import planned
    from vinr_cli.jobs.planning import plan_upscale
    from vinr_cli.jobs.run import is_piped, plan_job

    if folder and not is_piped(spec) and spec.output is not None and not spec.output.is_dir():
        plan = plan_upscale(replace(spec, output=None))
        name = Path(*plan.output.parts[-2 if plan.encoder.container.pictures else -1 :])
        plan = replace(plan, output=spec.output / name)
    else:
        plan = plan_job(spec)
    event = planned(plan)
    if isinstance(reports, JsonReports):
        reports(event)
    else:
        tell("\n".join(plan_lines(event, verbose=True)))
    for text in plan.notices:
        reports(Notice(text, str(spec.input)))
