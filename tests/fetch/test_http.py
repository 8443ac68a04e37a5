"""What the downloader makes of honest and of lying servers, by digest and by validator."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.http import Source, download, without_secrets
from vinr_cli.fetch.identity import ByDigest, ByValidator, Identity
from vinr_cli.fetch.patience import Patience, RefusedError
from vinr_cli.files import write_json

from . import servers
from .servers import Web

CONTENT = np.random.default_rng(0).bytes(1_024_000)
DIGEST = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


def get(web: Web, part: Path, patience: Patience, size: int | None = None) -> None:
    """Fetch `CONTENT` from the server."""
    source = Source(web.put("/model", CONTENT))
    download(source, part, ByDigest(DIGEST, size), patience=patience)


def test_a_file_arrives_whole(web: Web, part: Path, patience: Patience) -> None:
    """An honest server is asked once, and progress ends at the size of the file."""
    told: list[tuple[int, int | None]] = []
    source = Source(web.put("/model", CONTENT))
    download(
        source, part, ByDigest(DIGEST),
        progress=lambda done, total: told.append((done, total)), patience=patience,
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


def test_what_an_earlier_run_has_left_is_resumed(web: Web, part: Path, patience: Patience) -> None:
    """A run that gave up leaves its bytes, and the next one asks for the others only."""
    web.always = servers.cut(100_000, ranges=False)
    with pytest.raises(RefusedError):
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
    with pytest.raises(RefusedError, match=f"other bytes than it should .*{DIGEST.value}"):
        get(web, part, patience)
    assert not part.exists()


@pytest.mark.parametrize(
    ("behave", "cause"),
    [
        (servers.status(404), "404 Not Found"),
        (servers.status(403), "403 Forbidden"),
        (servers.web_page, "a web page instead of the file"),
        (servers.shifted, "a range that was not asked for"),
        (servers.longer, "has 1024001 bytes instead of 1024000"),
        (servers.moved("http://example.invalid/model"), "which is not https"),
    ],
)
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    web: Web, part: Path, patience: Patience, behave: servers.Behave, cause: str
) -> None:
    """What is wrong for good fails at the first request, with its cause."""
    web.always = behave
    with pytest.raises(RefusedError, match=cause):
        get(web, part, patience, size=len(CONTENT))
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
    with pytest.raises(RefusedError, match="503 Service Unavailable"):
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
    with pytest.raises(RefusedError, match="asks to wait 3600 s"):
        get(web, part, patience)
    assert not waits


def test_silence_counts_as_broken(web: Web, part: Path, waits: list[float]) -> None:
    """A server that stops sending is left after the time-out, and its bytes are kept."""
    web.script.append(servers.stalls(50_000))
    # A busy machine is silent for so long now and then, too: that costs tries and no byte.
    get(web, part, Patience(tries=1000, timeout=0.3, sleep=waits.append))
    assert waits
    assert part.read_bytes() == CONTENT
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in web.ranges if asked]
    assert starts
    assert starts == sorted(starts)


def test_plain_http_is_for_this_machine(part: Path, patience: Patience) -> None:
    """An http address elsewhere is refused before anything is sent, unless the user chose it."""
    with pytest.raises(RefusedError, match="which is not https"):
        download(Source("http://example.invalid/m"), part, ByDigest(DIGEST), patience=patience)


def test_a_token_stays_with_its_host(web: Web, part: Path, patience: Patience) -> None:
    """A redirect to another host carries no authorization."""
    other = Web()
    with other.running():
        other.put("/model", CONTENT)
        address = other.url.replace("127.0.0.1", "localhost")
        web.always = servers.moved(f"{address}/model")
        source = Source(web.put("/model", CONTENT), {"Authorization": "Bearer secret"})
        download(source, part, ByDigest(DIGEST), patience=patience)
    assert web.seen[0].headers["Authorization"] == "Bearer secret"
    assert other.seen[0].headers["Authorization"] is None
    assert part.read_bytes() == CONTENT


def test_proxy_variables_are_honoured(
    web: Web, part: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY gets the request, with the whole address, and NO_PROXY keeps it away."""
    web.files["http://localhost:9/model"] = CONTENT
    monkeypatch.setenv("HTTP_PROXY", web.url)
    download(Source("http://localhost:9/model"), part, ByDigest(DIGEST), patience=patience)
    assert web.seen[0].path == "http://localhost:9/model"
    part.unlink()
    monkeypatch.setenv("NO_PROXY", "localhost")
    with pytest.raises(RefusedError, match="connection failed"):
        download(Source("http://localhost:9/model"), part, ByDigest(DIGEST), patience=patience)


