import json
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.seeding import frames, parameter
from vinr_cli.cli.app import main
from vinr_cli.errors import WeightsError
from vinr_cli.model.config import PublishedConfig
from vinr_cli.weights import convert
from vinr_cli.weights.convert import convert_checkpoint
from vinr_cli.weights.load import load_model

GOLDEN = Path(__file__).parents[1] / "model" / "golden"
SHAPES: dict[str, list[int]] = json.loads((GOLDEN / "state_dict.json").read_text())


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """The published network's state dict with the seeded parameters of the golden vectors."""
    return OrderedDict((name, parameter(name, tuple(shape))) for name, shape in SHAPES.items())


def converted(tmp_path: Path, content: object) -> Path:
    torch.save(content, tmp_path / "latest_G.pth")
    convert_checkpoint(tmp_path / "latest_G.pth", tmp_path / "official.safetensors")
    return tmp_path / "official.safetensors"


def test_a_converted_checkpoint_reproduces_the_golden_vectors(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    """A checkpoint with the seeded parameters, converted by command, gives the golden frames."""
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "latest_G.pth")
    target = tmp_path / "official.safetensors"
    assert main(["convert-weights", str(tmp_path / "latest_G.pth"), "-o", str(target)]) == 0

    network = load_model(target)

    assert isinstance(network.config, PublishedConfig)
    assert network.config.upsampled_frames
    with np.load(GOLDEN / "published.npz") as arrays, torch.inference_mode():
        truth = torch.from_numpy(arrays["12x24/demo_40x80"]).double()
        features = network.encode(frames(12, 24))
        times = arrays["12x24/times"]
        out = torch.cat([network.query(features, float(t), (40, 80)) for t in times])
    assert float((out - truth).norm() / truth.norm()) < 6e-5


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {f"module.module.{k}": v for k, v in state.items()},
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"params": {k: v.half() for k, v in state.items()}},
    ],
    ids=["plain", "twice parallel", "with an epoch", "half precision"],
)
def test_wrappings(tmp_path: Path, state: dict[str, Tensor], wrapped: object) -> None:
    """Prefixes of parallel training, a trainer's wrapping and half precision are all undone."""
    assert callable(wrapped)
    found = load_model(converted(tmp_path, wrapped(state))).state_dict()
    assert list(found) == list(SHAPES)
    assert all(v.dtype == torch.float32 for v in found.values())
    name = "conv_first.weight"
    assert torch.allclose(found[name], state[name], atol=1e-3)


def test_unknown_missing_and_misshapen_names(tmp_path: Path, state: dict[str, Tensor]) -> None:
    """Unknown names, missing ones and those of another shape are each refused by name."""
    changed = dict(state)
    del changed["conv_first.bias"]
    changed["module.extra.weight"] = torch.zeros(1)
    changed["conv_first.weight"] = torch.zeros(2, 3, 3, 3)
    with pytest.raises(
        WeightsError,
        match=r"conv_first.weight \(2, 3, 3, 3\), conv_first.bias \(missing\), extra.weight \(unk",
    ):
        converted(tmp_path, changed)
    assert [p.name for p in tmp_path.iterdir()] == ["latest_G.pth"]


def test_a_name_with_and_without_prefix(tmp_path: Path, state: dict[str, Tensor]) -> None:
    """Two tensors that would get one name are refused, not one of them dropped."""
    twice = {**state, "module.conv_first.bias": torch.zeros(64)}
    with pytest.raises(WeightsError, match=r"has conv_first\.bias twice"):
        converted(tmp_path, twice)


@pytest.mark.parametrize("content", [[1, 2], {}, {"step": 3}, torch.zeros(2)])
def test_what_holds_no_weights(tmp_path: Path, content: object) -> None:
    """A checkpoint of something else is refused with what it lacks."""
    with pytest.raises(WeightsError, match=r"no tensors by name|is no tensor"):
        converted(tmp_path, content)


