"""A server on loopback that can be told to lie, no real waiting, and no way out of this machine."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from vinr_cli.fetch.patience import Patience

from .servers import Web


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere else fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not ipaddress.ip_address(address[0]).is_loopback:
            raise AssertionError(f"a test wanted to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server that can be told to lie."""
    server = Web()
    with server.running():
        yield server


@pytest.fixture
def waits() -> list[float]:
    """Every wait between two attempts, in seconds; nothing waits in truth."""
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    """Three tries, and no real waiting."""
    return Patience(tries=3, timeout=60, sleep=waits.append)
