"""The command without its work."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from vinr_cli.cli.inputs import Checked
from vinr_cli.plan.job import JobSpec


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs need not be there: none is opened before the first job."""

    def check(specs: Sequence[JobSpec], *_: object, **options: object) -> Checked:
        return Checked(list(specs), [], {})

    monkeypatch.setattr("vinr_cli.cli.upscale.check_inputs", check)
    monkeypatch.setattr("vinr_cli.cli.transfer.find_weights", Path)


@pytest.fixture
def specs(unopened: None, monkeypatch: pytest.MonkeyPatch) -> list[JobSpec]:
    """The jobs that the command asks for; none is done."""
    found: list[JobSpec] = []
    monkeypatch.setattr("vinr_cli.cli.upscale.do_job", lambda spec, reports: found.append(spec))
    return found