class Evil:
    """Runs code when it is unpickled by a careless program."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_could_run_is_not_opened(tmp_path: Path, zipped: bool) -> None:
    """A pickle that runs code is refused, and the code does not run."""
    trap = tmp_path / "it-ran"
    source = tmp_path / "latest_G.pth"
    if zipped:
        torch.save({"conv_first.weight": Evil(trap)}, source)
    else:
        source.write_bytes(pickle.dumps(Evil(trap), protocol=2))
    with pytest.raises(WeightsError, match="what could run is not opened"):
        convert_checkpoint(source, tmp_path / "x.safetensors")
    assert not trap.exists()
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\3\4 torn"])
def test_damaged_checkpoints(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no checkpoint are refused in one line that names the file."""
    source = tmp_path / "latest_G.pth"
    source.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        convert_checkpoint(source, tmp_path / "x.safetensors")
    assert str(source) in str(caught.value)
    assert "\n" not in str(caught.value)


def odd(kind: str, value: Tensor) -> Tensor:
    """The tensor as a kind that holds no plain floats, or not all of them."""
    if kind == "sparse_coo":
        return value.to_sparse()
    if kind == "sparse_csr":
        return value.reshape(64, -1).to_sparse_csr()
    if kind == "without values":
        return value.to("meta")
    if kind == "nested":
        return torch.nested.nested_tensor(list(value))
    if kind == "quantized":
        return torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)
    return value.to(getattr(torch, kind))


@pytest.mark.parametrize(
    "kind",
    ["sparse_coo", "sparse_csr", "without values", "nested", "quantized", "complex64", "int32",
     "bool", "float8_e4m3fn"],
)  # fmt: skip
def test_tensors_that_are_not_plain_floats(
    tmp_path: Path, state: dict[str, Tensor], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    """Each other kind of tensor is refused in one line with its name and kind, and no warning."""
    source, target = tmp_path / "latest_G.pth", tmp_path / "out.safetensors"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = {**state, "conv_first.weight": odd(kind, state["conv_first.weight"])}
        torch.save(content, source)
    capfd.readouterr()
    assert main(["convert-weights", str(source), "-o", str(target)]) == 6
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"conv_first.weight ({kind})" in said
    assert not target.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_with_a_value_that_is_no_number(
    tmp_path: Path, state: dict[str, Tensor], value: float
) -> None:
    """A checkpoint with NaN or infinity is refused by the tensor's name, and nothing is written."""
    bias = state["HRconv.bias"].clone()
    bias[3] = value
    with pytest.raises(WeightsError, match=r"NaN or infinite: HRconv\.bias"):
        converted(tmp_path, {**state, "HRconv.bias": bias})
    assert not (tmp_path / "official.safetensors").exists()


def test_a_small_archive_of_a_large_checkpoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros that are packed into a thousandth are counted unpacked, and refused before reading."""
    monkeypatch.setattr(convert, "MAX_BYTES", 1 << 24)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(2):
            archive.writestr(f"archive/data/{number}", bytes(1 << 24))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(WeightsError, match="would take 33554432 bytes, and 16777216 are allowed"):
        convert_checkpoint(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_the_command_refuses_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing source, an existing target, another suffix and a missing folder have exit codes."""
    source, there = tmp_path / "a.pth", tmp_path / "there.safetensors"
    there.write_bytes(b"precious")
    assert main(["convert-weights", str(source), "-o", str(there)]) == 6
    source.write_bytes(b"x")
    assert main(["convert-weights", str(source), "-o", str(there)]) == 4
    assert "--overwrite" in capsys.readouterr().err
    assert main(["convert-weights", str(source), "-o", str(tmp_path / "a.pt")]) == 4
    assert main(["convert-weights", str(source), "-o", str(tmp_path / "no/a.safetensors")]) == 4
    assert main(["convert-weights", str(source), "-o", str(there), "--overwrite"]) == 6
    assert there.read_bytes() == b"precious"
