"""Two HTTP servers on loopback: a web server that can be told to lie, and a small Hub.

`Web` serves bytes and, request by request, does one of the wrong things that real servers do. `Hub`
speaks what huggingface_hub asks of one: resolve with commit and ETag, redirect to a storage, errors
with X-Error-Code, and the calls behind an upload.
"""

import base64
import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behave = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Asks the server object what to do."""

    protocol_version = "HTTP/1.1"
    server: "Loopback"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.server.seen.append(self)
        self.server.answer(self)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def reply(self, status: int, body: bytes = b"", /, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def start(self) -> int:
        """First byte that the request asks for; 0 where it asks for another version's."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        version = self.headers.get("If-Range") or self.server.tag
        return int(found[1]) if found and version == self.server.tag else 0

    def hang_up(self) -> None:
        self.close_connection = True


class Loopback(ThreadingHTTPServer):
    """A server on 127.0.0.1 that remembers its requests.

    Attributes:
        seen: The requests so far.
        tag: ETag of all that it serves; empty for a server that states none.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Handler] = []
        self.tag = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: Handler) -> None:
        raise NotImplementedError

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


# -- what a server can do with a request for some bytes -----------------------------------------


def honest(request: Handler, content: bytes) -> None:
    """The bytes, from where they were asked for."""
    start, size = request.start, len(content)
    if start >= size > 0:
        request.reply(416, Content_Range=f"bytes */{size}")
    elif start:
        request.reply(206, content[start:], Content_Range=f"bytes {start}-{size - 1}/{size}")
    else:
        request.reply(200, content)


def no_ranges(request: Handler, content: bytes) -> None:
    """All bytes, whatever was asked for."""
    request.reply(200, content)


def status(code: int, **headers: str) -> Behave:
    """An error."""
    return lambda request, content: request.reply(code, **headers)


def unconditional(request: Handler, content: bytes) -> None:
    """The rest of the file, though the request wanted it of another version only."""
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
    start = int(asked[1]) if asked else 0
    span = f"bytes {start}-{len(content) - 1}/{len(content)}"
    request.reply(206, content[start:], Content_Range=span)


def open_ended(request: Handler, content: bytes) -> None:
    """A range whose whole length is left open, as RFC 9110 allows (14.4)."""
    span = f"bytes {request.start}-{len(content) - 1}/*"
    request.reply(206, content[request.start :], Content_Range=span)


def cut(after: int, ranges: bool = True) -> Behave:
    """The connection ends after so many bytes of the answer."""

    def behave(request: Handler, content: bytes) -> None:
        start = request.start if ranges else 0
        rest, size = content[start:], len(content)
        span: dict[str, str] = {}
        if start:
            span["Content_Range"] = f"bytes {start}-{size - 1}/{size}"
        length = str(len(rest))
        request.reply(206 if start else 200, rest[:after], Content_Length=length, **span)
        request.hang_up()

    return behave


def wrong_bytes(request: Handler, content: bytes) -> None:
    """As many bytes, but others."""
    honest(request, bytes(255 - b for b in content))


def stalls(after: int) -> Behave:
    """Some bytes, and then nothing, until the client gives up."""

    def behave(request: Handler, content: bytes) -> None:
        request.reply(200, content[:after], Content_Length=str(len(content)))
        request.wfile.flush()
        request.rfile.read(1)
        request.hang_up()

    return behave


def longer(request: Handler, content: bytes) -> None:
    """A wrong length: more bytes than there are, and one too many."""
    request.reply(200, content + b"!")


def shifted(request: Handler, content: bytes) -> None:
    """A range that was not asked for."""
    request.reply(206, content[1:], Content_Range=f"bytes 1-{len(content) - 1}/{len(content)}")


def web_page(request: Handler, content: bytes) -> None:
    """A page for people instead of the file."""
    request.reply(200, b"<html>Too many downloads</html>", Content_Type="text/html; charset=utf-8")


def moved(url: str) -> Behave:
    """A redirect."""
    return lambda request, content: request.reply(302, Location=url)


class Web(Loopback):
    """Files, and a list of what to do with the next requests; then it is honest.

    Attributes:
        files: Path to bytes.
        script: What to do with the next requests, in order.
        always: What to do when the script is over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.script: deque[Behave] = deque()
        self.always: Behave = honest

    def answer(self, request: Handler) -> None:
        content = self.files.get(request.path.partition("?")[0])
        if content is None:
            request.reply(404)
            return
        (self.script.popleft() if self.script else self.always)(request, content)

    def put(self, path: str, content: bytes) -> str:
        """Serve bytes; returns their address."""
        self.files[path] = content
        return self.url + path

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request so far."""
        return [request.headers.get("Range") for request in self.seen]


# -- the Hub ------------------------------------------------------------------------------------


def git_blob(content: bytes) -> str:
    """Git's name of a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """A model: its revisions.

    Attributes:
        commits: Commit to files.
        refs: Branch or tag to commit.
        token: Needed to see it; None if everybody may.
        gated: Whether access has to be asked for.
    """

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    gated: bool = False

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        """Add a commit on top of a branch; returns its name."""
        before = self.commits.get(self.refs.get(ref, ""), {})
        merged = {**before, **files}
        name = hashlib.sha1(repr(sorted(merged.items())).encode()).hexdigest()  # noqa: S324 - a name
        self.commits[name] = merged
        self.refs[ref] = name
        return name


class Hub(Loopback):
    """A small Hub. Files whose name ends in .safetensors are large: they are in a storage.

    Attributes:
        repositories: Name to repository.
        storage: The server that has large files, under /sha256.
        script: What to do with the next requests for metadata, in order.
    """

    def __init__(self, storage: Web) -> None:
        super().__init__()
        self.repositories: dict[str, Repository] = {}
        self.storage = storage
        self.script: deque[Behave] = deque()
        self.objects: dict[str, bytes] = {}

    def answer(self, request: Handler) -> None:
        if self.script:
            self.script.popleft()(request, b"")
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", request.path):
            self._resolve(request, *found.groups())
        else:
            self._upload(request)

    def _fail(self, request: Handler, code: int, kind: str) -> None:
        request.reply(code, json.dumps({"error": kind}).encode(), X_Error_Code=kind)

    def _resolve(self, request: Handler, name: str, revision: str, file: str) -> None:
        found = self.repositories.get(name)
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        if found is None or (found.token is not None and token != found.token):
            return self._fail(request, 401, "RepoNotFound")
        if found.gated:
            return self._fail(request, 403, "GatedRepo")
        commit = found.refs.get(revision, revision)
        if commit not in found.commits:
            return self._fail(request, 404, "RevisionNotFound")
        content = found.commits[commit].get(file)
        if content is None:
            return request.reply(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        return self._send(request, commit, file, content)

    def _send(self, request: Handler, commit: str, file: str, content: bytes) -> None:
        if not file.endswith(".safetensors"):
            return request.reply(200, content, X_Repo_Commit=commit, ETag=f'"{git_blob(content)}"')
        sha256 = hashlib.sha256(content).hexdigest()
        return request.reply(
            302,
            X_Repo_Commit=commit,
            X_Linked_Etag=f'"{sha256}"',
            X_Linked_Size=str(len(content)),
            Location=self.storage.put(f"/{sha256}", content),
        )

    def _upload(self, request: Handler) -> None:
        """The calls behind `create_repo` and `upload_folder`."""
        path, body = request.path.partition("?")[0], request.body
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = "/".join(filter(None, (wanted.get("organization"), wanted["name"])))
            self.repositories.setdefault(name, Repository()).commit({})
            request.reply(200, json.dumps({"url": f"{self.url}/{name}"}).encode())
        elif path == "/api/validate-yaml":  # of the card
            request.reply(200, b'{"errors": [], "warnings": []}')
        elif path.endswith("/preupload/main"):
            asked = json.loads(body)["files"]
            modes = [(f["path"], f["path"].endswith(".safetensors")) for f in asked]
            files = [
                {"path": p, "uploadMode": "lfs" if big else "regular", "shouldIgnore": False}
                for p, big in modes
            ]
            request.reply(200, json.dumps({"files": files}).encode())
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [self._offer(o["oid"], o["size"]) for o in json.loads(body)["objects"]]
            request.reply(200, json.dumps({"transfer": "basic", "objects": objects}).encode())
        elif path.startswith("/lfs/"):
            self.objects[path.removeprefix("/lfs/")] = body
            request.reply(200)
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            self._commit(request, found[1], body)
        else:
            self._fail(request, 404, "NotServedHere")

    def _offer(self, oid: str, size: int) -> dict[str, Any]:
        action = {"upload": {"href": f"{self.url}/lfs/{oid}", "header": {}}}
        return {"oid": oid, "size": size, "actions": action}

    def _commit(self, request: Handler, name: str, body: bytes) -> None:
        files = {}
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                files[line["value"]["path"]] = self.objects[line["value"]["oid"]]
        commit = self.repositories[name].commit(files)
        url = f"{self.url}/{name}/commit/{commit}"
        request.reply(200, json.dumps({"commitUrl": url, "commitOid": commit}).encode())
