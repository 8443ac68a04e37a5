"""`vinr download-weights`: models that do not come with the program."""

from dataclasses import asdict

import typer

from vinr_cli.cli.command import takes
from vinr_cli.cli.console import tell, tell_json
from vinr_cli.cli.options import AS_JSON, DEBUG, QUIET
from vinr_cli.cli.rows import Given, as_path, as_text, option, switch
from vinr_cli.cli.transfer import ask_unlicensed, show_transfer
from vinr_cli.errors import UsageError
from vinr_cli.fetch.digest import Digest
from vinr_cli.plan.job import Limit
from vinr_cli.plan.numbers import parse_decimal, parse_whole
from vinr_cli.weights.records import RECORDS

# fmt: off
NAME = option("NAME", as_text, "[NAME]", "",
    "A name that `vinr models` lists, hf:org/name@rev, or with --from a new name. Without it, what "
    "could be fetched is listed.")
SOURCE = option("--from", as_text, "PLACE", "",
    "Take it from a folder that --to has written, a weights file, a folder with a model, or an "
    "https address (with --sha256).")
TARGET = option("--to", as_path, "DIR", "",
    "Put it in this folder, to carry it to a machine without network.")
SHA256 = option("--sha256", as_text, "HEX", "", "What the file of --from must hash to.")
ACCEPT = switch("--accept-unlicensed", "", "Do not ask where no licence is stated.")
TIMEOUT = option("--timeout", parse_decimal, "SECONDS", "",
    "Silence that counts as a broken line.", default=30.0, shown="30.0",
    limit=Limit("--timeout", 0.1))
TRIES = option("--tries", parse_whole, "N", "", "Attempts at one address that bring nothing new.",
    default=5, shown="5", limit=Limit("--tries", 1))
# fmt: on


@takes(NAME, SOURCE, TARGET, SHA256, ACCEPT, TIMEOUT, TRIES, QUIET, AS_JSON, DEBUG)
def download_weights(context: typer.Context, given: Given) -> None:
    """Fetch weights that do not come with vinr, and check them.

    A broken download goes on where it stopped when the command is given again. HTTPS_PROXY,
    NO_PROXY, HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured. VINR_MIRROR names
    addresses under which NAME/FILE is looked for first, VINR_HOME where weights are kept.
    """
    name, source, sha256 = given[NAME], given[SOURCE], given[SHA256]
    quiet, as_json = given[QUIET], given[AS_JSON]
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

    with show_transfer(name, quiet=quiet or as_json) as watch:
        terms = Terms(watch, Patience(tries=given[TRIES], timeout=given[TIMEOUT]), given[TARGET])
        if source is None:
            agreed = (lambda _: True) if given[ACCEPT] else ask_unlicensed
            stamp = fetch_named(name, terms, consent=agreed)
        else:
            digest = None if sha256 is None else Digest.sha256(sha256)
            stamp = take_from(name, source, digest, terms)
    if as_json:
        tell_json({**asdict(stamp), "path": str(stamp.path)})
    elif not quiet:
        tell(f"{stamp.name}: {stamp.size / 1e6:.1f} MB, checked: {stamp.path}")
