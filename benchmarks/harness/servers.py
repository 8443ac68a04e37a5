"""Servers of weights that break off, lie or are slow, and what a download makes of them."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.job import LIMIT_SECONDS, Bench, Ran, Row, misbehaved

_BREAKS = 4
"""The answer of a breaking server that is whole; more than a fetch that gets nowhere may ask."""


class _Server(ThreadingHTTPServer):
    """Serves one file; every request has the server's fault, until it is honest again."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.fault, self.asked = content, "", 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer as the fault says; half of the bytes, the first time, where ranges matter."""
        server, fault = self.server, self.server.fault
        server.asked += 1
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked and fault != "without ranges" else 0
        body, status = server.content[start:], 206 if start else 200
        if fault.isdigit():
            body, status = b"", int(fault)
        if fault == "wrong hash":
            body = bytes(255 - byte for byte in body)
        length = len(body) + (1000 if fault == "wrong length" else 0)
        self.send_response(status)
        if start:
            whole = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        half = fault in ("breaks", "time-out") and server.asked < _BREAKS
        half |= fault == "without ranges" and server.asked == 1
        self.wfile.write(body[: len(body) // 2] if half else body)
        self.wfile.flush()
        if fault == "time-out" and half:
            time.sleep(3)
        self.close_connection = bool(fault)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


SERVERS = {
    "without ranges": (0, "nothing"),
    "breaks": (0, "nothing; no byte came twice"),
    "wrong length": (6, "nothing; what came is kept"),
    "wrong hash": (6, "nothing; the bytes are deleted"),
    "404": (6, "nothing"),
    "503": (6, "nothing"),
    "time-out": (0, "nothing; no byte came twice"),
}
"""Fault of a server of weights -> (exit code, what is lost)."""


def run_server(fault: str, bench: Bench) -> Row:
    """Fetch weights from a server with a fault, then from the same one when it is honest."""
    code, lost = SERVERS[fault]
    content = bench.model.read_bytes()
    with _serving(content) as server:
        fetch = _fetching(bench, server, content)
        server.fault = fault
        ran = fetch()
        server.fault = ""
        wrong = [misbehaved(ran, code, "")]
        if code and fetch().code != 0:
            wrong.append("the same command then fails with an honest server")
    made = bench.vinr("models", "--json", VINR_HOME=os.fspath(bench.folder / "home"))
    if made.code != 0:
        wrong.append("the models cannot be listed")
    return Row(
        f"server of weights: {fault}", ran.words, ran.code, lost, "; ".join(filter(None, wrong))
    )


def run_two_downloads(bench: Bench) -> Row:
    """Fetch the same weights twice at once."""
    content = bench.model.read_bytes()
    with _serving(content) as server:
        fetch = _fetching(bench, server, content)
        rans: list[Ran] = []
        threads = [threading.Thread(target=lambda: rans.append(fetch())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    worst = max(rans, key=lambda ran: ran.code)
    return Row("two downloads of one file at once", worst.words, worst.code, "nothing",
               misbehaved(worst, 0, ""))  # fmt: skip


@contextmanager
def _serving(content: bytes) -> Iterator[_Server]:
    server = _Server(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fetching(bench: Bench, server: _Server, content: bytes) -> Callable[[], Ran]:
    """The command that fetches the weights, as a process of its own: this one has threads."""
    command = [sys.executable, "-m", "vinr_cli", "download-weights", "trial"]
    command += ["--from", f"http://127.0.0.1:{server.server_port}/trial.safetensors"]
    command += ["--sha256", hashlib.sha256(content).hexdigest(), "--tries", "2", "--timeout", "1"]
    home = {"VINR_HOME": os.fspath(bench.folder / "home"), "OMP_NUM_THREADS": "1"}

    def fetch() -> Ran:
        done = subprocess.run(
            command, env=os.environ | home, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=LIMIT_SECONDS,
        )  # fmt: skip
        return Ran(done.returncode, done.stderr + done.stdout)

    return fetch
