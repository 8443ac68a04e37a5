import hashlib
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.errors import WeightsError
from vinr_cli.weights.digest import Digest
from vinr_cli.weights.fetch import Patience, Remote, fetch

from . import servers
from .servers import Web

CONTENT = np.random.default_rng(0).bytes(1_024_000)
DIGEST = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


def get(web: Web, part: Path, patience: Patience, size: int | None = None) -> None:
    """Fetch `CONTENT` from the server."""
    url = web.put("/model", CONTENT)
    fetch("model m", [Remote(url)], DIGEST, part, size=size, patience=patience)


def test_a_file_arrives_whole(web: Web, part: Path, patience: Patience) -> None:
    """An honest server is asked once, and progress ends at the size of the file."""
    told: list[tuple[int, int | None]] = []
    url = web.put("/model", CONTENT)
    fetch(
        "model m", [Remote(url)], DIGEST, part,
        watch=lambda done, total: told.append((done, total)), patience=patience,
    )  # fmt: skip
    assert part.read_bytes() == CONTENT
    assert len(web.seen) == 1
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_connection_goes_on_by_range(web: Web, part: Path, patience: Patience) -> None:
    """After a cut, the next request asks for the rest alone, and the bytes fit together."""
    web.script.extend([servers.cut(300_000), servers.cut(200_000)])
    get(web, part, patience)
    assert part.read_bytes() == CONTENT
    assert web.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_what_an_earlier_run_has_left_is_gone_on_with(
    web: Web, part: Path, patience: Patience
) -> None:
    """A run that gave up leaves its bytes, and the next one asks for the others only."""
    web.always = servers.cut(100_000, ranges=False)
    with pytest.raises(WeightsError, match="the same command goes on where it stopped"):
        get(web, part, patience)
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT)

    web.always = servers.honest
    get(web, part, patience)

    assert web.ranges[-1] == f"bytes={kept}-"
    assert part.read_bytes() == CONTENT


def test_a_complete_part_is_not_fetched_again(web: Web, part: Path, patience: Patience) -> None:
    """Where all bytes are here, the server is asked for none; with the size known, not at all."""
    part.write_bytes(CONTENT)
    get(web, part, patience)
    assert [request.command for request in web.seen] == ["GET"]
    get(web, part, patience, size=len(CONTENT))
    assert len(web.seen) == 1
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(web: Web, part: Path, patience: Patience) -> None:
    """Where a server ignores the range, the file is written from its beginning."""
    web.script.extend([servers.cut(300_000), servers.no_ranges])
    get(web, part, patience)
    assert part.read_bytes() == CONTENT


def test_wrong_leftovers_get_one_fresh_start(web: Web, part: Path, patience: Patience) -> None:
    """Bytes from before that do not belong to the file cost a second download, not a failure."""
    part.write_bytes(b"x" * 1000)
    get(web, part, patience)
    assert part.read_bytes() == CONTENT
    assert web.ranges == ["bytes=1000-", None]


def test_leftovers_that_are_too_long(web: Web, part: Path, patience: Patience) -> None:
    """More bytes than the file has are dropped, whether its size is known or not."""
    part.write_bytes(CONTENT + b"x")
    get(web, part, patience)
    assert part.read_bytes() == CONTENT
    part.write_bytes(CONTENT + b"x")
    get(web, part, patience, size=len(CONTENT))
    assert part.read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_deleted(web: Web, part: Path, patience: Patience) -> None:
    """Other bytes of the right length leave no file, and the message has both hashes."""
    web.always = servers.wrong_bytes
    with pytest.raises(WeightsError, match=f"other bytes than it should .*{DIGEST.value}"):
        get(web, part, patience)
    assert not part.exists()


@pytest.mark.parametrize(
    ("behave", "cause"),
    [
        (servers.status(404), "404 Not Found"),
        (servers.status(403), "403 Forbidden"),
        (servers.web_page, "a web page instead of the file"),
        (servers.shifted, "a range that nobody asked for"),
        (servers.longer, "has 1024001 bytes instead of 1024000"),
        (servers.moved("http://example.invalid/model"), "which is not https"),
    ],
)
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    web: Web, part: Path, patience: Patience, behave: servers.Behave, cause: str
) -> None:
    """What is wrong for good fails at the first request, in one line with address and cause."""
    web.always = behave
    with pytest.raises(WeightsError) as caught:
        get(web, part, patience, size=len(CONTENT))
    message = str(caught.value)
    assert cause in message
    assert f"model m: could not be fetched from {web.url}/model" in message
    assert "\n" not in message
    assert len(web.seen) == 1


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(
    web: Web, part: Path, patience: Patience, waits: list[float], code: int
) -> None:
    """What may pass is tried again, each wait twice the one before."""
    web.script.extend([servers.status(code)] * 2)
    get(web, part, patience)
    assert part.read_bytes() == CONTENT
    assert waits == [1.0, 2.0]


def test_patience_ends(web: Web, part: Path, patience: Patience, waits: list[float]) -> None:
    """A server that stays out of order is given up after the tries, and named with its status."""
    web.always = servers.status(503)
    with pytest.raises(WeightsError, match="503 Service Unavailable"):
        get(web, part, patience)
    assert len(web.seen) == patience.tries
    assert len(waits) == patience.tries - 1


