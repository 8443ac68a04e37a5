"""Rows of the table of faults: names, records, weights and downloads that cannot be, or do harm.

`rows` has them with the others. Each row takes the folder of a job, as `job.Bench`.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from harness.faults import Case, after_kill, not_whole, run_case
from harness.job import LIMIT_SECONDS, Bench, Child, Ran, Row, misbehaved
from vinr_cli.weights.cache import CONFIG_KEY

HOME = "VINR_HOME"

# -- names --------------------------------------------------------------------------------------


def _precious(bench: Bench, *arguments: str) -> Ran:
    """A command about models, where there is one next to a file of the user."""
    home = bench.folder / "home"
    model = home / "models" / "mine"
    if not home.exists():
        model.mkdir(parents=True)
        (home / "own.txt").write_text("a user's own file")
        (model / "model.safetensors").write_bytes(b"weights")
    before = sorted(path for path in home.rglob("*"))
    ran = bench.vinr(*arguments, **{HOME: os.fspath(home)})
    if sorted(path for path in home.rglob("*")) != before:
        bench.wrong = "files of VINR_HOME are gone"
    return ran


def run_removal(name: str, code: int, bench: Bench) -> Row:
    """Remove a model by a name that leads elsewhere."""
    ran = _precious(bench, "models", "--remove", name)
    wrong = [bench.wrong, misbehaved(ran, code, "is not a name")]
    title = f"models --remove {name!r}".replace("'", "`")
    return Row(title, ran.words, ran.code, "nothing", "; ".join(filter(None, wrong)))


def run_lines(title: str, code: int, arguments: tuple[str, ...], bench: Bench) -> Row:
    """Run a command that must be refused in one line, and make no file."""
    before = sorted(path for path in bench.folder.rglob("*"))
    ran = bench.vinr(*(a.replace("SOURCE", str(bench.source)) for a in arguments))
    wrong = [misbehaved(ran, code, ""), _one_line(ran)]
    if sorted(path for path in bench.folder.rglob("*")) != before:
        wrong.append("something was made")
    words = re.sub("x{50,}", "xxx…", ran.words)
    return Row(title, words, ran.code, "nothing", "; ".join(filter(None, wrong)))


def run_gone(bench: Bench) -> Row:
    """Run a command in a folder that has been deleted."""
    gone = bench.folder / "gone"
    gone.mkdir()
    prelude = "import os; os.rmdir(os.getcwd())"
    ran = Child(["upscale", str(bench.source)], gone, prelude, {}, bench.folder).wait()
    wrong = [misbehaved(ran, 2, "has been deleted"), _one_line(ran)]
    return Row("the current folder has been deleted", ran.words, ran.code, "nothing",
               "; ".join(filter(None, wrong)))  # fmt: skip


def _one_line(ran: Ran) -> str:
    return "" if ran.said.count("\n") == 1 else f"says {ran.said.count(chr(10))} lines"


_LONG = "x" * 300
LINES: dict[str, tuple[int, tuple[str, ...]]] = {
    "an input whose name is too long": (2, ("upscale", f"{_LONG}.mp4")),
    "an output whose name is too long": (2, ("upscale", "SOURCE", "-o", f"{_LONG}.mp4")),
    "a model whose name is too long": (6, ("upscale", "SOURCE", "--model", _LONG)),
    "a revision of the Hub that leads elsewhere": (
        6, ("download-weights", "hf:org/name@../../../x"),
    ),
    "a checkpoint that is a folder": (6, ("convert-weights", ".", "-o", "a.safetensors")),
    "a checkpoint that is missing": (6, ("convert-weights", "a.pth", "-o", "a.safetensors")),
}  # fmt: skip
"""Title -> (exit code, command)."""


def _linked_lock(bench: Bench) -> Ran:
    """A link in the place of the lock, to a file that is not vinr's."""
    precious = bench.folder / "precious"
    precious.write_text("precious")
    bench.work.mkdir()
    (bench.work / "lock").symlink_to(precious)
    ran = bench.run()
    if precious.read_text() != "precious":
        bench.wrong = "the file behind the link has changed"
    (bench.work / "lock").unlink()
    return ran


# -- records ------------------------------------------------------------------------------------


def _with(name: str, value: str) -> Callable[[Bench], object]:
    """Put a value into the first record as it is written, JSON or not."""

    def harm(bench: Bench) -> None:
        path = bench.records()[0]
        fields = json.loads(path.read_text())
        fields[name] = "HERE"
        path.write_text(json.dumps(fields).replace('"HERE"', value))

    return harm


def _grid(value: object) -> Callable[[Bench], object]:
    """Put a grid into job.json."""

    def harm(bench: Bench) -> None:
        path = bench.work / "job.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "grid": value}))

    return harm


