import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from vinr_cli.cli.app import main
from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.patience import Patience
from vinr_cli.weights.records import RECORDS, find_record

from ..conftest import HANG_SECONDS, Vinr
from ..fetch import servers
from ..fetch.servers import Hub, Repository, Web

OFFICIAL = "videoinr-official"

# Run by every Python that starts with this folder in PYTHONPATH: no way out of the process, or of
# this machine where VINR_TEST_LOOPBACK is set.
BLOCKED = """
import os, socket

connect = socket.socket.connect

def refuse(self, address):
    if self.family == socket.AF_UNIX or os.environ.get("VINR_TEST_LOOPBACK") == address[0]:
        return connect(self, address)
    os._exit(99)

def no_names(host, *rest, **more):
    if host == os.environ.get("VINR_TEST_LOOPBACK"):
        return found(host, *rest, **more)
    os._exit(99)

found = socket.getaddrinfo
socket.socket.connect = refuse
socket.getaddrinfo = no_names
"""


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    with server.running():
        yield server


@pytest.fixture
def hub(web: Web, tiny: Path) -> Iterator[Hub]:
    """A Hub with org/name, of which v1 is a tag."""
    server = Hub(web)
    server.repositories["org/name"] = Repository()
    server.repositories["org/name"].commit({"model.safetensors": tiny.read_bytes()}, "v1")
    with server.running():
        yield server


