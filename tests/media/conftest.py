"""Clips made on the spot with ffmpeg's own sources; nothing stored."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.color.spec import ColorSpec, plane_shapes
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.plan.job import EncodeOptions

Make = Callable[..., Path]
Packets = list[tuple[Fraction, bytes]]


@pytest.fixture(scope="session")
def ffmpeg() -> Path:
    return find_ffmpeg(EncodeOptions())


@pytest.fixture
def make(ffmpeg: Path, tmp_path: Path) -> Make:
    """Run ffmpeg with these arguments to make a file of this name in the test's folder."""

    def run(name: str, *arguments: str) -> Path:
        path = tmp_path / name
        command = [str(ffmpeg), "-y", "-nostdin", "-loglevel", "error", *arguments]
        done = subprocess.run(
            [*command, f"file:{path}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return path

    return run


@pytest.fixture
def clip(make: Make) -> Make:
    """A short moving clip; further arguments go behind its input."""

    def run(
        name: str, *arguments: str, size: str = "64x48", rate: str = "25", seconds: float = 1
    ) -> Path:
        source = f"testsrc2=s={size}:r={rate}:d={seconds}"
        return make(name, "-f", "lavfi", "-i", source, *arguments)

    return run


@pytest.fixture
def packets() -> Callable[..., Packets]:
    """All packets of a file's first stream of a kind, as (time, payload), by time."""

    def run(path: Path, kind: str = "audio", index: int = 0) -> Packets:
        with av.open(str(path)) as container:
            stream = [s for s in container.streams if s.type == kind][index]
            tick = stream.time_base or Fraction(1)
            found = [
                (packet.pts * tick, bytes(packet))
                for packet in container.demux(stream)
                if packet.size and packet.pts is not None
            ]
        return sorted(found, key=lambda item: item[0])

    return run


@pytest.fixture
def picture() -> Callable[..., list[NDArray[np.uint16]]]:
    """Planes of a smooth picture that differs from frame to frame."""

    def run(spec: ColorSpec, height: int, width: int, k: int = 0) -> list[NDArray[np.uint16]]:
        kind = np.uint8 if spec.depth == 8 else np.uint16
        planes = []
        for plane, (rows, columns) in enumerate(plane_shapes(spec, height, width)):
            ramp = np.add.outer(np.linspace(0, 40, rows), np.linspace(0, 40, columns))
            planes.append(((60 + 10 * plane + k % 50 + ramp) * 2 ** (spec.depth - 8)).astype(kind))
        return planes

    return run
