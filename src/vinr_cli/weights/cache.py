"""The weights that were fetched: a folder each, with a stamp that tells what must be in it.

::

    VINR_HOME, else the platform's cache folder for vinr
    ├── models/NAME/            one set: its file and stamp.json
    └── downloads/DIGEST.part   a broken download, to go on with

A folder of such folders is also what `--to` writes for a machine without network.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import platformdirs

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.digest import Digest
from vinr_cli.files import write_json
from vinr_cli.untrusted import LARGEST, as_text, as_whole, entry, read_object
from vinr_cli.weights.names import folder_name

STAMP = "stamp.json"
WEIGHTS = "model.safetensors"
CONFIG_KEY = "vinr.config"
"""Metadata key of a weights file under which its config's JSON is stored."""
CONFIG_FILE = "config.json"
"""The config beside a file that does not carry it, as the Hub's models have it."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is known of one fetched set of weights.

    Attributes:
        name: What `--model` calls it.
        path: The weights file.
        sha256: Of its bytes, taken when they were checked.
        size: Bytes.
        mtime_ns: Time of its last change when they were checked, ns since 1970.
        source: Where it came from: a URL, "hf:org/name@revision", or a path.
        licence: SPDX identifier; empty if nobody stated one.
        commit: The Hub's commit that the revision meant; empty elsewhere.
    """

    name: str
    path: Path
    sha256: str
    size: int
    mtime_ns: int
    source: str
    licence: str = ""
    commit: str = ""

    @property
    def is_fresh(self) -> bool:
        """Whether size and time of change are those of the file that was checked."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


def home() -> Path:
    """The folder of everything that vinr keeps: VINR_HOME, else in the platform's cache folder."""
    named = os.environ.get("VINR_HOME")
    return Path(named) if named else platformdirs.user_cache_path("vinr", appauthor=False)


def models_folder() -> Path:
    """Where fetched sets are."""
    return home() / "models"


def folder_of(name: str, folder: Path | None = None) -> Path:
    """The folder of one set.

    Raises:
        ValueError: such a name leads elsewhere, or is too long.
    """
    return entry(folder or models_folder(), folder_name(name))


def stamp_file(
    name: str, path: Path, *, source: str, licence: str = "", commit: str = "", sha256: str = ""
) -> Stamp:
    """The stamp of a file as it is now.

    Args:
        name: What `--model` calls it.
        path: The weights file.
        source: Where it came from.
        licence: SPDX identifier.
        commit: The Hub's commit.
        sha256: If it has just been taken.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        status = path.stat()
        sha256 = sha256 or Digest.of(path).value
    except OSError as error:
        raise WeightsError(path, f"cannot be read: {error.strerror}") from error
    return Stamp(name, path, sha256, status.st_size, status.st_mtime_ns, source, licence, commit)


def write_stamp(stamp: Stamp, folder: Path | None = None) -> None:
    """Keep a stamp.

    Args:
        stamp: What to keep.
        folder: Of sets; the cache's if not given.

    Raises:
        WeightsError: the folder cannot be written.
    """
    own = folder_of(stamp.name, folder)
    fields = asdict(stamp)
    inside = stamp.path.parent == own
    fields["path"] = stamp.path.name if inside else str(stamp.path.absolute())
    try:
        own.mkdir(parents=True, exist_ok=True)
        write_json(own / STAMP, fields)
    except OSError as error:
        raise unwritable(own, error) from error


def read_stamp(name: str, folder: Path | None = None) -> Stamp | None:
    """The stamp of a set; None if there is none, or one that says nothing."""
    with suppress(ValueError):
        return _stamp_in(folder_of(name, folder))
    return None


def installed() -> list[Stamp]:
    """Every fetched set, by name."""
    names = sorted(path.parent for path in models_folder().glob(f"*/{STAMP}"))
    found = [_stamp_in(path) for path in names]
    return [stamp for stamp in found if stamp is not None]


def _stamp_in(own: Path) -> Stamp | None:
    """The stamp in a set's folder; None if it says nothing, or speaks of another set."""
    with suppress(OSError, ValueError, KeyError):
        found = read_object(own / STAMP)
        stamp = Stamp(
            name=as_text(found["name"]),
            path=own / as_text(found["path"]),
            sha256=as_text(found["sha256"]),
            size=as_whole(found["size"]),
            mtime_ns=as_whole(found["mtime_ns"], -LARGEST),
            source=as_text(found["source"]),
            licence=as_text(found.get("licence", "")),
            commit=as_text(found.get("commit", "")),
        )
        if folder_of(stamp.name, own.parent) == own:
            return stamp
    return None


def check(stamp: Stamp, *, fully: bool = False) -> bool:
    """Whether a set's file is unchanged.

    Its size and time of change are compared; only where they differ, or on request, its bytes are
    hashed. A file that was merely touched gets a new stamp.

    Args:
        stamp: What must hold.
        fully: Hash in any case.
    """
    if stamp.is_fresh and not fully:
        return True
    try:
        same = stamp.path.stat().st_size == stamp.size
        same = same and Digest.of(stamp.path).value == stamp.sha256
        if same and not stamp.is_fresh:
            touched = replace(stamp, mtime_ns=stamp.path.stat().st_mtime_ns)
            with suppress(WeightsError):  # a folder that cannot be written costs a hash each time
                write_stamp(touched, _folder_holding(stamp))
    except OSError:
        return False
    return same


def _folder_holding(stamp: Stamp) -> Path | None:
    """The folder of sets that a stamp was read from, if its file is beside it."""
    own = stamp.path.parent
    return own.parent if own == folder_of(stamp.name, own.parent) else None


def checked(stamp: Stamp) -> Path:
    """The file of a fetched set.

    Raises:
        WeightsError: it is missing, or not what was fetched.
    """
    if check(stamp):
        return stamp.path
    cause = "has changed since it was fetched" if stamp.path.exists() else "is gone"
    again = f"Fetch it again: vinr download-weights {stamp.name}."
    raise WeightsError(f"model {stamp.name}", f"its file {stamp.path} {cause}", again)


def remove(name: str) -> Path | None:
    """Delete a fetched set; returns its folder, None if there was none.

    Args:
        name: From `names.require_name`.

    Raises:
        WeightsError: it cannot be deleted.
        ValueError: the name leads out of the folder of sets.
    """
    own = folder_of(name)
    if not own.is_dir():
        return None
    try:
        shutil.rmtree(own)
    except OSError as error:
        raise unwritable(own, error) from error
    return own


@contextmanager
def alone(digest: str) -> Iterator[Path]:
    """Be the only process that fetches this content; waits for another one.

    Args:
        digest: Names the content; goes into a file name.

    Yields:
        Where to keep what has arrived so far.

    Raises:
        WeightsError: the folder cannot be written.
    """
    from filelock import FileLock  # noqa: PLC0415 - a fifth of the time of `vinr --help`

    folder = home() / "downloads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        from filelock import FileLock  # noqa: PLC0415 - `vinr --help` need not wait for it

        lock = FileLock(entry(folder, f"{digest}.lock"))
        lock.acquire()
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield entry(folder, f"{digest}.part")
    finally:
        lock.release()


def unwritable(path: Path, error: OSError) -> WeightsError:
    """The error for a place where weights cannot be kept."""
    cause = f"cannot be written: {error.strerror or error}"
    return WeightsError(path, cause, "Name another place with VINR_HOME.")
