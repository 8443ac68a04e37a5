"""`vinr convert-weights`: a checkpoint of the authors' code becomes a weights file."""

from pathlib import Path
from typing import Annotated

import typer

from vinr_cli.cli.console import tell
from vinr_cli.cli.options import Debug, Overwrite
from vinr_cli.errors import OutputError, OutputExistsError, WeightsError

Checkpoint = Annotated[
    Path, typer.Argument(metavar="FILE", help="A checkpoint of VideoINR, such as latest_G.pth.")
]
Target = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="The weights file (.safetensors).")
]


def convert_weights(
    checkpoint: Checkpoint, output: Target, overwrite: Overwrite = False, debug: Debug = False
) -> None:
    """Make a weights file of a checkpoint of VideoINR's published network.

    Only tensors are read; nothing that the file holds is run. Prefixes that parallel training
    leaves are dropped; every other name that is not the network's is refused.
    """
    if not checkpoint.exists():
        raise WeightsError(checkpoint, "does not exist", "Name a checkpoint.")
    if output.suffix != ".safetensors":
        raise OutputError(output, "is no .safetensors file", "Name one with -o.")
    if output.exists() and not overwrite:
        raise OutputExistsError(output, "exists already", "Use --overwrite to replace it.")
    if not output.parent.is_dir():
        raise OutputError(output, "its folder does not exist", "Make it first.")
    from vinr_cli.weights.convert import convert_checkpoint

    convert_checkpoint(checkpoint, output)
    tell(f"{output}: {output.stat().st_size / 1e6:.1f} MB; use it with --model {output}")
