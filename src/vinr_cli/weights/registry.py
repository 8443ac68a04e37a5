"""From the name of a model to its file on disk."""

from pathlib import Path

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.progress import DownloadProgress, silent
from vinr_cli.weights.cache import WEIGHTS, checked, read_stamp
from vinr_cli.weights.names import HUB, require_name
from vinr_cli.weights.records import RECORDS, find_record, packaged_file


def find_weights(name: str | Path, progress: DownloadProgress = silent) -> Path:
    """The file behind a name or a path.

    A fetched file is checked by its size and time of change. A model of the Hub that is not here is
    fetched, because its name says where from; one of another source is not.

    Args:
        name: A name that `vinr models` lists; "hf:org/name@revision"; the path of a weights file,
            or of a folder with one.
        progress: Called with each block of a download.

    Raises:
        WeightsError: neither a known name nor an existing file; not fetched yet, with the command
            that does; changed since it was fetched; or the Hub does not give it.
    """
    record = find_record(str(name))
    if record is not None and record.is_packaged:
        return packaged_file(record)
    if str(name).startswith(HUB):
        return _of_hub(str(name), progress)
    stamp = read_stamp(str(name))
    if stamp is not None:
        return checked(stamp)
    if record is not None:
        raise WeightsError(
            f"model {record.name}",
            "has not been fetched yet",
            f"Fetch it: vinr download-weights {record.name}.",
        )
    return _at_path(name)


def _of_hub(name: str, progress: DownloadProgress) -> Path:
    """A model of the Hub: as it was fetched before, else from there."""
    stamp = read_stamp(require_name(name))
    if stamp is not None:
        return checked(stamp)
    from vinr_cli.weights.install import install_from_hub  # noqa: PLC0415 - heavy

    return install_from_hub(name, progress=progress).path


def _at_path(name: str | Path) -> Path:
    path = Path(name)
    try:
        for one in (path, path / WEIGHTS):
            if one.is_file():
                return one
    except OSError as error:
        raise WeightsError(path, f"cannot be read: {error.strerror}") from error
    known = ", ".join(record.name for record in RECORDS)
    if path.is_dir():
        raise WeightsError(path, f"has no {WEIGHTS}", "Name a weights file.")
    if path.suffix or len(path.parts) > 1:
        raise WeightsError(path, "there is no such weights file", f"Known names: {known}.")
    raise WeightsError(f"model {name}", "is not known", f"Known: {known}, or a path of a file.")
