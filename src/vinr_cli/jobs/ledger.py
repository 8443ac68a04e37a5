"""What of a job is done: a work folder with its manifest, and a record beside each part.

::

    out.mp4.vinr/
      lock                    see `lock`
      job.json                whose parts these are, written once
      job.json.done           which finished file the parts became, just before it gets its name
      00000000-00000120.mov   a finished part: source frames [0, 120)
      00000000-00000120.json  its record: frames, size, hash, what was lost

Every JSON file is replaced whole (`files`), so a crash leaves the old one or the new one. A part
gets its name only when it is closed and counted, and counts only with a record that fits it.
Records carry the job's digest: parts outlive a damaged `job.json`.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from vinr_cli.errors import OutputError, VinrError
from vinr_cli.files import UNFINISHED, write_json
from vinr_cli.plan.segments import PartGrid, Span, disjoint, missing
from vinr_cli.untrusted import as_fraction, as_text, as_whole, is_entry, read_object

FORMAT = 1
"""Version of these files."""
_JOB = "job.json"
_DONE = "job.json.done"
"""Behind all others in the order of names, so that it is deleted last."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known once the last source frame has been seen; all times in seconds.

    Attributes:
        frames_in: Source frames.
        frames_out: Output frames.
        shift: As `Streamed.shift`.
        duration: As `Streamed.duration`.
        last_hold: As `Streamed.last_hold`.
        longest: As `Streamed.longest`.
    """

    frames_in: int
    frames_out: int
    shift: Fraction
    duration: Fraction
    last_hold: Fraction
    longest: Fraction


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part.

    Attributes:
        start: First source frame whose pair is in it.
        stop: First source frame whose pair is not.
        frames: Output frames in it.
        file: Its name in the work folder; empty if no output frame falls into the span.
        size: Bytes.
        sha256: Of all of them, in hexadecimal.
        losses: What of the source could not be decoded there, a line each.
        ending: Given by the job's last part.
    """

    start: int
    stop: int
    frames: int
    file: str
    size: int
    sha256: str
    losses: tuple[str, ...] = ()
    ending: Ending | None = None

    @property
    def span(self) -> Span:
        """Its source frames."""
        return (self.start, self.stop)