def _job(text: str) -> Callable[[Bench], object]:
    return lambda bench: (bench.work / "job.json").write_text(text)


_HUGE = '{"frames_in": 1, "frames_out": 1, "shift": "0", "duration": "1e99999999"}'

# -- weights ------------------------------------------------------------------------------------


def _weights(change: Callable[[dict[str, Any], dict[str, str]], object]) -> Callable[[Bench], Ran]:
    """Run with changed weights, and put the right ones back."""

    def act(bench: Bench) -> Ran:
        good, tensors = bench.model, load_file(bench.model)
        with good.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            metadata = json.loads(file.read(size))["__metadata__"]
        change(tensors, metadata)
        bench.model = bench.folder / "changed.safetensors"
        save_file(tensors, bench.model, metadata)
        ran = bench.run()
        bench.model = good
        if ran.code and ran.said.count("\n") != 1:
            bench.wrong = "more than one line is said"
        return ran

    return act


def _poison(value: float, tensor: str = "search.last_step.weight") -> Callable[[Bench], Ran]:
    """One value of a tensor that the network's own sums hide: the motion's last step."""
    return _weights(lambda tensors, _: tensors[tensor].view(-1)[:1].fill_(value))


def _as(dtype: torch.dtype) -> Callable[[Bench], Ran]:
    return _weights(lambda tensors, _: tensors.update({k: v.to(dtype) for k, v in tensors.items()}))


def _config(**changes: object) -> Callable[[Bench], Ran]:
    def change(_: dict[str, Any], metadata: dict[str, str]) -> None:
        metadata[CONFIG_KEY] = json.dumps({**json.loads(metadata[CONFIG_KEY]), **changes})

    return _weights(change)


