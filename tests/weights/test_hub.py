from pathlib import Path

import pytest
from huggingface_hub import constants

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.patience import Patience
from vinr_cli.weights.hub import download_model
from vinr_cli.weights.names import HubName

from ..fetch import servers
from ..fetch.servers import Hub, Repository, Web

CARD = b"---\nlicense: mit\n---\n# A model\n"
SECRET = "hf_of_this_test"  # noqa: S105 - opens nothing
NAME = HubName("org/name")


@pytest.fixture
def repository(hub: Hub, tiny: Path) -> Repository:
    """org/name, with weights, config and card."""
    repository = hub.repositories["org/name"] = Repository()
    files = {"model.safetensors": tiny.read_bytes(), "config.json": b"{}", "README.md": CARD}
    repository.commit(files)
    return repository


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf:org/name", HubName("org/name", "main")),
        ("org/name", HubName("org/name", "main")),
        ("hf:org/na.me-2@v1.0", HubName("org/na.me-2", "v1.0")),
        ("hf:org/name@refs/pr/3", HubName("org/name", "refs/pr/3")),
    ],
)
def test_names(text: str, name: HubName) -> None:
    """A name is org/name, with hf: and @revision or without."""
    assert HubName.parse(text) == name
    assert HubName.parse(str(name)) == name


@pytest.mark.parametrize("text", ["hf:", "hf:name", "hf:a/b/c", "hf:a/b@", "hf:../b c"])
def test_what_is_no_name(text: str) -> None:
    """Anything else is refused with the way to write it."""
    with pytest.raises(WeightsError, match="Write hf:org/name"):
        HubName.parse(text)


def test_a_model_arrives(hub: Hub, repository: Repository, tiny: Path, web: Web) -> None:
    """Weights, config and card land in the Hub's cache, and the stamp says what they are."""
    stamp = download_model(NAME)
    assert stamp.path.read_bytes() == tiny.read_bytes()
    assert stamp.name == "hf:org/name@main"
    assert stamp.commit == repository.refs["main"]
    assert stamp.licence == "mit"
    assert Digest("sha256", stamp.sha256).matches(tiny)
    assert stamp.path.is_relative_to(constants.HF_HUB_CACHE)
    assert stamp.path.with_name("config.json").read_bytes() == b"{}"
    assert len(web.seen) == 1


def test_a_second_time_fetches_nothing(hub: Hub, repository: Repository, web: Web) -> None:
    """What is in the cache is asked for again by its metadata alone."""
    download_model(NAME)
    download_model(NAME)
    assert len(web.seen) == 1


def test_a_branch_that_moved_is_followed(hub: Hub, repository: Repository) -> None:
    """A new commit of the branch is fetched; the old one stays under its own name."""
    old = download_model(NAME)
    repository.commit({"model.safetensors": b"other bytes"})
    new = download_model(NAME)
    assert new.path.read_bytes() == b"other bytes"
    again = download_model(HubName("org/name", old.commit))
    assert again.path.read_bytes() == old.path.read_bytes()


def test_a_broken_download_resumes_in_the_next_run(
    hub: Hub, repository: Repository, web: Web, tiny: Path, patience: Patience
) -> None:
    """What one run has of the weights, the next one does not fetch again."""
    size = tiny.stat().st_size
    web.script.extend([servers.cut(size // 2), *[servers.cut(0)] * patience.tries])
    with pytest.raises(WeightsError, match="resumes where it stopped"):
        download_model(NAME, patience=patience)
    assert not list(Path(constants.HF_HUB_CACHE).rglob("model.safetensors"))

    stamp = download_model(NAME, patience=patience)

    assert web.ranges[-1] == f"bytes={size // 2}-"
    assert stamp.path.read_bytes() == tiny.read_bytes()


def test_wrong_bytes_never_enter_the_cache(
    hub: Hub, repository: Repository, web: Web, patience: Patience
) -> None:
    """A storage that gives other bytes than the Hub says leaves no weights behind."""
    web.always = servers.wrong_bytes
    with pytest.raises(WeightsError, match=r"model hf:org/name@main.*other bytes"):
        download_model(NAME, patience=patience)
    cache = Path(constants.HF_HUB_CACHE)
    assert not list(cache.rglob("model.safetensors"))
    assert not [p for p in cache.rglob("*") if len(p.name) == 64]


def test_a_damaged_cache_is_noticed(hub: Hub, repository: Repository) -> None:
    """Changed bytes in the Hub's cache are deleted instead of used, and the next try is right."""
    path = download_model(NAME).path
    whole = path.read_bytes()
    path.resolve().write_bytes(whole[:-1] + b"?")
    with pytest.raises(WeightsError, match="was damaged and is deleted"):
        download_model(NAME)
    assert download_model(NAME).path.read_bytes() == whole


@pytest.mark.parametrize("offline", [True, False])
def test_without_the_hub_the_cache_serves(
    hub: Hub,
    repository: Repository,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
    offline: bool,
) -> None:
    """HF_HUB_OFFLINE, and a Hub that is down, still give what was fetched before."""
    stamp = download_model(NAME)
    asked = len(hub.seen)
    if offline:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        hub.script.extend([servers.status(503)] * 100)
    assert download_model(NAME, patience=patience) == stamp
    assert (len(hub.seen) == asked) is offline


def test_offline_and_not_there(
    hub: Hub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_HUB_OFFLINE without the model fails without a request, and says what to do."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"HF_HUB_OFFLINE forbids.*--to.*--from"):
        download_model(NAME)
    assert not hub.seen


def test_the_token_opens_a_private_model(
    hub: Hub, repository: Repository, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_TOKEN is sent to the Hub and not to the storage; without it the model does not exist."""
    repository.token = SECRET
    with pytest.raises(WeightsError, match="a private one needs HF_TOKEN"):
        download_model(NAME)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    download_model(NAME)
    assert all("Authorization" not in request.headers for request in web.seen)
    assert download_model(NAME, token=SECRET).commit


def test_a_busy_hub_is_asked_again(
    hub: Hub, repository: Repository, patience: Patience, waits: list[float]
) -> None:
    """429 with Retry-After and 503 for the metadata are waited out."""
    hub.script.extend([servers.status(429, Retry_After="4"), servers.status(503)])
    assert download_model(NAME, patience=patience).commit
    assert waits == [4.0, 2.0]


def refusals() -> dict[str, tuple[HubName, str]]:
    """What can be asked for in vain, and what is said."""
    return {
        "model": (HubName("org/other"), "has no such model. Check the name"),
        "revision": (HubName("org/name", "v9"), "has no revision v9 of it"),
        "weights": (HubName("org/empty"), "has no model.safetensors"),
        "gated": (HubName("org/gated"), "Ask for access"),
    }


@pytest.mark.parametrize("what", refusals())
def test_what_the_hub_does_not_give(hub: Hub, repository: Repository, what: str) -> None:
    """A missing model, revision or file, and a closed one, each have a line of their own."""
    hub.repositories["org/empty"] = Repository()
    hub.repositories["org/empty"].commit({"config.json": b"{}"})
    hub.repositories["org/gated"] = Repository(gated=True)
    name, message = refusals()[what]
    with pytest.raises(WeightsError) as caught:
        download_model(name)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"model {name}: ")
    assert hub.url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_hash_no_file(hub: Hub, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that does not say what a file hashes to is not believed."""
    monkeypatch.setattr(servers, "git_blob", lambda content: "an-etag-of-its-own")
    with pytest.raises(WeightsError, match=r"does not say what config\.json hashes to"):
        download_model(NAME)
