"""Inputs on a network: fetched if that is allowed, resumed after a break, never trusted."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vinr_cli.errors import InputError, OutputError, UsageError
from vinr_cli.fetch.patience import Patience
from vinr_cli.fetch.progress import silent
from vinr_cli.jobs.remote import address_of, fetch_input, require_allowed

from ..fetch import servers
from ..fetch.servers import Behave, Web

QUICK = Patience(tries=3, first_wait=0.0, longest_wait=0.0, timeout=60.0, sleep=lambda _: None)
CONTENT = bytes(range(256)) * 400
THIRD = len(CONTENT) // 3


@pytest.fixture
def web() -> Iterator[Web]:
    """A server that states an ETag."""
    server = Web()
    server.tag = '"one"'
    with server.running():
        yield server


def get(web: Web, folder: Path, name: str = "a.mp4", content: bytes = CONTENT) -> Path:
    """Fetch an input."""
    return fetch_input(web.put(f"/{name}", content), folder, silent, QUICK)


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


def test_a_file_is_fetched_once(web: Web, tmp_path: Path) -> None:
    """The bytes are the server's; the second time nothing is asked; nothing else is left."""
    web.files["/a%20clip.mp4"] = CONTENT
    address = f"{web.url}/a%20clip.mp4?key="
    path = fetch_input(f"{address}1", tmp_path, silent, QUICK)
    assert path.read_bytes() == CONTENT
    assert re.fullmatch(r"a clip-[0-9a-f]{8}\.mp4", path.name)
    assert fetch_input(f"{address}1", tmp_path, silent, QUICK) == path
    assert len(web.ranges) == 1
    assert list(tmp_path.iterdir()) == [path]
    assert fetch_input(f"{address}2", tmp_path, silent, QUICK) != path


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fetc%2fpasswd", "", "-o.mp4", ".bashrc", "a" * 400, "%E5%AD%97" * 100 + ".mp4",
     "a." + "%E5%AD%97" * 100, "%FF%00%0A.mp4", "%F0%9F%98%80" * 90],
)  # fmt: skip
def test_no_address_names_a_file_elsewhere(web: Web, tmp_path: Path, name: str) -> None:
    """Whatever an address ends in, the file lies in the folder, not hidden and no option."""
    path = get(web, tmp_path, name)
    assert path.parent == tmp_path
    assert path.name[0] not in ".-"
    assert path.read_bytes() == CONTENT


def test_a_broken_download_is_resumed(web: Web, tmp_path: Path) -> None:
    """Breaks and a busy server are waited out, and no byte comes twice."""
    web.script.extend([servers.cut(THIRD), servers.status(503), servers.cut(THIRD)])
    assert get(web, tmp_path).read_bytes() == CONTENT
    assert web.ranges == [None, f"bytes={THIRD}-", f"bytes={THIRD}-", f"bytes={2 * THIRD}-"]


def test_another_run_resumes(web: Web, tmp_path: Path) -> None:
    """What a failed run fetched is kept; of a file that has changed since, nothing is."""
    web.script.extend([servers.cut(THIRD), servers.status(404)])
    with pytest.raises(InputError, match=r"404.*resumes where it stopped"):
        get(web, tmp_path)
    web.tag = '"two"'
    path = get(web, tmp_path, content=CONTENT[::-1])
    assert path.read_bytes() == CONTENT[::-1]
    assert web.ranges[-1] == f"bytes={THIRD}-"
    assert list(tmp_path.iterdir()) == [path]


def stopped(web: Web, folder: Path, after: int) -> Path:
    """Let a run stop after so many bytes; returns its part."""
    web.script.extend([servers.cut(after), *[servers.status(404)] * 3])
    with pytest.raises(InputError):
        get(web, folder)
    web.script.clear()
    web.seen.clear()
    [part] = folder.glob("*.fetch/part")
    return part


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_complete_part_is_not_fetched_again(web: Web, tmp_path: Path, size: int | None) -> None:
    """A run that was killed between the last byte and the final name costs the next one no byte."""
    part = stopped(web, tmp_path, THIRD)
    part.write_bytes(CONTENT)
    part.with_name("state.json").write_text(json.dumps({"tag": web.tag, "size": size}))
    assert get(web, tmp_path).read_bytes() == CONTENT
    assert set(web.ranges) <= {f"bytes={len(CONTENT)}-"}


