import json
from pathlib import Path

import pytest

from vinr_cli.cli.app import main
from vinr_cli.weights.records import DEFAULT, RECORDS, WeightsRecord


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VINR_HOME", str(tmp_path / "home"))


def test_models_lists_every_record_and_marks_the_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each set has its name, licence and paper; one is the default; a missing licence is said."""
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(r.name in out and r.licence in out and r.paper in out for r in RECORDS)
    assert out.count("(default)") == 1
    assert "licence not stated" in out


def test_what_is_absent_names_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A set that was not fetched shows the command that fetches it, and that command only."""
    main(["models"])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line.startswith("not here")] == [
        f"not here: vinr download-weights {r.name}" for r in RECORDS if not r.is_packaged
    ]


def test_models_as_json_is_one_object_per_record(capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives the fields of each set, its path and state, and whether it is the default."""
    assert main(["models", "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [o["name"] for o in objects] == [r.name for r in RECORDS]
    assert [o["default"] for o in objects].count(True) == 1
    states = {o["name"]: (o["state"], o["path"] is None) for o in objects}
    assert states[DEFAULT] == ("verified", False)
    assert states["videoinr-official"] == ("absent", True)


def test_damaged_packaged_weights_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A packaged file that does not match SHA256SUMS is listed as damaged, with exit code 6."""
    monkeypatch.setattr("vinr_cli.weights.listing.packaged_folder", lambda: tmp_path)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {RECORDS[0].file}\n")
    (tmp_path / RECORDS[0].file).write_bytes(b"damaged")
    assert main(["models"]) == 6
    captured = capsys.readouterr()
    assert "damaged: " in captured.out
    assert f"model {RECORDS[0].name}: is not what it should be" in captured.err


def test_missing_weights_are_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A packaged set whose file is gone is still listed, as missing."""
    lost = WeightsRecord("lost", "lost.safetensors", "gone", "CC0-1.0", "arXiv:0000.00000")
    monkeypatch.setattr("vinr_cli.weights.listing.RECORDS", (lost,))
    assert main(["models"]) == 0
    assert "missing: reinstall vinr" in capsys.readouterr().out


def test_packaged_weights_cannot_be_removed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--remove` of the packaged model, and of one that is not here, is refused in one line."""
    assert main(["models", "--remove", DEFAULT]) == 2
    assert "comes with vinr" in capsys.readouterr().err
    assert main(["models", "--remove", "videoinr-official"]) == 6
    assert "is not here" in capsys.readouterr().err
