import json

import pytest

from vinr_cli.cli.app import main
from vinr_cli.weights.registry import RECORDS, WeightsRecord


def test_models_lists_every_record_and_marks_the_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each packaged set of weights has its name, licence and paper; one is the default."""
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(r.name in out and r.licence in out and r.paper in out for r in RECORDS)
    assert out.count("(default)") == 1


def test_models_as_json_is_one_object_per_record(capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives the fields of each record, its path, and whether it is the default."""
    assert main(["models", "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [o["name"] for o in objects] == [r.name for r in RECORDS]
    assert [o["default"] for o in objects].count(True) == 1
    assert all(o["path"].endswith(o["file"]) for o in objects)


def test_missing_weights_are_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record whose file is gone is still listed, as missing."""
    lost = WeightsRecord("lost", "lost.safetensors", "gone", "CC0-1.0", "arXiv:0000.00000")
    monkeypatch.setattr("vinr_cli.cli.models.RECORDS", (lost,))
    assert main(["models"]) == 0
    assert "missing, licence CC0-1.0" in capsys.readouterr().out
