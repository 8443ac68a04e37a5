"""`vinr models`: the weights that `--model` knows by name."""

from dataclasses import asdict

import typer

from vinr_cli.cli.command import takes
from vinr_cli.cli.console import tell, tell_json
from vinr_cli.cli.options import AS_JSON, DEBUG
from vinr_cli.cli.rows import Given, as_text, option, switch
from vinr_cli.errors import WeightsError
from vinr_cli.weights.listing import ABSENT, DAMAGED, Listed, list_models, remove_model

_FETCH = "vinr download-weights"

VERIFY = switch("--verify", "",
    "Hash every byte. Without it, size and time of change of fetched files are compared.",
)  # fmt: skip
REMOVE = option("--remove", as_text, "NAME", "", "Delete a model that was fetched.")


@takes(VERIFY, REMOVE, AS_JSON, DEBUG)
def models(context: typer.Context, given: Given) -> None:
    """List the weights that come with vinr, can be fetched, or were."""
    remove = given[REMOVE]
    if remove is not None:
        tell(f"{remove}: deleted {remove_model(remove)}")
        return
    rows = list_models(verify=given[VERIFY])
    for row in rows:
        if given[AS_JSON]:
            tell_json({**asdict(row), "path": str(row.path) if row.path else None})
        else:
            _show(row)
    damaged = [row for row in rows if row.state == DAMAGED]
    if damaged:
        names = ", ".join(row.name for row in damaged)
        fix = f"Fetch it again with {_FETCH}, or reinstall vinr."
        raise WeightsError(f"model {names}", "is not what it should be", fix)


def _show(row: Listed) -> None:
    tell(f"{row.name}{' (default)' if row.default else ''}{': ' if row.about else ''}{row.about}")
    size = "" if row.size is None else f"{row.size / 1e6:.1f} MB, "
    paper = f", {row.paper}" if row.paper else ""
    network = f"{row.family} network, " if row.family else ""
    tell(f"  {network}{size}licence {row.licence or 'not stated'}{paper}")
    tell(f"  {row.source}")
    absent = "missing: reinstall vinr" if row.packaged else f"not here: {_FETCH} {row.name}"
    tell(f"  {absent if row.state == ABSENT else f'{row.state}: {row.path}'}")
