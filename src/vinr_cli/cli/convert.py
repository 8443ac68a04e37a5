"""`vinr convert-weights`: a checkpoint of the authors' code becomes a weights file."""

import typer

from vinr_cli.cli.command import takes
from vinr_cli.cli.console import tell
from vinr_cli.cli.options import DEBUG, OVERWRITE
from vinr_cli.cli.rows import Given, as_path, needed, option
from vinr_cli.errors import OutputError, OutputExistsError, WeightsError

CHECKPOINT = needed(option("FILE", as_path, "FILE", "",
    "A checkpoint of VideoINR, such as latest_G.pth."))  # fmt: skip
TARGET = needed(option("--output -o", as_path, "FILE", "", "The weights file (.safetensors)."))


@takes(CHECKPOINT, TARGET, OVERWRITE, DEBUG)
def convert_weights(context: typer.Context, given: Given) -> None:
    """Make a weights file of a checkpoint of VideoINR's published network.

    Only tensors are read; nothing that the file holds is run. Prefixes that parallel training
    leaves are dropped; every other name that is not the network's is refused.
    """
    checkpoint, output = given[CHECKPOINT], given[TARGET]
    if not checkpoint.exists():
        raise WeightsError(checkpoint, "does not exist", "Name a checkpoint.")
    if output.suffix != ".safetensors":
        raise OutputError(output, "is no .safetensors file", "Name one with -o.")
    if output.exists() and not given[OVERWRITE]:
        raise OutputExistsError(output, "exists already", "Use --overwrite to replace it.")
    if not output.parent.is_dir():
        raise OutputError(output, "its folder does not exist", "Make it first.")
    from vinr_cli.weights.convert import convert_checkpoint

    convert_checkpoint(checkpoint, output)
    tell(f"{output}: {output.stat().st_size / 1e6:.1f} MB; use it with --model {output}")