def test_new_bytes_renew_the_patience(web: Web, part: Path, patience: Patience) -> None:
    """A line that breaks more often than there are tries is followed while it brings new bytes."""
    web.script.extend([servers.cut(100_000)] * (3 * patience.tries))
    get(web, part, patience)
    assert part.read_bytes() == CONTENT


def test_retry_after_is_obeyed(
    web: Web, part: Path, patience: Patience, waits: list[float]
) -> None:
    """429 with Retry-After waits as long as the server says, in seconds or until a date."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    web.script.extend([servers.status(429, Retry_After="7")])
    web.script.extend([servers.status(429, Retry_After=later)])
    get(web, part, patience)
    assert waits[0] == 7.0
    assert 20 < waits[1] <= 30


def test_a_long_retry_after_is_not_waited_for(
    web: Web, part: Path, patience: Patience, waits: list[float]
) -> None:
    """A server that asks for an hour is given up at once, with the time that it asked for."""
    web.always = servers.status(429, Retry_After="3600")
    with pytest.raises(WeightsError, match="asks to wait 3600 s"):
        get(web, part, patience)
    assert not waits


def test_silence_counts_as_broken(web: Web, part: Path, waits: list[float]) -> None:
    """A server that stops sending is left after the time-out, and its bytes are kept."""
    web.script.append(servers.stalls(50_000))
    get(web, part, Patience(tries=3, timeout=0.3, sleep=waits.append))
    assert web.ranges == [None, "bytes=50000-"]
    assert part.read_bytes() == CONTENT


def test_the_next_mirror_goes_on_with_the_same_bytes(
    web: Web, part: Path, patience: Patience
) -> None:
    """What the first address has given is kept for the second, as the hash decides in the end."""
    web.put("/model", CONTENT)
    web.script.append(servers.cut(400_000))
    web.script.extend([servers.status(404)])
    remotes = [Remote(f"{web.url}/model"), Remote(f"{web.url}/model?mirror")]
    fetch("model m", remotes, DIGEST, part, patience=patience)
    assert part.read_bytes() == CONTENT
    assert web.ranges == [None, "bytes=400000-", "bytes=400000-"]
    assert web.seen[-1].path == "/model?mirror"


def test_every_address_is_named(web: Web, part: Path, patience: Patience) -> None:
    """Where all addresses fail, each is told with its own cause, and no query string is."""
    remotes = [Remote(f"{web.url}/a?token=secret"), Remote("https://127.0.0.1:1/b")]
    with pytest.raises(WeightsError) as caught:
        fetch("model m", remotes, DIGEST, part, patience=patience)
    assert f"{web.url}/a: answers 404" in str(caught.value)
    assert "https://127.0.0.1:1/b: connection failed" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_plain_http_is_for_this_machine(part: Path, patience: Patience) -> None:
    """An http address elsewhere is refused before anything is sent, unless the user chose it."""
    with pytest.raises(WeightsError, match="which is not https"):
        fetch("model m", [Remote("http://example.invalid/m")], DIGEST, part, patience=patience)


def test_a_token_stays_with_its_host(web: Web, part: Path, patience: Patience) -> None:
    """A redirect to another host carries no authorization."""
    other = Web()
    with other.running():
        other.put("/model", CONTENT)
        address = other.url.replace("127.0.0.1", "localhost")
        web.always = servers.moved(f"{address}/model")
        url = web.put("/model", CONTENT)
        remote = Remote(url, {"Authorization": "Bearer secret"})
        fetch("model m", [remote], DIGEST, part, patience=patience)
    assert web.seen[0].headers["Authorization"] == "Bearer secret"
    assert other.seen[0].headers["Authorization"] is None
    assert part.read_bytes() == CONTENT


def test_proxy_variables_are_honoured(
    web: Web, part: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY gets the request, with the whole address, and NO_PROXY keeps it away."""
    web.files["http://localhost:9/model"] = CONTENT
    monkeypatch.setenv("HTTP_PROXY", web.url)
    fetch("model m", [Remote("http://localhost:9/model")], DIGEST, part, patience=patience)
    assert web.seen[0].path == "http://localhost:9/model"
    part.unlink()
    monkeypatch.setenv("NO_PROXY", "localhost")
    with pytest.raises(WeightsError, match="connection failed"):
        fetch("model m", [Remote("http://localhost:9/model")], DIGEST, part, patience=patience)


def test_a_place_that_cannot_be_written(web: Web, tmp_path: Path, patience: Patience) -> None:
    """An error of the disk is told as such, and no other address is tried."""
    web.put("/model", CONTENT)
    remotes = [Remote(f"{web.url}/model")] * 2
    with pytest.raises(WeightsError, match="cannot be written"):
        fetch("model m", remotes, DIGEST, tmp_path / "no" / "folder", patience=patience)
    assert len(web.seen) == 1


def test_threads_do_not_disturb_each_other(web: Web, tmp_path: Path, patience: Patience) -> None:
    """Downloads into different parts run side by side."""
    web.put("/model", CONTENT)
    parts = [tmp_path / f"{i}.part" for i in range(4)]

    def one(part: Path) -> None:
        fetch("model m", [Remote(f"{web.url}/model")], DIGEST, part, patience=patience)

    threads = [threading.Thread(target=one, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(part.read_bytes() == CONTENT for part in parts)