def test_a_range_of_an_open_length_is_taken(web: Web, tmp_path: Path) -> None:
    """`Content-Range: bytes a-b/*`, which RFC 9110 allows, continues a part."""
    stopped(web, tmp_path, THIRD)
    web.script.append(servers.open_ended)
    assert get(web, tmp_path).read_bytes() == CONTENT
    assert web.ranges == [f"bytes={THIRD}-"]


RECEIVER = """
import sys
from pathlib import Path
from vinr_cli.jobs.remote import fetch_input
fetch_input(sys.argv[1], Path(sys.argv[2]), lambda done, total: print(done, flush=True))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_has_arrived_survives_kill_9(
    web: Web, tmp_path: Path, environment: dict[str, str]
) -> None:
    """After kill -9 every byte that had arrived is there, and the next run asks for the others."""
    received = 1000  # less than any buffer holds
    web.script.append(servers.stalls(received))
    address = web.put("/a.mp4", CONTENT)
    with subprocess.Popen(
        [sys.executable, "-c", RECEIVER, address, str(tmp_path)],
        env=environment, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while int(process.stdout.readline()) < received:
            pass
        process.send_signal(signal.SIGKILL)
    assert get(web, tmp_path).read_bytes() == CONTENT
    assert web.ranges == [None, f"bytes={received}-"]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([servers.status(404)], "404"),
        ([servers.status(503)] * 3, "503"),
        ([servers.web_page], "web page"),
        ([servers.status(416)], "416"),
        ([servers.cut(THIRD), *[servers.status(416)] * 3], "416"),
        ([servers.moved("ftp://127.0.0.1/a.mp4")], "ftp"),
    ],
)
def test_what_cannot_be_had_is_an_input_error(
    web: Web, tmp_path: Path, faults: list[Behave], words: str
) -> None:
    """The cause is named, and no file has the final name."""
    web.script.extend(faults)
    with pytest.raises(InputError, match=words):
        get(web, tmp_path)
    assert not list(tmp_path.glob("*.mp4"))


def test_a_disk_that_is_too_small_is_told_first(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is larger than what is free is refused before its first byte is written."""
    import shutil

    class Usage:
        free = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(OutputError, match="102400 bytes are to come, and 1000 are free"):
        get(web, tmp_path)


def test_the_program_reads_an_address_if_it_may(
    web: Web, vinr: Callable[..., Any], sample: Path, tiny: Path, tmp_path: Path
) -> None:
    """Without --allow-network an address is refused unasked; with it the video is made."""
    address = web.put("/s.mp4", sample.read_bytes())
    command = ("upscale", address, "--scale", "1", "--model", str(tiny))
    refused = vinr(*command, "-o", "out.mp4")
    assert refused.returncode == 2
    assert "--allow-network" in refused.stderr
    assert web.ranges == []
    made = vinr(*command, "-o", "out.mp4", "--allow-network")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "out.mp4").exists()
    assert len(list(tmp_path.glob("s-*.mp4"))) == 1


def test_a_fetched_playlist_is_not_followed(web: Web, vinr: Callable[..., Any], tiny: Path) -> None:
    """A playlist from the network is refused, and none of what it names is asked for."""
    segment = f"{web.url}/segment.ts"
    address = web.put(
        "/list.m3u8",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{segment}\n#EXT-X-ENDLIST\n".encode(),
    )
    command = ("upscale", address, "--allow-network", "--model", str(tiny))
    refused = vinr(*command)
    assert refused.returncode == 3
    assert "playlists" in refused.stderr
    assert len(web.ranges) == 1