class Ledger:
    """The work folder of one job, while its lock is held.

    Args:
        folder: The work folder.
        subject: What errors are about: the output.
        digest: Of the job's fingerprint.
        grid: Where parts may end.
        parts: What is finished.

    Attributes:
        notices: What was found damaged, for people.
    """

    def __init__(
        self, folder: Path, subject: Path, digest: str, grid: PartGrid, parts: list[Part]
    ) -> None:
        self.folder = folder
        self.grid = grid
        self.notices: list[str] = []
        self._subject = subject
        self._digest = digest
        self._parts = parts

    @classmethod
    def open(
        cls, folder: Path, subject: Path, fingerprint: Mapping[str, str], grid: PartGrid
    ) -> Self:
        """Read a work folder, or begin it; its finished parts are verified.

        Args:
            folder: The work folder; it exists, and its lock is held.
            subject: What errors are about: the output.
            fingerprint: Everything that decides what the parts hold, by the name that people
                are told.
            grid: For a job that begins; one that goes on keeps its own.

        Raises:
            OutputError: the folder holds parts of a different job, or cannot be used.
        """
        digest = digest_of(fingerprint)
        notices: list[str] = []
        try:
            found = _read(folder / _JOB)
            _refuse_another(folder, subject, found, fingerprint)
            known = None if found is None else _grid(found)
            if known is not None:
                grid = known
            else:
                torn = (folder / _JOB).exists()
                if torn and any(r.get("job") != digest for _, r in _records(folder)):
                    raise OutputError(
                        subject,
                        f"{folder / _JOB} is damaged, and its parts are of another job",
                        "--restart deletes them and starts anew.",
                    )
                if torn:
                    notices.append(f"{folder / _JOB} was damaged; the parts themselves are kept")
                job = {"format": FORMAT, "job": dict(fingerprint), "grid": asdict(grid)}
                write_json(folder / _JOB, job)
            ledger = cls(folder, subject, digest, grid, [])
            ledger.notices = notices
            ledger._verify()
        except OSError as error:
            raise _unusable(folder, error) from error
        return ledger

    @property
    def parts(self) -> tuple[Part, ...]:
        """The finished parts, in order."""
        return tuple(sorted(self._parts, key=lambda part: part.start))

    @property
    def ending(self) -> Ending | None:
        """What the last part says; None while it is not there."""
        return next((p.ending for p in self._parts if p.ending is not None), None)

    def gaps(self) -> list[tuple[int, int | None]]:
        """What is still to do, in spans of source frames; empty when all is done."""
        ending = self.ending
        spans = [part.span for part in self._parts]
        return missing(spans, None if ending is None else ending.frames_in)

    def scratch(self, start: int, suffix: str) -> Path:
        """A name for an unfinished part that no other run uses, not even one that was killed.

        A killed run may leave an encoder that goes on writing for a moment: into its own file.
        """
        return self.folder / f"{start:08d}-{secrets.token_hex(4)}{UNFINISHED}{suffix}"

    def keep(
        self,
        span: Span,
        frames: int,
        scratch: Path | None,
        losses: tuple[str, ...],
        ending: Ending | None,
    ) -> Part:
        """Give a closed part its name and write its record, in this order, each synced.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        start, stop = span
        name, size, sha256 = "", 0, ""
        try:
            if scratch is not None:
                size, sha256 = _digest_file(scratch, sync=True)
                name = f"{start:08d}-{stop:08d}{scratch.suffix}"
                os.replace(scratch, self.folder / name)
            part = Part(start, stop, frames, name, size, sha256, losses, ending)
            write_json(self._record(part), {"job": self._digest, **_plain(part)})
        except OSError as error:
            raise _unusable(self.folder, error) from error
        self._parts.append(part)
        return part

    def _record(self, part: Part) -> Path:
        return self.folder / f"{part.start:08d}-{part.stop:08d}.json"

    def _verify(self) -> None:
        """Take over the parts whose files are as recorded; name those that are not."""
        for path, record in _records(self.folder):
            part = _part(record) if record.get("job") == self._digest else None
            if part is None:
                self.notices.append(f"the record {path} is damaged: its part is made again")
            elif not disjoint([part.span, *(p.span for p in self._parts)]):
                self.notices.append(f"the record {path} contradicts another: it is not used")
            elif part.file and not self._is_whole(part):
                self.notices.append(f"the part {self.folder / part.file} is damaged: made again")
            else:
                self._parts.append(part)

    def _is_whole(self, part: Part) -> bool:
        path = self.folder / part.file
        try:
            return path.stat().st_size == part.size and _digest_file(path) == (
                part.size,
                part.sha256,
            )
        except OSError:
            return False


def clean(folder: Path) -> None:
    """Remove what a killed run left unfinished; the folder's lock is held.

    Raises:
        OutputError: something cannot be deleted.
    """
    try:
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.name.startswith(".vinr-") and path.is_dir():  # of the muxer
                shutil.rmtree(path)
            elif UNFINISHED in path.suffixes:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error


def unfinished(folder: Path, suffix: str) -> Path:
    """A name in a work folder for the finished file before it gets its own."""
    return folder / f"whole-{secrets.token_hex(4)}{UNFINISHED}{suffix}"


def discard(folder: Path) -> None:
    """Delete all that a job has in its work folder but the lock, and the folder if it can go.

    Raises:
        OutputError: something cannot be deleted.
    """
    try:
        for path in _ours(folder):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # the lock is in it, or what is not ours
            folder.rmdir()
    except OSError as error:
        raise _unusable(folder, error) from error


def write_done(folder: Path, record: Mapping[str, Any]) -> None:
    """Write which file the parts of a work folder became.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        write_json(folder / _DONE, record)
    except OSError as error:
        raise _unusable(folder, error) from error


