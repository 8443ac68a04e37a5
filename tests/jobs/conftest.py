from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

ClipMaker = Callable[..., Path]

SAMPLE_RATE = 48000


def write_clip(
    path: Path,
    pts: Sequence[int],
    *,
    time_base: Fraction = Fraction(1, 12800),
    rate: Fraction = Fraction(25),
    size: tuple[int, int] = (48, 32),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    sound: Fraction | None = None,
    cut_at: int | None = None,
) -> Path:
    """Write a clip of a moving gradient.

    Args:
        path: The file; its suffix chooses the container.
        pts: Times of the frames, in ticks.
        time_base: Seconds a tick.
        rate: Nominal frame rate.
        size: (width, height).
        codec: ffmpeg's encoder.
        pix_fmt: Pixel format.
        sound: Seconds of a sine as an AAC track; None for none.
        cut_at: Frame from which a bright scene follows a dark one; None for one scene.
    """
    width, height = size
    with av.open(path, "w") as container:
        video = cast(Any, container.add_stream(codec, rate=rate))
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        video.time_base = video.codec_context.time_base = time_base
        if codec == "libx264":
            video.options = {"preset": "ultrafast", "qp": "10"}
        audio = cast(Any, container.add_stream("aac", rate=SAMPLE_RATE)) if sound else None
        y, x = np.mgrid[:height, :width]
        for i, time in enumerate(pts):
            levels = (x * 3 + y * 2 + i * 5) % 256
            picture = np.stack([levels, 255 - levels, (levels + 64) % 256], -1).astype(np.uint8)
            if cut_at is not None:
                picture = (picture // 3 + (150 if i >= cut_at else 0)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = time, time_base
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None and sound is not None:
            _write_sine(container, audio, sound)
    return path


def _write_sine(container: Any, stream: Any, seconds: Fraction) -> None:
    samples = np.sin(np.arange(int(seconds * SAMPLE_RATE)) * 0.05).astype(np.float32) * 0.3
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(
            samples[None, start : start + 1024], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        frame.time_base = Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


@pytest.fixture
def clip(tmp_path: Path) -> ClipMaker:
    """Write a clip into the test's folder: `clip(name, pts, ...)`, see `write_clip`."""

    def make(name: str, pts: Sequence[int], **options: Any) -> Path:
        return write_clip(tmp_path / name, pts, **options)

    return make
