"""Cuts found and missed, over a generated set whose cuts are known."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.plan.scenes import DEFAULT_THRESHOLD, is_cut

HEIGHT, WIDTH, LENGTH = 96, 128, 12
Pictures = list[NDArray[np.float64]]


def scene(seed: int) -> Pictures:
    """Some frames of a texture that moves, fast in every third scene."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(-2, 2, 2) * (2 if seed % 3 == 0 else 1)
    waves = rng.uniform(-0.25, 0.25, (6, 2))
    phases, level = rng.uniform(0, 6.3, 6), rng.uniform(40, 210)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    frames = []
    for k in range(LENGTH):
        moved = [(y + speed[0] * k) * a + (x + speed[1] * k) * b for a, b in waves]
        texture = sum(np.sin(m + p) for m, p in zip(moved, phases, strict=True))
        frames.append(np.asarray(level + 20 * texture))
    return frames


def flash(frames: Pictures, length: int) -> Pictures:
    """White for some frames in the middle."""
    lit = range(5, 5 + length)
    return [np.full_like(f, 235) if k in lit else f for k, f in enumerate(frames)]


def fade(a: Pictures, b: Pictures) -> Pictures:
    """A dissolve over all frames of two scenes."""
    return [
        f * (1 - k / LENGTH) + g * k / LENGTH for k, (f, g) in enumerate(zip(a, b, strict=True))
    ]


def script() -> tuple[Pictures, set[int]]:
    """All frames, and the places of the cuts."""
    frames: Pictures = []
    cuts = set()
    for seed in range(0, 80, 2):
        kind = seed // 2 % 4
        if frames:
            cuts.add(len(frames))
        if kind == 1:
            frames += flash(scene(seed), 1 + seed // 8 % 2)
        elif kind == 2:
            frames += fade(scene(seed), scene(seed + 1))
        elif kind == 3:  # out to black and in again: the black is no cut
            dim = np.linspace(1, 0, LENGTH)
            frames += [16 + (f - 16) * d for f, d in zip(scene(seed), dim, strict=True)]
            frames += [16 + (f - 16) * d for f, d in zip(scene(seed + 1), dim[::-1], strict=True)]
        else:
            frames += scene(seed)
    return frames, cuts


def test_precision_and_recall_are_high(tmp_path: Path) -> None:
    """Of cuts among flashes, dissolves, fades and fast motion 95 % are found, and 95 % are real."""
    frames, cuts = script()
    path = tmp_path / "set.mkv"
    write(path, frames, "yuv420p")

    with FrameReader(path, probe(path).video, score_changes=True) as reader:
        found = {k for k, f in enumerate(reader) if is_cut(f.change, DEFAULT_THRESHOLD)}

    right = len(found & cuts)
    assert right >= 0.95 * len(cuts)
    assert right >= 0.95 * len(found)


def write(path: Path, frames: Pictures, kind: str) -> None:
    """Gray pictures as a lossless video."""
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, kind
        for frame in frames:
            gray = frame.clip(16, 235).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(gray, "gray").reformat(format=kind)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("kind", ["yuv420p", "yuv420p10le"])
def test_a_flash_is_no_cut_and_a_cut_to_white_is_one(kind: str, tmp_path: Path) -> None:
    """White for one or two frames is mixed like motion; white that stays begins a scene."""
    a = scene(2)
    stays = [*a[:5], *[np.full_like(f, 235) for f in a[5:]]]

    def cuts(frames: Pictures) -> list[int]:
        path = tmp_path / "a.mkv"
        write(path, frames, kind)
        with FrameReader(path, probe(path).video, score_changes=True) as reader:
            return [k for k, f in enumerate(reader) if is_cut(f.change, DEFAULT_THRESHOLD)]

    assert cuts(flash(a, 1)) == []
    assert cuts(flash(a, 2)) == []
    assert cuts(stays) == [5]
