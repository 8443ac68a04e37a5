"""`benchmarks/peers.py`, without the peers: what is woven, counted, remembered and told."""

import importlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    return importlib.import_module("peers")


class Pretended:
    """Environments in which enlarging repeats pixels, and between two frames lies their mean.

    Every frame takes as many seconds as the factor, and half of them of processors.
    """

    def __init__(self, peers: ModuleType, broken: tuple[str, ...] = ()) -> None:
        self._peers = peers
        self._broken = broken
        self.given: list[tuple[str, int]] = []

    def run(self, peer: str, exchange: Path, threads: int) -> None:
        assert threads >= 1
        if peer in self._broken:
            raise self._peers.CannotRunError("no wheel")
        frames: Frames = np.load(exchange / "in.npy")
        self.given.append((peer, len(frames)))
        scale = self._peers.PEERS[peer].scale
        if scale > 1:
            made = frames.repeat(scale, 1).repeat(scale, 2)
        else:
            made = ((frames[1:].astype(int) + frames[:-1]) // 2).astype(np.uint8)
        np.save(exchange / "out.npy", made)
        wall = [99.0] + [float(scale)] * (len(made) - 1)
        times = {"wall": wall, "processors": [w / 2 for w in wall]}
        (exchange / "times.json").write_text(json.dumps(times))


@pytest.fixture
def frames() -> Frames:
    """(3, 16, 24, 3): levels 10, 30 and 50."""
    return (
        np.full((3, 16, 24, 3), 10, np.uint8) + np.array([0, 20, 40], np.uint8)[:, None, None, None]
    )


def bench(peers: ModuleType, folder: Path, pretended: Pretended) -> Any:
    return peers.Bench(pretended, folder, find_ffmpeg(EncodeOptions()))


@pytest.mark.parametrize(
    ("steps", "levels", "seconds"),
    [
        (("span-x4",), [10, 10, 30, 30, 50], 4),
        (("span-x4", "rife-4.0"), [10, 20, 30, 40, 50], (4 + 1) / 2),
        (("rife-4.0", "span-x4"), [10, 20, 30, 40, 50], (1 + 4 + 4) / 2),
        (("rife-4.0",), [10, 20, 30, 40, 50], 1 / 2),
    ],
)
def test_chains(
    steps: tuple[str, ...], levels: list[int], seconds: float, peers: ModuleType, frames: Frames
) -> None:
    """Frames come in order, held where nothing lies between; work is counted by output frame."""
    with TemporaryDirectory() as folder:
        tried = bench(peers, Path(folder), Pretended(peers))
        made, clock = tried.chain(peers.Chain(steps), frames, 2)

    large = 1 if steps == ("rife-4.0",) else 4
    assert made.shape == (len(levels), 16 * large, 24 * large, 3)
    assert made[:, 0, 0, 0].tolist() == levels
    assert clock.wall == pytest.approx(seconds)
    assert clock.processors == pytest.approx(seconds / 2)


def test_a_share_of_a_peer(peers: ModuleType, frames: Frames, tmp_path: Path) -> None:
    """A share mixes with Lanczos: of equal levels nothing changes, and both works count."""
    made, clock = bench(peers, tmp_path, Pretended(peers)).chain(
        peers.Chain(("span-x2",), 0.45), frames, 1
    )

    assert made.shape == (3, 32, 48, 3)
    assert np.abs(made[:, 8, 8, 0].astype(int) - [10, 30, 50]).max() <= 1
    assert clock.wall > 2


def test_a_frame_is_enlarged_once(peers: ModuleType, frames: Frames, tmp_path: Path) -> None:
    """Frames that a network has seen are remembered; not those between two frames."""
    pretended = Pretended(peers)
    tried = bench(peers, tmp_path, pretended)

    tried.chain(peers.Chain(("span-x4",)), frames, 1)
    tried.chain(peers.Chain(("span-x4", "rife-4.0")), frames, 2)
    tried.chain(peers.Chain(("rife-4.0", "span-x4")), frames, 2)

    assert pretended.given == [("span-x4", 3), ("rife-4.0", 3), ("rife-4.0", 3), ("span-x4", 2)]


def test_what_cannot_run_is_tried_once_and_told(
    peers: ModuleType, frames: Frames, tmp_path: Path
) -> None:
    """A broken peer breaks its chains with its reason, which stands below the table."""
    tried = bench(peers, tmp_path, Pretended(peers, broken=("rife-4.0",)))
    for _ in range(2):
        with pytest.raises(peers.CannotRunError, match="no wheel"):
            tried.chain(peers.Chain(("rife-4.0",)), frames, 2)

    told = peers.table_of(peers.TASKS["time2"], {}, {"RIFE 4.0": "no wheel", "SPAN x4": "other"})

    assert "Could not run: RIFE 4.0: no wheel" in told
    assert "SPAN" not in told


def test_environments_are_made_once(
    peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment with the same pins is used again; other pins make it anew."""
    module = sys.modules["peer_envs"]
    commands: list[list[str]] = []

    def note(command: list[Any], failure: str) -> None:
        commands.append([str(part) for part in command])
        if "venv" in commands[-1]:
            Path(command[-1]).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(module, "_run", note)
    place = module.Environments(tmp_path).python("ncnn")
    assert [c[1:3] for c in commands] == [["-m", "venv"], ["-m", "pip"], ["-m", "pip"]]
    assert "--no-deps" in commands[2]
    assert module.Environments(tmp_path).python("ncnn") == place
    assert len(commands) == 3

    changed = module.Environment(("ncnn==0",))
    monkeypatch.setitem(module.ENVIRONMENTS, "ncnn", changed)
    module.Environments(tmp_path).python("ncnn")
    assert len(commands) == 5


def test_a_python_that_is_not_there(
    peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment for a Python that is nowhere is not made, and says which one it needs."""
    module = sys.modules["peer_envs"]
    newer = module.Environment((), oldest=(3, 99))
    monkeypatch.setitem(module.ENVIRONMENTS, "mvtools", newer)

    with pytest.raises(peers.CannotRunError, match=r"needs Python 3\.99 or later"):
        module.Environments(tmp_path).python("mvtools")


def test_every_task_knows_its_methods(peers: ModuleType) -> None:
    """Every step of every chain is a peer with an environment, and every filter is known."""
    known = peers.filters(find_ffmpeg(EncodeOptions()))
    module = sys.modules["peer_envs"]
    worker = importlib.import_module("peer_worker")

    for task in peers.TASKS.values():
        assert set(task.filters) <= set(known)
        for chain in task.chains.values():
            for step in set(chain.steps) - {"lanczos"}:
                peer = module.PEERS[step]
                assert peer.environment in module.ENVIRONMENTS
                assert (peer.scale > 1) == (step in worker.NCNN)
