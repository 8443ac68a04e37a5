"""Loopback servers, a home and a Hub cache of each test's own, and no way out of this machine."""

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from vinr_cli.weights.fetch import Patience

from .servers import Hub, Web


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VINR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "VINR_MIRROR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere else fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not ipaddress.ip_address(address[0]).is_loopback:
            raise AssertionError(f"a test wanted to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server that can be told to lie."""
    server = Web()
    with server.running():
        yield server


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


@pytest.fixture
def waits() -> list[float]:
    """Every wait between two attempts, in seconds; nobody waits in truth."""
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    """Three tries, and no real waiting."""
    return Patience(tries=3, timeout=5, sleep=waits.append)