def test_threads_do_not_disturb_each_other(web: Web, tmp_path: Path, patience: Patience) -> None:
    """Downloads into different parts run side by side."""
    web.put("/model", CONTENT)
    parts = [tmp_path / f"{i}.part" for i in range(4)]

    def one(part: Path) -> None:
        download(Source(f"{web.url}/model"), part, ByDigest(DIGEST), patience=patience)

    threads = [threading.Thread(target=one, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(part.read_bytes() == CONTENT for part in parts)


# -- by validator -------------------------------------------------------------------------------


@pytest.fixture
def versioned(web: Web, part: Path) -> ByValidator:
    """The identity of a file whose server states an ETag."""
    web.tag = '"one"'
    return ByValidator(part.with_name("state.json"))


def identities(web: Web, part: Path) -> list[Identity]:
    """Both ways to know a file, for a server that states an ETag."""
    web.tag = '"one"'
    return [ByDigest(DIGEST), ByValidator(part.with_name("state.json"))]


def begun(web: Web, part: Path, identity: Identity, after: int) -> Source:
    """Leave a part of so many bytes, as a killed run does; returns where the rest is."""
    source = Source(web.put("/model", CONTENT))
    web.script.append(servers.cut(after))
    with pytest.raises(RefusedError):
        download(source, part, identity, patience=Patience(tries=1))
    assert part.stat().st_size == after
    web.seen.clear()
    return source


@pytest.mark.parametrize("kind", [0, 1], ids=["digest", "validator"])
def test_a_complete_part_is_kept(web: Web, part: Path, patience: Patience, kind: int) -> None:
    """A run that was killed between the last byte and the new name costs no byte of the next."""
    identity = identities(web, part)[kind]
    source = Source(web.put("/model", CONTENT))
    download(source, part, identity, patience=patience)
    web.seen.clear()
    download(source, part, identity, patience=patience)
    assert part.read_bytes() == CONTENT
    assert set(web.ranges) <= {f"bytes={len(CONTENT)}-"}


def test_a_complete_part_of_unknown_size_is_kept(
    web: Web, part: Path, versioned: ByValidator, patience: Patience
) -> None:
    """Where only the server knows the size, `bytes */N` with N bytes at hand means complete."""
    source = Source(web.put("/model", CONTENT))
    download(source, part, versioned, patience=patience)
    versioned.state.write_text(json.dumps({"tag": web.tag, "size": None}))
    web.seen.clear()
    download(source, part, versioned, patience=patience)
    assert web.ranges == [f"bytes={len(CONTENT)}-"]
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("kind", [0, 1], ids=["digest", "validator"])
def test_a_range_of_an_open_length_is_taken(
    web: Web, part: Path, patience: Patience, kind: int
) -> None:
    """`Content-Range: bytes a-b/*` continues a part as `a-b/N` does."""
    identity = identities(web, part)[kind]
    source = begun(web, part, identity, 300_000)
    web.script.append(servers.open_ended)
    download(source, part, identity, patience=patience)
    assert part.read_bytes() == CONTENT
    assert web.ranges == ["bytes=300000-"]


RECEIVER = """
import sys
from pathlib import Path
from vinr_cli.fetch.http import Source, download
from vinr_cli.fetch.identity import ByValidator
part = Path(sys.argv[2])
def progress(done, total):
    print(done, flush=True)
download(Source(sys.argv[1]), part, ByValidator(part.with_name("state.json")), progress=progress)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_has_arrived_survives_kill_9(
    web: Web, part: Path, versioned: ByValidator, environment: dict[str, str], patience: Patience
) -> None:
    """After kill -9 every byte that was received is in the part, and the next run resumes there."""
    received = 1000  # less than any buffer holds
    web.script.append(servers.stalls(received))
    source = Source(web.put("/model", CONTENT))
    with subprocess.Popen(
        [sys.executable, "-c", RECEIVER, source.url, str(part)],
        env=environment, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while int(process.stdout.readline()) < received:
            pass
        process.send_signal(signal.SIGKILL)
    assert part.stat().st_size == received
    download(source, part, versioned, patience=patience)
    assert web.ranges == [None, f"bytes={received}-"]
    assert part.read_bytes() == CONTENT


def test_another_version_is_fetched_from_its_start(
    web: Web, part: Path, versioned: ByValidator, patience: Patience
) -> None:
    """Where the file has changed since, nothing of the old version is kept."""
    source = begun(web, part, versioned, 300_000)
    web.tag = '"two"'
    web.put("/model", CONTENT[::-1])
    download(source, part, versioned, patience=patience)
    assert part.read_bytes() == CONTENT[::-1]


def test_old_bytes_never_get_a_new_versions_name(
    web: Web,
    part: Path,
    versioned: ByValidator,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that ends while it notes a new version leaves nothing that the next one would mix."""
    source = begun(web, part, versioned, 300_000)
    web.tag = '"two"'
    web.put("/model", CONTENT[::-1])

    def killed(path: Path, value: dict[str, object]) -> None:
        write_json(path, value)
        raise KeyboardInterrupt

    monkeypatch.setattr("vinr_cli.fetch.identity.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        download(source, part, versioned, patience=patience)
    monkeypatch.setattr("vinr_cli.fetch.identity.write_json", write_json)
    download(source, part, versioned, patience=patience)
    assert part.read_bytes() == CONTENT[::-1]


def test_a_server_that_ignores_the_condition(
    web: Web, part: Path, versioned: ByValidator, patience: Patience
) -> None:
    """A continuation that carries another ETag than the part's is not written behind it."""
    source = begun(web, part, versioned, 300_000)
    web.tag = '"two"'
    web.put("/model", CONTENT[::-1])
    web.script.append(servers.unconditional)
    download(source, part, versioned, patience=patience)
    assert part.read_bytes() == CONTENT[::-1]
    assert web.ranges == ["bytes=300000-", None]


def test_without_a_validator_nothing_is_continued(
    web: Web, part: Path, versioned: ByValidator, patience: Patience
) -> None:
    """A server that names no version is asked for the whole file again."""
    web.tag = ""
    source = begun(web, part, versioned, 300_000)
    download(source, part, versioned, patience=patience)
    assert web.ranges == [None]
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tag": 7, "size": "x"}', "[" * 100_000])
def test_a_damaged_state_costs_a_fresh_start(
    web: Web, part: Path, versioned: ByValidator, patience: Patience, text: str
) -> None:
    """Whatever is in the state file, the download ends with the right bytes."""
    source = begun(web, part, versioned, 300_000)
    versioned.state.write_text(text)
    download(source, part, versioned, patience=patience)
    assert part.read_bytes() == CONTENT


# -- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 1], ids=["digest", "validator"])
def test_a_disk_that_is_too_small(
    web: Web, part: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    """A file that is larger than what is free is refused before its first byte is written."""
    import shutil

    class Usage:
        free = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    identity = identities(web, part)[kind]
    source = Source(web.put("/model", CONTENT))
    with pytest.raises(OSError, match="1024000 bytes are to come, and 1000 are free"):
        download(source, part, identity, patience=patience)
    assert not part.exists()


def test_what_the_progress_raises_ends_the_download(
    web: Web, part: Path, patience: Patience
) -> None:
    """A caller cancels by raising: the exception is its own, and what came is kept."""

    class CancelledError(Exception):
        pass

    def cancel(done: int, total: int | None) -> None:
        if done > 100_000:
            raise CancelledError

    source = Source(web.put("/model", CONTENT))
    with pytest.raises(CancelledError):
        download(source, part, ByDigest(DIGEST), progress=cancel, patience=patience)
    assert part.stat().st_size > 100_000
    get(web, part, patience)


@pytest.mark.parametrize(
    "header",
    [
        {"Content_Range": f"bytes 300000-1023999/{'9' * 5000}"},
        {"Content_Range": "bytes 300000-1023999/\u00b2"},
        {"Content_Range": f"bytes {'9' * 5000}-1023999/1024000"},
        {"Content_Range": ""},
    ],
    ids=["huge total", "superscript", "huge start", "empty"],
)
def test_a_range_that_is_no_number(
    web: Web, part: Path, patience: Patience, header: dict[str, str]
) -> None:
    """A range header whose numbers cannot be is refused by its name, not by a traceback."""
    source = begun(web, part, ByDigest(DIGEST), 300_000)
    web.script.append(lambda request, content: request.reply(206, content[300_000:], **header))
    with pytest.raises(RefusedError, match="a range that was not asked for"):
        download(source, part, ByDigest(DIGEST), patience=patience)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host:8/a/b.mp4?key=secret#secret", "https://host:8/a/b.mp4"),
        ("https://host?key=secret", "https://host"),
        ("http://[::1/secretless", "http://[::1/secretless"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, shown: str) -> None:
    """Of an address, user, password, query and fragment are not shown; it need not be valid."""
    assert without_secrets(url) == shown
