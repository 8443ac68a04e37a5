import copy
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vinr_cli import VideoINR, load_model
from vinr_cli.errors import WeightsError
from vinr_cli.model import CompactVideoINR, ModelConfig, PublishedVideoINR
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.videoinr import Network
from vinr_cli.weights.load import save_weights

from ..fetch import servers
from ..fetch.servers import Hub, Repository

SECRET = "hf_of_this_test"  # noqa: S105 - opens nothing
SMALL = ModelConfig.published(
    width=8,
    deform_groups=2,
    front_blocks=1,
    back_blocks=1,
    hidden=(16, 16, 24),
    decoder_hidden=(16, 16, 24, 24),
)


@pytest.fixture
def network(tiny: Path) -> VideoINR:
    return load_model(tiny)


def same(one: Network, other: Network) -> bool:
    """Whether two networks have one config and the same parameters."""
    states = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    equal = all(k == m and torch.equal(v, w) for (k, v), (m, w) in states)
    return equal and one.config == other.config


def test_a_folder_and_back(network: VideoINR, tmp_path: Path) -> None:
    """`save_pretrained` writes weights, config and card; `from_pretrained` reads the same."""
    folder = network.save_pretrained(tmp_path / "mine", licence="apache-2.0")
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip
    again = VideoINR.from_pretrained(folder)
    assert same(again, network)
    assert not again.training
    assert ModelConfig.from_dict(json.loads((folder / "config.json").read_text())) == again.config
    assert "license: apache-2.0" in (folder / "README.md").read_text()


@pytest.mark.parametrize("config", [CompactConfig(octaves=0, width=8, blocks=1), SMALL])
def test_each_family_survives(config: ModelConfig, tmp_path: Path) -> None:
    """`VideoINR(config)` is a network of its family with the methods; both go round."""
    network = VideoINR(config)
    assert isinstance(network, PublishedVideoINR if config is SMALL else CompactVideoINR)
    assert isinstance(network, VideoINR)
    assert same(VideoINR.from_pretrained(network.save_pretrained(tmp_path)), network)


def test_the_models_own_choice_stays(tiny_config: CompactConfig) -> None:
    """The network's own class builds what it built before: the methods are added above it."""
    assert type(Network(tiny_config)) is CompactVideoINR
    assert type(Network(SMALL)) is PublishedVideoINR
    for kind in (Network, VideoINR):
        with pytest.raises(TypeError, match="no network for"):
            kind(ModelConfig())


def test_copies(network: VideoINR) -> None:
    """A network with the methods can be copied and pickled."""
    assert same(copy.deepcopy(network), network)
    assert same(pickle.loads(pickle.dumps(network)), network)  # noqa: S301 - our own bytes


def test_a_card_that_is_there_stays(network: VideoINR, tmp_path: Path) -> None:
    """`save_pretrained` does not write over what somebody has written about the model."""
    (tmp_path / "README.md").write_text("mine")
    network.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_the_config_may_be_beside_the_weights(network: VideoINR, tmp_path: Path) -> None:
    """A weights file without its own config takes config.json, as other programs write them."""
    folder = network.save_pretrained(tmp_path)
    path = folder / "model.safetensors"
    save_file(load_file(path), path, {"format": "pt"})
    assert same(VideoINR.from_pretrained(folder), network)
    assert same(load_model(folder), network)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match="does not say which network"):
        VideoINR.from_pretrained(folder)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    """A folder that holds no weights is named."""
    with pytest.raises(WeightsError, match=r"model\.safetensors: cannot be read"):
        VideoINR.from_pretrained(tmp_path)


def test_a_pickle_is_not_taken_instead(hub: Hub, tmp_path: Path) -> None:
    """A model of the Hub with a pickle alone is refused: no fallback."""
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    hub.repositories["org/old"] = Repository()
    content = (tmp_path / "pytorch_model.bin").read_bytes()
    hub.repositories["org/old"].commit({"pytorch_model.bin": content, "config.json": b"{}"})
    with pytest.raises(WeightsError, match="vinr reads safetensors alone"):
        VideoINR.from_pretrained("org/old")


# huggingface_hub hands a file to its client in a way that the client deprecates.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_to_the_hub_and_back(hub: Hub, network: VideoINR) -> None:
    """`push_to_hub` makes the repository and one commit, and `from_pretrained` reads it."""
    url = network.push_to_hub("org/mine", token=SECRET, licence="mit", message="First")
    repository = hub.repositories["org/mine"]
    commit = repository.refs["main"]
    assert url == f"{hub.url}/org/mine/commit/{commit}"
    assert set(repository.commits[commit]) == {"README.md", "config.json", "model.safetensors"}
    assert b"--model hf:org/mine" in repository.commits[commit]["README.md"]
    assert all(
        r.headers["Authorization"] == f"Bearer {SECRET}" for r in hub.seen if "/api/" in r.path
    )

    assert same(VideoINR.from_pretrained("org/mine"), network)
    assert same(VideoINR.from_pretrained("hf:org/mine", revision=commit), network)
    assert same(VideoINR.from_pretrained(f"org/mine@{commit}", local_files_only=True), network)


def test_a_refused_upload(hub: Hub, network: VideoINR) -> None:
    """A Hub that refuses is named, with what to check."""
    hub.script.append(servers.status(403))
    with pytest.raises(WeightsError, match=r"could not be uploaded.*answers 403.*HF_TOKEN"):
        network.push_to_hub("org/mine", token=SECRET)


def test_an_unwritable_folder(network: VideoINR, tmp_path: Path) -> None:
    """A folder that cannot be made is an error of one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot be written"):
        network.save_pretrained(tmp_path / "file" / "folder")
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(tmp_path / "none" / "x.safetensors", network)
