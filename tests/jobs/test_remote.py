"""Inputs on a network: fetched if that is allowed, gone on with after a break, never trusted."""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vinr_cli.errors import InputError, OutputError, UsageError
from vinr_cli.jobs.remote import address_of, fetch_input, require_allowed
from vinr_cli.weights.fetch import Patience

QUICK = Patience(tries=3, first_wait=0.0, longest_wait=0.0, timeout=5.0, sleep=lambda _: None)
CONTENT = bytes(range(256)) * 400


class Server(ThreadingHTTPServer):
    """Serves one content at every path; each request may be told to go wrong.

    Attributes:
        faults: What the next requests do; an honest answer when it is empty.
        ranges: The Range header of each request.
        tag: ETag of the content.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.faults: deque[str] = deque()
        self.ranges: list[str | None] = []
        self.tag = '"one"'

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        fault = server.faults.popleft() if server.faults else ""
        found = re.fullmatch(r"bytes=(\d+)-", asked or "")
        start = int(found[1]) if found and self.headers.get("If-Range") == server.tag else 0
        body = server.content[start:]
        if fault.isdigit():
            start, body = 0, b"no"
        self.send_response(int(fault) if fault.isdigit() else 206 if start else 200)
        if start:
            whole = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Type", "text/html" if fault == "page" else "video/mp4")
        self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 3] if fault == "break" else body)
        self.close_connection = fault == "break"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_addresses_are_told_from_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheme and a slash make an address, unless there is such a file; drives are none."""
    monkeypatch.chdir(tmp_path)
    assert address_of(Path("http://host/a.mp4")) == "http://host/a.mp4"
    assert address_of(Path("HTTPS://host:8/a b.mp4?x=1")) == "https://host:8/a b.mp4?x=1"
    for name in ("a.mp4", "a:b.mp4", "dir/http:x.mp4", "C:/clips/a.mp4"):
        assert address_of(Path(name)) is None
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "a.mp4").touch()
    assert address_of(Path("http:/a.mp4")) is None


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("http://h/a.mp4", False), ("https://u:secret@h/a.mp4?key=1", False),
     ("ftp://h/a.mp4", True), ("rtsp://h/live", True), ("file://etc/passwd", True),
     ("concat://a", True)],
)  # fmt: skip
def test_what_is_not_allowed_is_refused(address: str, allowed: bool) -> None:
    """Without permission no address is asked, with it only http and https; no secret is shown."""
    with pytest.raises(UsageError) as caught:
        require_allowed(address, allowed=allowed)
    assert "secret" not in str(caught.value)
    assert "key" not in str(caught.value)
    require_allowed("http://h/a.mp4", allowed=True)


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    """The bytes are the server's; the second time nothing is asked; nothing else is left."""
    address = server.address("a%20clip.mp4?key=1")
    path = fetch_input(address, tmp_path, patience=QUICK)
    assert path.read_bytes() == CONTENT
    assert re.fullmatch(r"a clip-[0-9a-f]{8}\.mp4", path.name)
    assert fetch_input(address, tmp_path, patience=QUICK) == path
    assert len(server.ranges) == 1
    assert list(tmp_path.iterdir()) == [path]
    other = fetch_input(server.address("a%20clip.mp4?key=2"), tmp_path, patience=QUICK)
    assert other != path


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "", "-o.mp4", ".bashrc", "a" * 400])
def test_no_address_names_a_file_elsewhere(server: Server, tmp_path: Path, name: str) -> None:
    """Whatever an address ends in, the file lies in the folder, not hidden and no option."""
    path = fetch_input(server.address(name), tmp_path, patience=QUICK)
    assert path.parent == tmp_path
    assert path.name[0] not in ".-"
    assert path.read_bytes() == CONTENT


def test_a_broken_download_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    """Breaks and a busy server are waited out, and no byte comes twice."""
    server.faults.extend(["break", "503", "break"])
    assert fetch_input(server.address("a.mp4"), tmp_path, patience=QUICK).read_bytes() == CONTENT
    assert [bool(asked) for asked in server.ranges] == [False, True, True, True]


def test_another_run_goes_on(server: Server, tmp_path: Path) -> None:
    """What a failed run fetched is kept; of a file that has changed since, nothing is."""
    server.faults.extend(["break", "404"])
    with pytest.raises(InputError, match="404"):
        fetch_input(server.address("a.mp4"), tmp_path, patience=QUICK)
    server.content, server.tag = CONTENT[::-1], '"two"'
    path = fetch_input(server.address("a.mp4"), tmp_path, patience=QUICK)
    assert path.read_bytes() == CONTENT[::-1]
    assert server.ranges[-1] is not None
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("faults", "words"),
    [(["404"], "404"), (["503"] * 3, "503"), (["page"], "web page"), (["416"] * 3, "not what")],
)
def test_what_cannot_be_had_is_an_input_error(
    server: Server, tmp_path: Path, faults: list[str], words: str
) -> None:
    """The cause is named, and no file has the final name."""
    server.faults.extend(faults)
    with pytest.raises(InputError, match=words):
        fetch_input(server.address("a.mp4"), tmp_path, patience=QUICK)
    assert not list(tmp_path.glob("*.mp4"))


def test_a_disk_that_is_too_small_is_told_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is larger than what is free is refused before its first byte is written."""
    import shutil

    class Usage:
        free = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(OutputError, match="102400 bytes are to come, and 1000 are free"):
        fetch_input(server.address("a.mp4"), tmp_path, patience=QUICK)


def test_the_program_reads_an_address_if_it_may(
    server: Server, vinr: Callable[..., Any], sample: Path, tiny: Path, tmp_path: Path
) -> None:
    """Without --allow-network an address is refused unasked; with it the video is made."""
    server.content = sample.read_bytes()
    command = ("upscale", server.address("s.mp4"), "--scale", "1", "--model", str(tiny))
    refused = vinr(*command, "-o", "out.mp4")
    assert refused.returncode == 2
    assert "--allow-network" in refused.stderr
    assert server.ranges == []
    made = vinr(*command, "-o", "out.mp4", "--allow-network")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "out.mp4").exists()
    assert len(list(tmp_path.glob("s-*.mp4"))) == 1


def test_a_fetched_playlist_is_not_followed(
    server: Server, vinr: Callable[..., Any], tiny: Path
) -> None:
    """A playlist from the network is refused, and none of what it names is asked for."""
    segment = server.address("segment.ts")
    server.content = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{segment}\n#EXT-X-ENDLIST\n".encode()
    )
    command = ("upscale", server.address("list.m3u8"), "--allow-network", "--model", str(tiny))
    refused = vinr(*command)
    assert refused.returncode == 3
    assert "playlists" in refused.stderr
    assert len(server.ranges) == 1
