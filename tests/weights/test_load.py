import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vinr_cli.errors import WeightsError
from vinr_cli.model import ModelConfig, Network
from vinr_cli.model.config import CompactConfig, PublishedConfig
from vinr_cli.weights.load import CONFIG_KEY, load_model, save_weights
from vinr_cli.weights.records import DEFAULT, RECORDS, WeightsRecord, packaged_folder
from vinr_cli.weights.registry import find_weights

CONFIG = ModelConfig.compact(
    width=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=4, fine=4, hidden=8, decoder_hidden=8
)
PUBLISHED = ModelConfig.published(
    width=8, deform_groups=2, front_blocks=1, back_blocks=1, hidden=(8,), decoder_hidden=(8,)
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
        ('{"family": ["compact"]}', "unknown model family"),
        ('{"family": "compact", "width": "wide"}', "width is 'wide', not int"),
        ('{"family": "compact", "width": true}', "width is True, not int"),
        ('{"family": "compact", "width": 8.0}', "width is 8.0, not int"),
        ('{"family": "compact", "width": -1}', "width is -1, and 1 to 256 are allowed"),
        ('{"family": "compact", "width": 1e99999999}', "too large"),
        ('{"family": "compact", "blocks": 1000000000}', "and 0 to 128 are allowed"),
        ('{"family": "compact", "blocks": 1' + "0" * 5000 + "}", "too many digits"),
        ('{"family": "compact", "octaves": 1000000000}', "and 0 to 6 are allowed"),
        ('{"family": "compact", "pyramid": [8, 8]}', "not 3 whole numbers"),
        ('{"family": "compact", "radius": [1000000, 1, 1]}', "radius has 1000000"),
        ('{"family": "compact", "radius": [[1], 1, 1]}', "radius has"),
        ('{"family": "compact", "canvas": 2}', "canvas is 2, and 3 to 64 are allowed"),
        ('{"family": "published", "hidden": []}', "not 1 to 16 whole numbers"),
        ('{"family": "published", "hidden": [' + "8," * 999999 + "8]}", "1 to 16 whole numbers"),
        ('{"family": "published", "hidden": [0]}', "hidden has 0"),
        ('{"family": "published", "omega": NaN}', "NaN is not a number"),
        ('{"family": "published", "omega": 0}', "omega is 0"),
        ('{"family": "published", "deform_groups": 7}', "not a multiple of 7"),
        ('{"family": "published", "upsampled_frames": 1}', "not bool"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
    ids=lambda text: text and text[-40:],
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


@pytest.mark.parametrize("config", [CompactConfig, PublishedConfig])
def test_every_dimension_has_bounds(config: type[ModelConfig]) -> None:
    """No field of a config takes a huge number, a negative one, or one of another type."""
    for one in dataclasses.fields(config):
        values: tuple[object, ...] = (10**9, -1, 1e300, "1", None, [[]])
        for value in values:
            several = [value] * 3 if isinstance(one.default, tuple) else value
            with pytest.raises(ValueError, match=rf"^{one.name} "):
                ModelConfig.from_dict({"family": config.family, one.name: several})


def test_the_largest_network_is_refused_before_it_is_built(saved: Path) -> None:
    """A config at all its bounds costs no memory: its parameters are counted, and are too many."""
    config = ModelConfig.published(width=256, front_blocks=128, back_blocks=128)

    def enlarge(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata[CONFIG_KEY] = json.dumps(config.to_dict())

    rewrite(saved, enlarge)
    with pytest.raises(WeightsError, match=r"of [\d,]+ parameters. At most 268,435,456 are built"):
        load_model(saved)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_converted(saved: Path, dtype: torch.dtype) -> None:
    """Weights in half precision, bfloat16 and double are used as float32."""
    before = load_file(saved)
    rewrite(saved, lambda tensors, _: tensors.update({k: v.to(dtype) for k, v in tensors.items()}))
    found = load_model(saved).state_dict()
    for name, value in before.items():
        assert found[name].dtype == torch.float32
        assert torch.allclose(found[name], value.to(dtype).float())


@pytest.mark.parametrize(
    ("dtype", "said"),
    [
        (torch.int64, "I64"), (torch.int8, "I8"), (torch.bool, "BOOL"), (torch.complex64, "C64"),
        (torch.float8_e4m3fn, "F8_E4M3"),
    ],
)  # fmt: skip
def test_what_is_not_a_float_is_refused(saved: Path, dtype: torch.dtype, said: str) -> None:
    """Integers, eight bits and complex numbers are refused by the tensor's name and type."""

    def convert(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        tensors["frame.first.weight"] = tensors["frame.first.weight"].to(dtype)

    rewrite(saved, convert)
    with pytest.raises(WeightsError, match=rf"frame\.first\.weight \(of {said}\)"):
        load_model(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(saved: Path, value: float) -> None:
    """One NaN or infinity in any tensor is refused by the tensor's name, before a frame is made."""
    good = load_file(saved)
    for name in good:

        def poison(tensors: dict[str, torch.Tensor], _: dict[str, str], name: str = name) -> None:
            tensors.update(good)
            tensors[name] = good[name].clone()
            tensors[name].view(-1)[-1] = value

        rewrite(saved, poison)
        with pytest.raises(WeightsError, match=rf"NaN or infinite: {re.escape(name)}\."):
            load_model(saved)


def test_a_double_beyond_float32_is_refused(saved: Path) -> None:
    """A finite double that float32 cannot hold counts as infinite; huge finite floats do not."""

    def enlarge(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        tensors["frame.first.bias"] = torch.full((8,), 1e300, dtype=torch.float64)

    rewrite(saved, enlarge)
    with pytest.raises(WeightsError, match=r"NaN or infinite: frame\.first\.bias"):
        load_model(saved)
    rewrite(saved, lambda t, _: t.update({"frame.first.bias": torch.full((8,), 3e38)}))
    assert float(load_model(saved).state_dict()["frame.first.bias"][0]) == pytest.approx(3e38)


LOADER = """
import sys
from vinr_cli.weights.load import load_model
load_model(sys.argv[1])
sys.exit("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("config", [CONFIG, PUBLISHED], ids=["compact", "published"])
def test_loading_leaves_nothing_behind(
    tmp_path: Path, environment: dict[str, str], config: ModelConfig
) -> None:
    """Loading weights does not load PyTorch's compiler, which makes a folder in TMPDIR."""
    path, scratch = tmp_path / "small.safetensors", tmp_path / "scratch"
    save_weights(path, Network(config))
    scratch.mkdir()
    variables = environment | {"TMPDIR": str(scratch)}
    done = subprocess.run([sys.executable, "-c", LOADER, str(path)], env=variables, check=False)
    assert done.returncode == 0
    assert list(scratch.iterdir()) == []


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
