"""The public `VideoINR`: the network with `from_pretrained`, `save_pretrained`, `push_to_hub`.

`model` knows neither files nor the Hub, so the methods are added here, above it: the class below is
mixed into each family. huggingface_hub has a mixin with these names. Ours writes what that one
writes (model.safetensors, config.json, README.md), but reads strictly and never falls back to a
pickle, keeps several kinds of config apart, checks what it downloads, and fails as `WeightsError`.
"""

import tempfile
from pathlib import Path
from typing import ClassVar

import torch

from vinr_cli.errors import WeightsError
from vinr_cli.files import write_json, write_text
from vinr_cli.model.compact.network import CompactVideoINR
from vinr_cli.model.config import CompactConfig, ModelConfig, PublishedConfig
from vinr_cli.model.published.network import PublishedVideoINR
from vinr_cli.model.videoinr import Network
from vinr_cli.weights.cache import CONFIG_FILE, WEIGHTS
from vinr_cli.weights.files import (
    MAX_PARAMETERS,
    fill,
    read_config,
    read_tensors,
    state_of,
    write_weights,
)
from vinr_cli.weights.names import HubName

CARD_FILE = "README.md"

_CARD = """---
library_name: vinr-cli
license: {licence}
pipeline_tag: video-to-video
tags: [video-super-resolution, frame-interpolation, videoinr, {family}]
---

# {title}

{parameters:,} parameters of the {family} VideoINR family: any size and any frame rate, from one
pass (arXiv:2206.04647).

```sh
vinr upscale in.mp4 --scale 3.5 --fps-mult 4 --model hf:{repository}
```

```python
from vinr_cli import VideoINR

network = VideoINR.from_pretrained("{repository}")
```
"""


class VideoINR(Network):
    """A network of the family that can be read from and written to a folder or the Hub.

    `VideoINR(config)` builds the network that the config describes.
    """

    _families: ClassVar[dict[type[ModelConfig], type[Network]]] = {}

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        device: str | torch.device = "cpu",
    ) -> "VideoINR":
        """Read a network.

        Args:
            source: A folder with `model.safetensors`, or "org/name" of the Hub; "org/name@revision"
                and a leading "hf:" are understood too. An existing folder comes first.
            revision: Branch, tag or commit of the Hub; main if not given.
            token: For the Hub; None finds the user's own (HF_TOKEN).
            local_files_only: Do not use the network.
            device: Where to put it.

        Returns:
            The network in evaluation mode; its parameters want no gradient.

        Raises:
            WeightsError: it is not there, damaged, or of a network that this version does not know.
        """
        folder = Path(source)
        if folder.is_dir():
            return read_network(folder / WEIGHTS, device)
        from vinr_cli.weights.hub import download_model  # noqa: PLC0415 - heavy

        name = HubName.parse(str(source))
        name = HubName(name.repository, revision or name.revision)
        stamp = download_model(name, token=token, local_files_only=local_files_only)
        return read_network(stamp.path, device)

    def save_pretrained(
        self, folder: str | Path, *, repository: str = "", licence: str = "other"
    ) -> Path:
        """Write model.safetensors, config.json and a model card.

        Args:
            folder: Made if it is missing. A card that is there is left as it is.
            repository: "org/name", for the card's examples; the folder's name if not given.
            licence: For a new card, as the Hub writes it: apache-2.0.

        Returns:
            The folder.

        Raises:
            WeightsError: it cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / CONFIG_FILE, self.config.to_dict())
            if not (folder / CARD_FILE).exists():
                card = self._card(repository or folder.name, licence)
                write_text(folder / CARD_FILE, card)
        except OSError as error:
            cause = f"cannot be written: {error.strerror}"
            raise WeightsError(folder, cause, "Choose another folder.") from error
        write_weights(folder / WEIGHTS, self.config, state_of(self), {"format": "pt"})
        return folder

    def push_to_hub(
        self,
        repository: str,
        *,
        revision: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        licence: str = "other",
        message: str = "Upload weights with vinr",
    ) -> str:
        """Make the model's repository if it is missing, and upload what `save_pretrained` writes.

        Args:
            repository: "org/name".
            revision: The branch; main if not given.
            private: Whether a new repository is private; None takes the organization's habit.
            token: None finds the user's own (HF_TOKEN).
            licence: For the model card, as the Hub writes it: apache-2.0.
            message: Of the commit.

        Returns:
            The commit's URL.

        Raises:
            WeightsError: the Hub refuses, or cannot be reached.
        """
        from vinr_cli.weights.hub import upload_folder  # noqa: PLC0415 - heavy

        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, repository=repository, licence=licence)
            return upload_folder(
                Path(folder), repository, revision=revision, private=private, token=token,
                message=message,
            )  # fmt: skip

    def _card(self, repository: str, licence: str) -> str:
        return _CARD.format(
            title=repository.rpartition("/")[2],
            repository=repository,
            family=self.config.family,
            licence=licence,
            parameters=sum(p.numel() for p in self.parameters()),
        )


def read_network(path: Path, device: str | torch.device = "cpu") -> VideoINR:
    """The network of a weights file.

    Args:
        path: The file.
        device: Where to put it.

    Returns:
        The network in evaluation mode; its parameters want no gradient.

    Raises:
        WeightsError: unreadable or damaged file, no config, one that is too large, or tensors that
            do not fit it or are not finite.
    """
    network = _unfilled(path, read_config(path))
    fill(network, read_tensors(path, state_of(network), str(device)))
    return network.to(device).eval().requires_grad_(requires_grad=False)


def _unfilled(path: Path, config: ModelConfig) -> VideoINR:
    """The network that a config describes, on the meta device: without memory for its values.

    Raises:
        WeightsError: it cannot be built, or has too many parameters.
    """
    try:
        with torch.device("meta"):
            network = VideoINR(config)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        cause = f"describes a network that cannot be built ({error})"
        raise WeightsError(path, cause, "Use the file as it was published.") from error
    parameters = sum(value.numel() for value in network.parameters())
    if parameters > MAX_PARAMETERS:
        cause = f"describes a network of {parameters:,} parameters"
        raise WeightsError(path, cause, f"At most {MAX_PARAMETERS:,} are built.")
    return network


class _Compact(VideoINR, CompactVideoINR, config=CompactConfig):
    """The packaged family, with files."""


class _Published(VideoINR, PublishedVideoINR, config=PublishedConfig):
    """The paper's family, with files."""
