"""A home and a Hub cache of each test's own, on loopback servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from ..fetch.conftest import _only_loopback, patience, waits, web
from ..fetch.servers import Hub, Web

__all__ = ["_only_loopback", "patience", "waits", "web"]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VINR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "VINR_MIRROR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub(web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A small Hub, to which huggingface_hub talks; `web` is its storage."""
    server = Hub(web)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with server.running():
        yield server
