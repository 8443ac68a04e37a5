"""Weights as records: what there is, where it comes from, and how to know it is unchanged."""

from dataclasses import dataclass
from pathlib import Path

from vinr_cli.errors import WeightsError


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """One set of weights that ships with the program.

    Attributes:
        name: What `--model` calls it.
        file: File name in the folder of packaged weights.
        about: One line.
        licence: SPDX identifier.
        paper: Where the network's idea is published.
    """

    name: str
    file: str
    about: str
    licence: str
    paper: str


RECORDS = (
    WeightsRecord(
        name="compact",
        file="vinr-compact.safetensors",
        about="compact VideoINR, trained for scales 1 to 4 on bicubic reductions",
        licence="Apache-2.0",
        paper="arXiv:2206.04647",
    ),
)
"""Every packaged set of weights; the first one is the default."""

DEFAULT = RECORDS[0].name

_HERE = Path(__file__).resolve().parent


def packaged_folder() -> Path:
    """Where the packaged weights are: inside of the installed package, or at the checkout's top."""
    installed = _HERE / "packaged"
    return installed if installed.is_dir() else _HERE.parents[2] / "weights"


def find_weights(name: str | Path) -> Path:
    """The file behind a name or a path.

    Raises:
        WeightsError: neither a known name nor an existing file.
    """
    for record in RECORDS:
        if str(name) == record.name or (str(name) == "default" and record.name == DEFAULT):
            path = packaged_folder() / record.file
            if not path.is_file():
                raise WeightsError(path, "the packaged weights are missing", "Reinstall vinr.")
            return path
    path = Path(name)
    if path.is_file():
        return path
    known = ", ".join(record.name for record in RECORDS)
    if path.suffix or len(path.parts) > 1:
        raise WeightsError(path, "there is no such weights file", f"Known names: {known}.")
    raise WeightsError(f"model {name}", "is not known", f"Known: {known}, or a path of a file.")
