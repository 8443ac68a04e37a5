import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vinr_cli.errors import WeightsError
from vinr_cli.model import ModelConfig, Network
from vinr_cli.weights.load import CONFIG_KEY, load_model, save_weights
from vinr_cli.weights.records import DEFAULT, RECORDS, WeightsRecord, packaged_folder
from vinr_cli.weights.registry import find_weights

CONFIG = ModelConfig.compact(
    width=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=4, fine=4, hidden=8, decoder_hidden=8
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    torch.manual_seed(0)
    save_weights(path, Network(CONFIG), {"vinr.steps": "0"})
    return path


def test_round_trip(saved: Path) -> None:
    """A saved network comes back with its config, the same colours, and nothing to train."""
    torch.manual_seed(0)
    original = Network(CONFIG).eval()
    x = torch.rand(1, 2, 3, 9, 11)

    loaded = load_model(saved)

    assert loaded.config == CONFIG
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    with torch.inference_mode():
        assert torch.equal(loaded(x, 0.5, (18, 22)), original(x, 0.5, (18, 22)))


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    tensors = load_file(path)
    metadata = {CONFIG_KEY: json.dumps(CONFIG.to_dict())}
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def test_wrong_shape(saved: Path) -> None:
    """A tensor of another shape is refused by its name."""

    def widen(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        tensors["frame.first.weight"] = torch.zeros(9, 3, 3, 3)

    rewrite(saved, widen)
    with pytest.raises(WeightsError, match=r"frame\.first\.weight \(9, 3, 3, 3\)"):
        load_model(saved)


def test_missing_and_unknown_tensors(saved: Path) -> None:
    """A missing and an unknown tensor are both refused by name."""

    def rename(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        tensors["hat.bias"] = tensors.pop("frame.first.bias")

    rewrite(saved, rename)
    with pytest.raises(
        WeightsError, match=r"frame\.first\.bias \(missing\).*hat\.bias \(unknown\)"
    ):
        load_model(saved)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "does not say which network"),
        ('{"family": "hat"}', "unknown model family 'hat'"),
        ("not json", "does not know"),
        ("[]", "does not know"),
        ('{"family": "compact", "width": "wide"}', "cannot be built"),
        ('{"family": "compact", "width": -1}', "cannot be built"),
    ],
)
def test_bad_config(saved: Path, config: str | None, message: str) -> None:
    """Weights without a config, or with one that means nothing, are refused."""

    def damage(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        del metadata[CONFIG_KEY]
        metadata["format"] = "pt"
        if config is not None:
            metadata[CONFIG_KEY] = config

    rewrite(saved, damage)
    with pytest.raises(WeightsError, match=message):
        load_model(saved)


def test_damaged_file(saved: Path) -> None:
    """A truncated file is refused in one line that names it."""
    saved.write_bytes(saved.read_bytes()[:1000])

    with pytest.raises(WeightsError) as caught:
        load_model(saved)

    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    """A pickle is refused as a weights file, and what it holds does not run."""
    path = tmp_path / "evil.safetensors"
    torch.save({"a": torch.zeros(1)}, path)

    with pytest.raises(WeightsError, match="cannot be read as a weights file"):
        load_model(path)


@pytest.mark.parametrize("name", ["no-such-model", "no/such/file.safetensors"])
def test_unknown_name(name: str) -> None:
    """An unknown name or path is refused and the known names are listed."""
    with pytest.raises(WeightsError, match=DEFAULT):
        find_weights(name)


@pytest.mark.parametrize("record", [r for r in RECORDS if r.is_packaged], ids=lambda r: str(r.name))
def test_packaged_weights(record: WeightsRecord) -> None:
    """Every packaged set of weights is there, matches SHA256SUMS, and loads."""
    lines = (packaged_folder() / "SHA256SUMS").read_text().splitlines()
    sums = {file: digest for digest, file in (line.split() for line in lines)}
    found = hashlib.sha256(find_weights(record.name).read_bytes()).hexdigest()
    assert found == sums[record.file]
    net = load_model(record.name)
    with torch.inference_mode():
        out = net(torch.rand(1, 2, 3, 16, 16), 0.5, (40, 40))
    assert bool(out.isfinite().all())