def read_done(folder: Path) -> dict[str, Any]:
    """What `write_done` wrote; empty if there is nothing that can be read."""
    try:
        return _read(folder / _DONE) or {}
    except OSError:
        return {}


def digest_of(fingerprint: Mapping[str, str]) -> str:
    """One hash of all its names and values."""
    text = json.dumps(sorted(fingerprint.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _digest_file(path: Path, *, sync: bool = False) -> tuple[int, str]:
    """Size and SHA-256 of a file, which is synced to the disk if wanted."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        size = file.tell()
    if sync:
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    return size, digest.hexdigest()


def _ours(folder: Path) -> Iterator[Path]:
    """The files of a job, except for the lock."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        head = path.name.split(".")[0].split("-")
        if path.name.startswith(_JOB) or (len(head) == 2 and head[0].isdecimal()):
            yield path


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None if there is none or it is torn."""
    with suppress(FileNotFoundError, ValueError):
        return read_object(path)
    return None


def _records(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every record file with what it says; nothing if it is torn."""
    for path in sorted(folder.glob("*-*.json")):
        yield path, _read(path) or {}


def _refuse_another(
    folder: Path, subject: Path, found: dict[str, Any] | None, fingerprint: Mapping[str, str]
) -> None:
    """Refuse a folder that holds the parts of another job, naming every difference."""
    if found is None:
        return
    if found.get("format") != FORMAT or not isinstance(found.get("job"), dict):
        raise OutputError(
            subject,
            f"{folder} was written by another version of vinr",
            "Use that one, or --restart to delete its parts and start anew.",
        )
    before: dict[str, str] = found["job"]
    names = [n for n in {**before, **fingerprint} if before.get(n) != fingerprint.get(n)]
    if names:
        what = "; ".join(
            f"{n} was {before.get(n, 'not set')}, is {fingerprint.get(n, 'not set')}" for n in names
        )
        raise OutputError(
            subject,
            f"{folder} holds the parts of a different run: {what}",
            "Give what was given then, or --restart to delete the parts and start anew.",
        )


def _plain(part: Part) -> dict[str, Any]:
    """A record as JSON takes it; fractions as text."""
    found = asdict(part)
    if part.ending is not None:
        found["ending"] = {
            k: str(v) if isinstance(v, Fraction) else v for k, v in asdict(part.ending).items()
        }
    return found


def _part(record: Mapping[str, Any]) -> Part | None:
    """A record read back; None if it is none."""
    try:
        file, ending = as_text(record["file"]), record["ending"]
        if file and not is_entry(file):
            return None
        return Part(
            start=as_whole(record["start"]),
            stop=as_whole(record["stop"], record["start"]),
            frames=as_whole(record["frames"]),
            file=file,
            size=as_whole(record["size"]),
            sha256=as_text(record["sha256"]),
            losses=tuple(as_text(line) for line in record["losses"]),
            ending=None if ending is None else _ending(ending),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _ending(record: Mapping[str, Any]) -> Ending:
    """The end of a video, read back.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return Ending(
        frames_in=as_whole(record["frames_in"]),
        frames_out=as_whole(record["frames_out"]),
        shift=as_fraction(record["shift"]),
        duration=as_fraction(record["duration"]),
        last_hold=as_fraction(record["last_hold"]),
        longest=as_fraction(record["longest"]),
    )


def _grid(record: Mapping[str, Any]) -> PartGrid | None:
    """Where the parts of a job may end; None where its record does not say."""
    try:
        step = as_whole(record["grid"]["step"])
        return PartGrid(step, as_whole(record["grid"]["slack"], most=max(0, step - 1)))
    except (KeyError, TypeError, ValueError):
        return None


def _unusable(folder: Path, error: OSError) -> VinrError:
    cause = f"the work folder cannot be used: {error.strerror or error}"
    return OutputError(folder, cause, "Make room, or choose another place with --work-dir.")