def run_checkpoint(title: str, make: Callable[[], torch.Tensor], bench: Bench) -> Row:
    """Convert a checkpoint with a tensor of an odd kind; PyTorch must say nothing of its own."""
    scratch, source = bench.folder / "scratch", bench.folder / "a.pth"
    scratch.mkdir()
    program = "import sys; from vinr_cli.cli.app import main; sys.exit(main(sys.argv[1:]))"
    torch.save({"conv_first.bias": make()}, source)
    done = subprocess.run(
        [sys.executable, "-c", program, "convert-weights", str(source), "-o", "a.safetensors"],
        env=os.environ | {"TMPDIR": str(scratch)}, cwd=bench.folder, capture_output=True,
        text=True, check=False, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    ran = Ran(done.returncode, done.stderr)
    wrong = [misbehaved(ran, 6, ""), _one_line(ran)]
    if list(scratch.iterdir()):
        wrong.append(f"{sorted(path.name for path in scratch.iterdir())} is left in TMPDIR")
    return Row(title, ran.words, ran.code, "nothing", "; ".join(filter(None, wrong)))


CHECKPOINTS: dict[str, Callable[[], torch.Tensor]] = {
    "a checkpoint with a sparse tensor": lambda: torch.ones(64).to_sparse(),
    "a checkpoint with a tensor without values": lambda: torch.ones(64, device="meta"),
    "a checkpoint with a complex tensor": lambda: torch.ones(64, dtype=torch.complex64),
}

# -- inputs on a network ------------------------------------------------------------------------


class _Web(ThreadingHTTPServer):
    """Serves one file with an ETag, and counts what it sends.

    Attributes:
        open_ended: Whether a range leaves the length of the whole open.
        stall_after: Bytes after which the next answer waits until the client hangs up; 0 for none.
        sent: Bytes of all answers.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.content, self.open_ended, self.stall_after, self.sent = content, False, 0, 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Web

    def do_GET(self) -> None:
        """The file, or the rest of it."""
        server, whole = self.server, len(self.server.content)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked and self.headers.get("If-Range") == '"one"' else 0
        body = server.content[start:]
        self.send_response(416 if start >= whole else 206 if start else 200)
        if start >= whole:
            self.send_header("Content-Range", f"bytes */{whole}")
        elif start:
            total = "*" if server.open_ended else whole
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{total}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stall, server.stall_after = server.stall_after, 0
        self.wfile.write(body[:stall] if stall else body)
        self.wfile.flush()
        server.sent += len(body[:stall] if stall else body)
        if stall:
            self.rfile.read(1)  # until the client is gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def _web(content: bytes) -> Iterator[_Web]:
    server = _Web(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_KILLED_AT_THE_END = """
import os, sys
from vinr_cli.jobs import remote
def killed(*given):
    os.kill(os.getpid(), 9)
remote.publish = killed
from vinr_cli.cli.app import main
main(sys.argv[1:])
"""
_WHOLE = "import sys; from vinr_cli.cli.app import main; sys.exit(main(sys.argv[1:]))"
INPUTS = (
    "kill -9 while an input is fetched",
    "kill -9 before a fetched input gets its name",
    "a server of inputs that leaves the length of a range open",
)


def run_input(title: str, bench: Bench) -> Row:
    """Fetch an input in two runs, the first of which is killed; no byte may come twice."""
    content = bench.source.read_bytes()
    with _web(content) as web:
        at_the_end = "gets its name" in title
        web.stall_after = 0 if at_the_end else len(content) // 2
        web.open_ended = "open" in title
        first = _fetching(bench, web, _KILLED_AT_THE_END if at_the_end else _WHOLE)
        parts = bench.folder
        while first.poll() is None and not at_the_end:
            sizes = [path.stat().st_size for path in parts.glob("*.fetch/part")]
            if sizes == [len(content) // 2]:
                first.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        killed = first.wait()
        second = _fetching(bench, web, _WHOLE)
        _, said = second.communicate(timeout=LIMIT_SECONDS)
        ran = Ran(second.returncode, said)
        wrong = [misbehaved(ran, 0, ""), not_whole(bench.output)]
        if web.sent != len(content):
            wrong.append(f"{web.sent} bytes were sent of {len(content)}")
    if "kill" in title:
        ran = Ran(killed, "")
    if killed != -signal.SIGKILL:
        wrong.append(f"the first run ended with {killed}")
    return Row(title, ran.words, ran.code, "nothing; no byte came twice",
               "; ".join(filter(None, wrong)))  # fmt: skip


def _fetching(bench: Bench, web: _Web, program: str) -> "subprocess.Popen[str]":
    """The job on an address, as a process of its own: this one has threads."""
    command = ["upscale", f"http://127.0.0.1:{web.server_port}/in.mp4", "--allow-network"]
    command += ["-o", bench.output.name, "--fps-mult", "2", "--model", str(bench.model)]
    return subprocess.Popen(
        [sys.executable, "-c", program, *command, "--device", "cpu"],
        cwd=bench.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


# -- the rows -----------------------------------------------------------------------------------


def cases() -> tuple[Case, ...]:
    """Faults of a running job."""
    after = after_kill
    return (
        Case("a link in the place of the lock", 4, _linked_lock),
        Case("a record with a number of 99,999,999 digits", 0,
             after(_with("stop", "1e99999999")), again=False, said="is damaged"),
        Case("a record with a time of 99,999,999 digits", 0, after(_with("ending", _HUGE)),
             again=False, said="is damaged"),
        Case("a record that is nested 100,000 times", 0, after(_with("losses", "[" * 100_000)),
             again=False, said="is damaged"),
        Case("a record that names a file elsewhere", 0,
             after(_with("file", '"../precious.mp4"')), again=False, said="is damaged"),
        Case("job.json with a grid that cannot be", 0, after(_grid({"step": -1, "slack": 9})),
             again=False, said="was damaged"),
        Case("job.json nested 100,000 times", 0, after(_job("[" * 100_000)), again=False,
             said="was damaged"),
        Case("weights with a NaN", 6, _poison(float("nan"))),
        Case("weights with an infinity", 6, _poison(float("inf"))),
        Case("weights in half precision", 0, _as(torch.float16), again=False),
        Case("weights in float64", 0, _as(torch.float64), again=False),
        Case("weights of whole numbers", 6, _as(torch.int64)),
        Case("weights of a network of 1,000,000,000 blocks", 6, _config(blocks=1_000_000_000)),
        Case("weights of a network of 1,000,000 channels", 6, _config(width=1_000_000)),
        Case("weights whose config is nested 100,000 times", 6,
             _weights(lambda _, metadata: metadata.update({CONFIG_KEY: "[" * 100_000}))),
    )  # fmt: skip


def rows() -> dict[str, Callable[[Bench], Row]]:
    """Every row by its title."""
    found: dict[str, Callable[[Bench], Row]] = {}
    for case in cases():
        found[case.name] = partial(run_case, case)
    for name, code in (("..", 2), (".", 2), ("", 2), ("hf:../..", 6)):
        title = f"models --remove {name!r}".replace("'", "`")
        found[title] = partial(run_removal, name, code)
    for title, (code, arguments) in LINES.items():
        found[title] = partial(run_lines, title, code, arguments)
    found["the current folder has been deleted"] = run_gone
    for title, make in CHECKPOINTS.items():
        found[title] = partial(run_checkpoint, title, make)
    for title in INPUTS:
        found[title] = partial(run_input, title)
    return found
