"""Inputs that are there: looked at before the first job begins, so that a slip is said at once."""

import os
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vinr_cli.cli.report import Reports
from vinr_cli.cli.suggest import near_file
from vinr_cli.errors import InputError, UsageError, VinrError
from vinr_cli.events import Notice
from vinr_cli.plan.job import STDIO, JobSpec

if TYPE_CHECKING:
    from vinr_cli.media.read import MediaInfo

_RESULT = re.compile(r"(?:^|\| )vinr \d[^;|]*; ")
"""How the comment of a result of vinr begins, behind what its source's says."""


def is_there(path: Path) -> bool:
    """Whether a name is that of a file, of a folder, or a pattern of files that are there."""
    if os.path.lexists(path):
        return True
    if "%" not in path.name or not path.parent.is_dir():
        return False
    from vinr_cli.media.base import parse_pattern

    pattern = parse_pattern(path)
    names = os.listdir(path.parent)
    return pattern is not None and any(pattern.number(name) is not None for name in names)


def is_result(path: Path) -> bool:
    """Whether a video can be read and says that vinr has made it."""
    from vinr_cli.media.read import probe

    try:
        return is_marked(probe(path))
    except VinrError:
        return False


def is_marked(media: "MediaInfo") -> bool:
    """Whether a video's comment says that vinr has made it; some formats have no place for one."""
    return any(k.lower() == "comment" and _RESULT.search(v) for k, v in media.metadata)


def require_there(path: Path, *, last: bool = False) -> None:
    """Refuse an input that is missing, and say what may have been meant.

    Args:
        path: An input; standard input and addresses pass.
        last: Whether it stands behind others, where an output may stand.

    Raises:
        InputError: there is no such file, folder or pattern.
    """
    if path == STDIO or re.match(r"\w+:/", str(path)) or is_there(path):
        return
    fix = near_file(path)
    if not fix and last:
        fix = "If it is to be the output, name it with -o."
    raise InputError(path, "no such file", fix)


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of the inputs before the first job begins.

    Attributes:
        sound: Jobs whose inputs can be read.
        work: For each of them how much there is to do: its pixels, of all frames; 0 if unknown.
        bad: The other inputs, with their exit codes.
    """

    sound: list[JobSpec]
    work: list[float]
    bad: dict[Path, int]


def check_inputs(
    specs: Sequence[JobSpec], reports: Reports, named: Container[Path] = (), *, results: bool = True
) -> Checked:
    """Open every input of a batch before the first job begins: a slip is no news of tomorrow.

    A single input that was named is opened by its job.

    Args:
        specs: The jobs.
        reports: Told what cannot be read, and what is left out.
        named: Inputs that were named alone, so they are meant whatever they are.
        results: Whether what vinr has made is taken too; else it is left out.

    Raises:
        UsageError: all inputs are left out.
    """
    checked = Checked([], [], {})
    left: list[Path] = []
    for spec in specs:
        last = spec is specs[-1] and len(specs) > 1 and spec.output is None
        try:
            require_there(spec.input, last=last)
            alone = len(specs) == 1 and spec.input in named
            media = None if alone or not is_there(spec.input) else _open(spec)
        except VinrError as error:
            checked.bad[spec.input] = reports.failed(spec.input, error)
            continue
        if media is not None and not results and is_marked(media):
            left.append(spec.input)
            continue
        checked.sound.append(spec)
        checked.work.append(0.0 if media is None else _work(media))
    if left:
        how = "1 result of vinr is" if len(left) == 1 else f"{len(left)} results of vinr are"
        text = f"{how} left out: --include-results takes them"
        if not checked.sound and not checked.bad:
            raise UsageError(left[0], text)
        reports(Notice(text, str(left[0])))
    return checked


def _open(spec: JobSpec) -> "MediaInfo":
    from vinr_cli.media.read import probe_source

    return probe_source(spec.input, spec.input_rate)


def _work(media: "MediaInfo") -> float:
    """Pixels of all frames, as far as the file tells."""
    video = media.video
    frames = (media.duration or 0) * (video.rate or 25)
    return float(frames * video.width * video.height)
