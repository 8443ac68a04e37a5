"""Make a small moving clip with sound, the same one every time; needs no download.

    python examples/make_clip.py sample.mp4

It shows what is hard for a video to keep: shapes that cross each other at fractions of a pixel, a
panning texture, fine text, and a sweeping tone whose beeps fall on the bounces of the ball, so
that a shift of sound against picture can be heard.
"""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 96
RATE = Fraction(24000, 1001)
FRAMES = 48
SAMPLE_RATE = 44100
BEAT = Fraction(1, 2)  # seconds between two bounces

Picture = NDArray[np.float64]

FONT = {
    "v": ("00000", "00000", "10001", "10001", "10001", "01010", "00100"),
    "i": ("00100", "00000", "01100", "00100", "00100", "00100", "01110"),
    "n": ("00000", "00000", "10110", "11001", "10001", "10001", "10001"),
    "r": ("00000", "00000", "10110", "11001", "10000", "10000", "10000"),
    " ": ("00000",) * 7,
    ".": ("00000",) * 5 + ("01100", "01100"),
    "2": ("01110", "10001", "00001", "00110", "01000", "10000", "11111"),
    "3": ("01110", "10001", "00001", "00110", "00001", "10001", "01110"),
    "6": ("01110", "10000", "10000", "11110", "10001", "10001", "01110"),
    "7": ("11111", "00001", "00010", "00100", "01000", "01000", "01000"),
    "9": ("01110", "10001", "10001", "01111", "00001", "00001", "01110"),
}

Y, X = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)


def texture(seconds: float) -> Picture:
    """A patterned wall that pans 14 pixels a second; (HEIGHT, WIDTH, 3) in [0, 1]."""
    x, y = X + 14 * seconds, Y + 3 * np.sin(seconds)
    weave = np.sin(x * 0.9) * np.sin(y * 0.8) + 0.6 * np.sin(x * 0.23 + y * 0.17)
    bricks = ((np.floor(y / 12) * 9 + x) % 18 < 1.4) | (y % 12 < 1.4)
    wall = 0.45 + 0.12 * weave - 0.22 * bricks
    return np.stack([wall * 1.05, wall * 0.92, wall * 0.78], axis=-1)


def cover(picture: Picture, inside: Picture, color: tuple[float, float, float]) -> None:
    """Paint a shape; `inside` is how much of each pixel it covers, 0 to 1."""
    share = np.clip(inside, 0, 1)[..., None]
    picture[:] = picture * (1 - share) + np.asarray(color) * share


def draw(index: int) -> NDArray[np.uint8]:
    """Frame number `index`, (HEIGHT, WIDTH, 3) RGB."""
    seconds = float(index / RATE)
    picture = texture(seconds)
    cover(picture, 20 - np.hypot(X - 118 + 9 * seconds, Y - 40), (0.93, 0.75, 0.25))

    beat = seconds / float(BEAT) % 1
    ball = (18 + 46 * seconds, HEIGHT - 14 - 180 * beat * (1 - beat))
    cover(picture, 9.5 - np.hypot(X - ball[0], Y - ball[1]), (0.85, 0.2, 0.2))
    cover(picture, 2.6 - np.hypot(X - ball[0] + 3, Y - ball[1] + 3), (1.0, 0.85, 0.8))

    turn = 1.3 * seconds
    u = (X - 126) * np.cos(turn) + (Y - 66) * np.sin(turn)
    v = (Y - 66) * np.cos(turn) - (X - 126) * np.sin(turn)
    cover(picture, 14.5 - np.maximum(abs(u), abs(v)), (0.15, 0.3, 0.62))
    cover(picture, (14.5 - np.maximum(abs(u), abs(v))) * (np.sin(u * 1.6) > 0), (0.9, 0.95, 1.0))

    write(picture, "vinr 23.976", 8, 8)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def write(picture: Picture, text: str, left: int, top: int) -> None:
    """Put pixel letters on a dark plate."""
    picture[top - 4 : top + 11, left - 4 : left + 6 * len(text) + 3] *= 0.25
    for letter in text:
        rows = np.array([[int(dot) for dot in row] for row in FONT[letter]], dtype=bool)
        picture[top : top + 7, left : left + 5][rows] = (0.97, 0.97, 0.9)
        left += 6


def sound(samples: int) -> NDArray[np.float32]:
    """A soft sweep from 220 to 440 Hz, and a beep at each bounce; (1, samples) in [-1, 1]."""
    seconds = np.arange(samples) / SAMPLE_RATE
    sweep = 0.12 * np.sin(2 * np.pi * (220 + 55 * seconds) * seconds)
    since = seconds % float(BEAT)
    beep = 0.5 * np.exp(-since * 40) * np.sin(2 * np.pi * 1320 * since)
    return (sweep + beep).astype(np.float32)[None]


def make_clip(path: Path) -> None:
    """Write the clip: H.264 and AAC, two seconds."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = 1 / RATE
        tags = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"
        same = "threads=1:asm=0"  # x264's fast code takes memory that nobody wrote into account
        video.options = {"crf": "18", "preset": "slow", "x264-params": f"{tags}:{same}"}
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")

        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(draw(index), format="rgb24")
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(video.encode(frame))
        container.mux(video.encode())

        samples = sound(round(FRAMES / RATE * SAMPLE_RATE))
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            piece = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            piece.sample_rate, piece.pts = SAMPLE_RATE, start
            piece.time_base = Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(piece))
        container.mux(audio.encode())


if __name__ == "__main__":
    make_clip(Path(sys.argv[1] if len(sys.argv) > 1 else "sample.mp4"))