@pytest.fixture
def places(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    """Variables of a process that may reach loopback alone and keeps its files in the test's."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCKED)
    return {
        "PYTHONPATH": os.pathsep.join([str(folder), environment["PYTHONPATH"]]),
        "VINR_TEST_LOOPBACK": "127.0.0.1",
        "VINR_HOME": str(tmp_path / "home"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def test_a_run_without_network(
    vinr: Vinr, sample: Path, places: dict[str, str], tmp_path: Path
) -> None:
    """The program makes a video and lists its models though every connection would end it."""
    places["VINR_TEST_LOOPBACK"] = ""
    done = vinr("upscale", sample, "-o", "out.mp4", "--scale", "1", "--end", "0.1", **places)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.mp4").is_file()
    assert vinr("models", "--verify", **places).returncode == 0
    assert vinr("download-weights", "hf:org/name", **places).returncode == 99  # the block is there


def test_a_model_of_the_hub_by_command(
    vinr: Vinr, hub: Hub, sample: Path, places: dict[str, str], tmp_path: Path
) -> None:
    """HF_ENDPOINT, HF_TOKEN and HF_HOME serve `--model hf:org/name@rev`; then it works offline."""
    token = hub.repositories["org/name"].token = "hf_of_this_test"  # noqa: S105 - opens nothing
    places |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": token}
    name = "hf:org/name@v1"
    upscale = ("upscale", sample, "--scale", "1", "--end", "0.1", "--model", name, "-o")

    done = vinr(*upscale, "first.mp4", **places)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "first.mp4").is_file()
    assert list((tmp_path / "hf" / "hub").rglob("model.safetensors"))
    listed = vinr("models", "--json", **places).stdout.splitlines()
    row = json.loads(listed[-1])
    assert (row["name"], row["state"]) == (name, "verified")

    places |= {"HF_HUB_OFFLINE": "1", "VINR_TEST_LOOPBACK": ""}
    offline = vinr(*upscale, "second.mp4", **places)
    assert offline.returncode == 0, offline.stderr


INTERRUPTIBLE = """
import signal, sys
from vinr_cli.cli.app import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
sys.exit(main())
"""


def test_ctrl_c_and_go_on(
    hub: Hub, web: Web, tiny: Path, places: dict[str, str], environment: dict[str, str]
) -> None:
    """A download that Ctrl-C ends has exit code 130, and the next run asks for the rest alone."""
    half = tiny.stat().st_size // 2
    web.script.append(servers.stalls(half))  # until the program hangs up, however late that is
    command = [sys.executable, "-c", INTERRUPTIBLE, "download-weights", "hf:org/name@v1"]
    command += ["--timeout", str(HANG_SECONDS)]
    variables = {**environment, **places, "HF_ENDPOINT": hub.url}
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE) as process:
        blobs = Path(places["HF_HOME"]) / "hub"
        wait_for(lambda: any(p.stat().st_size == half for p in blobs.rglob("*.vinr.part")))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG_SECONDS)
        assert process.returncode == 130
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert web.ranges == [None, f"bytes={half}-"]


def wait_for(true: "object") -> None:
    """Wait until a thing is so."""
    assert callable(true)
    end = time.monotonic() + HANG_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_processes_at_once(
    hub: Hub, web: Web, places: dict[str, str], environment: dict[str, str]
) -> None:
    """Two processes that want one model both get it, and it is downloaded once."""
    command = [sys.executable, "-m", "vinr_cli", "download-weights", "hf:org/name@v1"]
    command += ["--timeout", str(HANG_SECONDS)]
    variables = {**environment, **places, "HF_ENDPOINT": hub.url}
    running = [subprocess.Popen(command, env=variables, stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=HANG_SECONDS)
        assert process.returncode == 0, said
    assert len(web.seen) == 1


def test_wrong_bytes_by_command(vinr: Vinr, web: Web, places: dict[str, str]) -> None:
    """Wrong bytes for the official weights end with 6, name every source, and leave no model."""
    web.put(f"/{OFFICIAL}/videoINR_Network_G.pth", b"something else")
    places |= {"VINR_MIRROR": web.url, "HTTPS_PROXY": web.url}  # the proxy refuses all else
    done = vinr("download-weights", OFFICIAL, "--accept-unlicensed", "--tries", "1", **places)
    assert done.returncode == 6
    assert done.stderr.count("\n") == 1
    assert f"model {OFFICIAL}: could not be fetched from {web.url}/" in done.stderr
    assert "other bytes than it should (git-blob" in done.stderr
    assert done.stderr.count("https://") == 3
    left = [p.name for p in Path(places["VINR_HOME"]).rglob("*") if p.is_file()]
    assert [name for name in left if not name.endswith(".lock")] == []


def test_the_model_that_is_absent_names_its_command(
    vinr: Vinr, sample: Path, places: dict[str, str]
) -> None:
    """`vinr upscale` with a known model that is not here says which command fetches it."""
    done = vinr("upscale", sample, "--model", OFFICIAL, **places)
    assert done.returncode == 6
    assert f"vinr download-weights {OFFICIAL}" in done.stderr


# -- in this process ----------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No real waiting between attempts."""
    import vinr_cli.weights.install  # noqa: F401 - whose annotations need the class itself

    patience = partial(Patience, sleep=lambda seconds: None)
    monkeypatch.setattr("vinr_cli.fetch.patience.Patience", patience)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VINR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VINR_MIRROR", raising=False)
    return tmp_path / "home"


@pytest.fixture
def unlicensed(web: Web, tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A known set without a licence whose origin is on loopback."""
    known = find_record(OFFICIAL)
    assert known is not None
    origin, digest = web.put("/w.safetensors", tiny.read_bytes()), Digest.of(tiny)
    record = replace(known, origins=(origin,), digest=digest, checkpoint=False)
    monkeypatch.setattr("vinr_cli.weights.records.RECORDS", (RECORDS[0], record))
    monkeypatch.setattr("vinr_cli.weights.listing.RECORDS", (RECORDS[0], record))
    return OFFICIAL


def test_no_licence_and_nobody_to_ask(
    unlicensed: str, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal the licence is told, nothing is fetched, and the exit code is 2."""
    assert main(["download-weights", unlicensed]) == 2
    said = capsys.readouterr().err
    assert "state no licence" in said
    assert "--accept-unlicensed" in said
    assert not web.seen


@pytest.mark.parametrize(("answer", "code"), [(False, 2), (True, 0)])
def test_the_user_is_asked(
    unlicensed: str, web: Web, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int
) -> None:
    """On a terminal the user decides; no is the default."""
    asked: list[bool] = []

    def confirm(text: str, *, default: bool, err: bool) -> bool:
        asked.append(default)
        return answer

    monkeypatch.setattr("vinr_cli.cli.transfer.is_terminal", lambda stream: True)
    monkeypatch.setattr("typer.confirm", confirm)
    assert main(["download-weights", unlicensed, "--quiet"]) == code
    assert asked == [False]
    assert len(web.seen) == answer


def test_a_set_from_its_command_to_its_end(
    unlicensed: str, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fetched, told as JSON, used, carried away and removed, each by its command."""
    assert main(["download-weights", unlicensed, "--accept-unlicensed", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["name"] == unlicensed
    assert Path(fields["path"]).is_file()
    target = str(tmp_path / "out.mp4")
    short = ["--scale", "1", "--end", "0.1", "--quiet"]
    assert main(["upscale", str(sample), "-o", target, "--model", unlicensed, *short]) == 0

    stick = str(tmp_path / "stick")
    assert main(["download-weights", unlicensed, "--accept-unlicensed", "--to", stick]) == 0
    assert main(["models", "--remove", unlicensed]) == 0
    assert "not here" in last(main, capsys)
    assert main(["download-weights", unlicensed, "--from", stick]) == 0
    assert "verified" in last(main, capsys)


def last(run: object, capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of the list of models."""
    assert callable(run)
    capsys.readouterr()
    assert run(["models"]) == 0
    return capsys.readouterr().out.splitlines()[-1]


def test_without_a_name_the_sets_are_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command alone says what there is, fetches nothing, and succeeds."""
    assert main(["download-weights"]) == 0
    out = capsys.readouterr().out
    assert all(record.name in out for record in RECORDS)
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["no-such-model"], 6),
        (["mine", "--sha256", "0" * 64], 2),
        (["mine", "--from", "x", "--sha256", "12"], 2),
        (["mine", "--from", "https://example.invalid/x"], 2),
        (["mine", "--from", "no-such-place"], 6),
        (["hf:not-a-name"], 6),
        (["compact", "--tries", "0"], 2),
    ],
)
def test_mistakes(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int
) -> None:
    """Each mistake is one line with its exit code, and no connection is tried."""
    assert main(["download-weights", *words]) == code
    said = capsys.readouterr().err
    assert re.fullmatch(r"vinr: error: .+\n", said)


LIES: dict[str, tuple[list[servers.Behave], str]] = {
    "no ranges": ([servers.cut(9000), servers.no_ranges], ""),
    "cut connection": ([servers.cut(9000), servers.cut(9000)], ""),
    "429": ([servers.status(429, Retry_After="2")], ""),
    "503": ([servers.status(503)], ""),
    "slow": ([servers.stalls(9000)], ""),
    "404": ([servers.status(404)], "answers 404 Not Found"),
    "503 for good": ([servers.status(503)] * 9, "answers 503 Service Unavailable"),
    "wrong length": ([servers.longer], "other bytes than it should"),
    "wrong bytes": ([servers.wrong_bytes], "other bytes than it should"),
    "web page": ([servers.web_page], "a web page instead of the file"),
}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("lie", LIES)
def test_a_lying_server_by_command(
    web: Web, tiny: Path, home: Path, lie: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What may pass is overcome; what is wrong for good is one line with 6, and leaves no model."""
    url, digest = web.put("/w.safetensors", tiny.read_bytes()), Digest.of(tiny).value
    script, cause = LIES[lie]
    web.script.extend(script)
    # Silence is short only where the server is silent: a busy machine is so, too, for a moment.
    slow = lie == "slow"
    limits = ["--timeout", "0.5" if slow else "60", "--tries", "1000" if slow else "3"]
    code = main(["download-weights", "mine", "--from", url, "--sha256", digest, *limits])
    said = capsys.readouterr().err
    kept = list(home.rglob("model.safetensors"))
    if cause:
        assert code == 6
        assert re.fullmatch(rf"vinr: error: model mine: .*{re.escape(url)}: .*{cause}.*\n", said)
        assert not kept
    else:
        assert (code, said) == (0, "")
        assert [path.read_bytes() for path in kept] == [tiny.read_bytes()]


def test_progress_is_lines_where_nobody_watches(
    web: Web, tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Off a terminal a download says megabytes now and then, on stderr; --quiet says nothing."""
    monkeypatch.setattr("vinr_cli.cli.transfer.LINE_SECONDS", 0.0)
    url, digest = web.put("/w.safetensors", tiny.read_bytes()), Digest.of(tiny).value
    words = ["download-weights", "mine", "--from", url, "--sha256", digest]
    assert main(words) == 0
    assert re.search(r"^mine: \d\.\d of 1\.1 MB$", capsys.readouterr().err, re.M)
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(
    web: Web, tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the bar is told how far the download is."""
    from rich.progress import Progress

    told: list[float] = []
    update = Progress.update

    def noted(self: Progress, task: object, **fields: float) -> None:
        told.append(fields["completed"])
        update(self, task, **fields)  # type: ignore[arg-type]

    monkeypatch.setattr(Progress, "update", noted)
    monkeypatch.setattr("vinr_cli.cli.transfer.is_terminal", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm")
    url, digest = web.put("/w.safetensors", tiny.read_bytes()), Digest.of(tiny).value
    assert main(["download-weights", "mine", "--from", url, "--sha256", digest]) == 0
    assert told[-1] == tiny.stat().st_size
