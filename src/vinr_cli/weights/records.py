"""Weights as records: what there is, where it comes from, and how to know that it is unchanged.

A further packaged set is one `packaged(...)` line here, its file in the folder of packaged weights,
and its line in that folder's SHA256SUMS.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.digest import Digest

VIDEOINR = "arXiv:2206.04647"
"""The paper that every network of the family follows (CVPR 2022)."""


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """One set of weights that the program knows by name.

    Attributes:
        name: What `--model` calls it.
        file: File name: in the folder of packaged weights, or at the origins.
        about: One line.
        licence: SPDX identifier; empty where the authors state none.
        paper: Where the network's idea is published.
        origins: Where it is fetched from, best first; none for what comes with the program.
        digest: What the bytes at the origins hash to; packaged files have a line in SHA256SUMS.
        size: Bytes at the origins; None where nobody has stated it.
        checkpoint: Whether the origins hold a PyTorch checkpoint of the published network, which is
            converted, instead of a weights file.
        family: Which network it belongs to (`ModelConfig.family`); the file has the whole config.
        plain: Name of the packaged set that takes no traces of codecs out, from which this one was
            trained on: `--deblock` goes along the line between the two. Empty for none.
    """

    name: str
    file: str
    about: str
    licence: str
    paper: str = VIDEOINR
    origins: tuple[str, ...] = ()
    digest: Digest | None = None
    size: int | None = None
    checkpoint: bool = False
    family: str = "compact"
    plain: str = ""

    @property
    def is_packaged(self) -> bool:
        """Whether it comes with the program."""
        return not self.origins


def packaged(name: str, file: str, about: str, plain: str = "") -> WeightsRecord:
    """A set that was trained here and comes with the program."""
    return WeightsRecord(name, file, about, "Apache-2.0", plain=plain)


DEFAULT = "video"
"""The packaged set that is used when nobody asks for another."""

RECORDS = (
    packaged(
        "video",
        "vinr-video.safetensors",
        "compact VideoINR for video as people have it: compressed, now and then noisy",
        plain="clean",
    ),
    packaged(
        "clean",
        "vinr-clean.safetensors",
        "compact VideoINR for pristine sources, trained on bicubic reductions, scales 1 to 4",
    ),
    WeightsRecord(
        name="videoinr-official",
        file="videoINR_Network_G.pth",
        about="the network of the paper with its authors' weights; slow",
        licence="",
        # The authors publish one file on Google Drive; two forks of their repository carry a copy.
        # The digest is the git blob id of that copy, so every origin is held to the same bytes.
        origins=(
            "https://github.com/FelixxDP/VideoINR-Plus/raw/HEAD/trained_models/videoINR_Network_G.pth",
            "https://github.com/kmewhort/VideoINR-Plus/raw/HEAD/trained_models/videoINR_Network_G.pth",
            "https://drive.usercontent.google.com/download?id=1JW_-ef_oHAmPZkssiXvOspIAn_poymK9&export=download&confirm=t",
        ),
        digest=Digest("git-blob", "bb2b4d0a3c2fe32d3bc51137eed4d53093f5ef7b"),
        checkpoint=True,
        family="published",
    ),
)
"""Every set of weights that has a name."""

_HERE = Path(__file__).resolve().parent


def find_record(name: str) -> WeightsRecord | None:
    """The record of a name, "default" included; None if nobody knows it."""
    wanted = DEFAULT if name == "default" else name
    return next((record for record in RECORDS if record.name == wanted), None)


def packaged_folder() -> Path:
    """Where the packaged weights are: inside of the installed package, or at the checkout's top."""
    installed = _HERE / "packaged"
    return installed if installed.is_dir() else _HERE.parents[2] / "weights"


def packaged_file(record: WeightsRecord) -> Path:
    """The file of a packaged set.

    Raises:
        WeightsError: it is missing.
    """
    path = packaged_folder() / record.file
    if not path.is_file():
        raise WeightsError(path, "the packaged weights are missing", "Reinstall vinr.")
    return path


@cache
def packaged_digests(folder: Path) -> dict[str, Digest]:
    """Digest of each file in the folder, from its SHA256SUMS.

    Raises:
        WeightsError: SHA256SUMS is missing.
    """
    try:
        lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise WeightsError(folder, f"has no SHA256SUMS ({error})", "Reinstall vinr.") from error
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {file.strip(): Digest("sha256", value) for value, file in pairs}
