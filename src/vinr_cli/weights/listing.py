"""What there is: known, fetched and packaged sets of weights, and in which state."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vinr_cli.errors import UsageError, WeightsError
from vinr_cli.untrusted import LONGEST_JSON, parse_json, read_object
from vinr_cli.weights.cache import (
    CONFIG_FILE,
    CONFIG_KEY,
    Stamp,
    check,
    installed,
    read_stamp,
    remove,
)
from vinr_cli.weights.names import HUB, require_name
from vinr_cli.weights.records import (
    DEFAULT,
    RECORDS,
    WeightsRecord,
    find_record,
    packaged_digests,
    packaged_folder,
)

ABSENT, VERIFIED, DAMAGED = "absent", "verified", "damaged"


@dataclass(frozen=True, slots=True)
class Listed:
    """One set of weights.

    Attributes:
        name: What `--model` calls it.
        about: One line.
        licence: SPDX identifier; empty if nobody has stated one.
        paper: Where the network's idea is published; empty if unknown.
        source: Where it comes from.
        default: Whether it is used when nobody asks for another.
        state: `ABSENT`; `VERIFIED`: the hash was right and the file has not changed since; or
            `DAMAGED`.
        packaged: Whether it comes with the program.
        family: Which network it belongs to; empty if unknown.
        config: The network's dimensions, from the file; None if it is absent or says nothing.
        path: The file; None if it is absent.
        size: Bytes of the file; None if it is absent.
        sha256: Of the file, as it should be; empty if it is absent.
    """

    name: str
    about: str
    licence: str
    paper: str
    source: str
    default: bool
    state: str
    packaged: bool = False
    family: str = ""
    config: Mapping[str, Any] | None = None
    path: Path | None = None
    size: int | None = None
    sha256: str = ""


def list_models(*, verify: bool = False) -> list[Listed]:
    """Every set that has a name, and every set that was fetched.

    Args:
        verify: Hash all bytes of fetched sets, instead of comparing size and time of change.
            Packaged ones are small and always hashed.
    """
    known = {record.name for record in RECORDS}
    rows = [_of_record(record, verify=verify) for record in RECORDS]
    return rows + [_of_stamp(s, verify=verify) for s in installed() if s.name not in known]


def remove_model(name: str) -> Path:
    """Delete a fetched set.

    Returns:
        Its folder, which is gone.

    Raises:
        UsageError: it comes with the program, or that is not a name.
        WeightsError: it is not here, or cannot be deleted.
    """
    record = find_record(name)
    if record is not None and record.is_packaged:
        raise UsageError(f"model {name}", "comes with vinr and stays", "Nothing to do.")
    name = require_name(name)
    stamp = read_stamp(name)
    if stamp is not None and name.startswith(HUB):
        from vinr_cli.weights.hub import forget  # noqa: PLC0415 - heavy

        forget(stamp)
    gone = remove(name)
    if gone is None:
        raise WeightsError(f"model {name}", "is not here", "See vinr models.")
    return gone if stamp is None else stamp.path


def _of_record(record: WeightsRecord, *, verify: bool) -> Listed:
    if record.is_packaged:
        return _packaged(record)
    stamp = read_stamp(record.name)
    return _row(record, record.origins[0], stamp, verify=verify)


def _packaged(record: WeightsRecord) -> Listed:
    path = packaged_folder() / record.file
    digest = packaged_digests(packaged_folder()).get(record.file)
    there = path.is_file()
    right = there and digest is not None and digest.matches(path)
    return Listed(
        record.name,
        record.about,
        record.licence,
        record.paper,
        "comes with vinr",
        default=record.name == DEFAULT,
        state=VERIFIED if right else DAMAGED if there else ABSENT,
        packaged=True,
        family=record.family,
        config=_config(path),
        path=path,
        size=path.stat().st_size if there else None,
        sha256=digest.value if digest else "",
    )


def _of_stamp(stamp: Stamp, *, verify: bool) -> Listed:
    commit = f" at {stamp.commit}" if stamp.commit else ""
    family = (_config(stamp.path) or {}).get("family", "")
    record = WeightsRecord(stamp.name, "", "", stamp.licence, paper="", family=family)
    return _row(record, stamp.source + commit, stamp, verify=verify)


def _row(record: WeightsRecord, source: str, stamp: Stamp | None, *, verify: bool) -> Listed:
    state = ABSENT if stamp is None else VERIFIED if check(stamp, fully=verify) else DAMAGED
    config = _config(stamp.path) if stamp else None
    return Listed(
        record.name,
        record.about,
        record.licence,
        record.paper,
        source,
        default=False,
        state=state,
        family=record.family,
        config=config,
        path=stamp.path if stamp else None,
        size=stamp.size if stamp else record.size,
        sha256=stamp.sha256 if stamp else "",
    )


def _config(path: Path) -> Mapping[str, Any] | None:
    """The config that a weights file carries, or that is beside it.

    Read by hand, as safetensors' own reader wants NumPy: eight bytes, little-endian, say how long
    the JSON behind them is.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = parse_json(file.read(min(length, LONGEST_JSON + 1)))
        text = header.get("__metadata__", {}).get(CONFIG_KEY)
        config = read_object(path.with_name(CONFIG_FILE)) if text is None else parse_json(text)
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return config if isinstance(config, dict) else None
