"""`vinr download-weights`: models that do not come with the program."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vinr_cli.cli.console import tell
from vinr_cli.cli.options import AsJson, Debug, Quiet
from vinr_cli.cli.transfer import ask_unlicensed, show_transfer
from vinr_cli.errors import UsageError
from vinr_cli.fetch.digest import Digest
from vinr_cli.weights.records import RECORDS

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="A name that `vinr models` lists, hf:org/name@rev, or with --from a new name. "
        "Without it, what could be fetched is listed.",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Take it from a folder that --to has written, a weights file, a folder with a model, "
        "or an https address (with --sha256).",
    ),
]
Target = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="DIR",
        help="Put it in this folder, to carry it to a machine without network.",
    ),
]
Sha256 = Annotated[
    str | None, typer.Option(metavar="HEX", help="What the file of --from must hash to.")
]
Accept = Annotated[
    bool,
    typer.Option("--accept-unlicensed", metavar="", help="Do not ask where no licence is stated."),
]
Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, help="Silence that counts as a broken line.")
]
Tries = Annotated[
    int, typer.Option(metavar="N", min=1, help="Attempts at one address that bring nothing new.")
]


def download_weights(
    name: Name = None,
    source: Source = None,
    target: Target = None,
    sha256: Sha256 = None,
    accept_unlicensed: Accept = False,
    timeout: Timeout = 30.0,
    tries: Tries = 5,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fetch weights that do not come with vinr, and check them.

    A broken download goes on where it stopped when the command is given again. HTTPS_PROXY,
    NO_PROXY, HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured. VINR_MIRROR names
    addresses under which NAME/FILE is looked for first, VINR_HOME where weights are kept.
    """
    if name is None:
        for record in RECORDS:
            here = (
                "comes with vinr" if record.is_packaged else f"vinr download-weights {record.name}"
            )
            tell(f"{record.name}: {record.about} ({here})")
        return
    if sha256 is not None and source is None:
        raise UsageError("--sha256", "means nothing without --from", "Leave it away.")
    from vinr_cli.fetch.patience import Patience
    from vinr_cli.weights.install import Terms, fetch_named, take_from

    with show_transfer(name, quiet=quiet or as_json) as progress:
        terms = Terms(progress, Patience(tries=tries, timeout=timeout), target)
        if source is None:
            agreed = (lambda _: True) if accept_unlicensed else ask_unlicensed
            stamp = fetch_named(name, terms, consent=agreed)
        else:
            digest = None if sha256 is None else Digest.sha256(sha256)
            stamp = take_from(name, source, digest, terms)
    if as_json:
        tell(json.dumps({**asdict(stamp), "path": str(stamp.path)}))
    elif not quiet:
        tell(f"{stamp.name}: {stamp.size / 1e6:.1f} MB, checked: {stamp.path}")
