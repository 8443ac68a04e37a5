"""`vinr models`: the weights that `--model` knows by name."""

import json
from dataclasses import asdict

from vinr_cli.cli.console import tell
from vinr_cli.cli.options import AsJson, Debug
from vinr_cli.weights.registry import DEFAULT, RECORDS, packaged_folder


def models(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the weights that come with vinr."""
    for record in RECORDS:
        path = packaged_folder() / record.file
        if as_json:
            extra = {"path": str(path), "default": record.name == DEFAULT}
            tell(json.dumps({**asdict(record), **extra}))
            continue
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "missing"
        mark = " (default)" if record.name == DEFAULT else ""
        tell(f"{record.name}{mark}: {record.about}")
        tell(f"  {size}, licence {record.licence}, {record.paper}")
        tell(f"  {path}")
