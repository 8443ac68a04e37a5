"""The smallest sensible network of the packaged family, and its weights as a file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vinr_cli.model.config import CompactConfig


def tiny_config() -> "CompactConfig":
    """Dimensions with which a pair takes some milliseconds."""
    from vinr_cli.model.config import CompactConfig  # noqa: PLC0415 - needs torch

    return CompactConfig(
        octaves=0, width=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=8, radius=(2, 1, 1),
        fine=4, hidden=8, decoder_hidden=8,
    )  # fmt: skip


def make_weights(path: Path) -> Path:
    """Untrained weights, the same each time."""
    import torch  # noqa: PLC0415 - heavy

    from vinr_cli.model.videoinr import Network  # noqa: PLC0415
    from vinr_cli.weights.load import save_weights  # noqa: PLC0415

    torch.manual_seed(0)
    save_weights(path, Network(tiny_config()).eval())
    return path
