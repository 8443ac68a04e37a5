import hashlib
from pathlib import Path

import pytest

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.http import Source
from vinr_cli.fetch.identity import ByDigest
from vinr_cli.fetch.patience import Patience
from vinr_cli.weights.origins import fetch_weights

from ..fetch import servers
from ..fetch.servers import Web

CONTENT = bytes(range(256)) * 4000
RIGHT = ByDigest(Digest("sha256", hashlib.sha256(CONTENT).hexdigest()))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


def test_the_next_mirror_continues_the_same_bytes(web: Web, part: Path, patience: Patience) -> None:
    """What the first address has given is kept for the second, as the hash decides in the end."""
    web.put("/model", CONTENT)
    web.script.append(servers.cut(400_000))
    web.script.extend([servers.status(404)])
    sources = [Source(f"{web.url}/model"), Source(f"{web.url}/model?mirror")]
    fetch_weights("model m", sources, RIGHT, part, patience=patience)
    assert part.read_bytes() == CONTENT
    assert web.ranges == [None, "bytes=400000-", "bytes=400000-"]
    assert web.seen[-1].path == "/model?mirror"


def test_every_address_is_named(web: Web, part: Path, patience: Patience) -> None:
    """Where all addresses fail, one line names each with its own cause, and no query string."""
    sources = [Source(f"{web.url}/a?token=secret"), Source("https://127.0.0.1:1/b")]
    with pytest.raises(WeightsError) as caught:
        fetch_weights("model m", sources, RIGHT, part, patience=patience)
    message = str(caught.value)
    assert f"model m: could not be fetched from {web.url}/a: the server answers 404" in message
    assert "https://127.0.0.1:1/b: the connection failed" in message
    assert "secret" not in message
    assert "\n" not in message


def test_what_is_kept_is_said(web: Web, part: Path, patience: Patience) -> None:
    """A download that gives up with bytes at hand says that the same command resumes it."""
    web.put("/model", CONTENT)
    web.always = servers.cut(100_000, ranges=False)
    with pytest.raises(WeightsError, match="the same command resumes where it stopped"):
        fetch_weights("model m", [Source(f"{web.url}/model")], RIGHT, part, patience=patience)


def test_a_place_that_cannot_be_written(web: Web, tmp_path: Path, patience: Patience) -> None:
    """An error of the disk is told as such, and no other address is tried."""
    web.put("/model", CONTENT)
    sources = [Source(f"{web.url}/model")] * 2
    with pytest.raises(WeightsError, match="cannot be written"):
        fetch_weights("model m", sources, RIGHT, tmp_path / "no" / "folder", patience=patience)
    assert len(web.seen) == 1
