#!/usr/bin/env bash
# Expected: hf_hub_download, called again after a broken transfer, goes on where it stopped:
#   within one call it logs "Trying to resume download" and asks for the missing range.
# Happens: that holds within one call only. When its retries are used up the call removes the part
#   that it has, and the next call asks for the whole file from byte 0. A file that is too large
#   for one call's retries on a bad line never arrives, however often the command is repeated.
# Versions: huggingface_hub 2.4.0 (plain HTTP, no Xet). The server is a local one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq huggingface_hub==2.4.0
venv/bin/python - <<'PY'
import hashlib
import http.server
import os
import sys
import threading

os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
               "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_VERBOSITY": "critical", "NO_PROXY": "*"}
BODY = bytes(range(256)) * 4096 * 32  # 32 MiB: the client writes in pieces of 10 MB
asked = []
broken = True


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, first):
        self.send_response(206 if first else 200)
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(BODY).hexdigest()}"')
        self.send_header("Content-Length", str(len(BODY) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(BODY) - 1}/{len(BODY)}")
        self.end_headers()

    def do_HEAD(self):
        self.reply(0)

    def do_GET(self):
        first = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        asked.append(first)
        self.reply(first)
        if broken:  # the line goes dead at three quarters of the file
            self.wfile.write(BODY[first : len(BODY) * 3 // 4])
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True
        else:
            self.wfile.write(BODY[first:])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()

import huggingface_hub  # noqa: E402  (reads the environment)

print("huggingface_hub", huggingface_hub.__version__)


def download():
    """The first bytes that the call's requests ask for, and how it ended."""
    asked.clear()
    try:
        path = huggingface_hub.hf_hub_download(
            "owner/name", "weights.bin", cache_dir="cache",
            endpoint=f"http://127.0.0.1:{server.server_port}",
        )
        end = f"{os.path.getsize(path)} bytes"
    except Exception as error:
        end = type(error).__name__
    parts = [f for _, _, files in os.walk("cache") for f in files if f.endswith(".incomplete")]
    print(f"requests from byte {asked}: {end}; parts kept: {len(parts)}")
    return list(asked), len(parts)


first = download()
broken = False
second = download()
if not any(first[0][1:]):
    sys.exit("changed: not even one call resumes")
if first[1] or second[0] != [0]:
    sys.exit("changed: a second call goes on where the first one stopped")
print("as documented")
PY
