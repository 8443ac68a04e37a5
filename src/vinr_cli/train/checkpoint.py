"""State of a run on disk: replaced atomically, read without running code from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vinr_cli.errors import WeightsError
from vinr_cli.files import replacing


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that a killed run needs to go on as if nothing had happened.

    Every sample is drawn from (seed, rank, step), so the step is the state of the random stream.

    Attributes:
        step: Steps done.
        elapsed: Seconds of training so far.
        config: `TrainConfig.to_dict()`.
        network: State dict of the network.
        ema: State dict of the averaged network.
        optimizer: State dict of the optimizer.
    """

    step: int
    elapsed: float
    config: dict[str, Any]
    network: dict[str, Any]
    ema: dict[str, Any]
    optimizer: dict[str, Any]

    def save(self, path: Path) -> None:
        """Replace the file, whole and synced; a run is the only writer of its checkpoint."""
        with replacing(path, sole=True) as file:
            torch.save(vars(self), file)

    @staticmethod
    def load(path: Path) -> "Checkpoint":
        """Read a checkpoint.

        Raises:
            WeightsError: the file is missing or is no checkpoint.
        """
        try:
            fields = torch.load(path, map_location="cpu", weights_only=True)
            return Checkpoint(**fields)
        except FileNotFoundError:
            raise WeightsError(path, "there is no checkpoint to resume from") from None
        except Exception as error:  # torch raises many kinds for a damaged file
            raise WeightsError(path, f"is no checkpoint ({error})", "Start a new run.") from error
