"""Clips with a known truth that are hard to enlarge and to interpolate.

Each clip is a folder of PNG frames. All motion is continuous and exact, drawn at three times the
size and averaged, so a frame between two others is really what a camera would have seen there.
Nothing here is used in training.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIZE = (640, 360)
"""(width, height) of the frames, in pixels."""
FRAMES = 17
FINER = 3
"""Drawn pixels a pixel, along each axis."""

Picture = NDArray[np.float32]
"""(H, W, 3) in [0, 255], at the drawn size."""

WORDS = (
    "Written and directed by", "Ada Quill", "Photography", "Jon Brightwater 1964",
    "Sound & picture restored 2026", "f/2.8  24 fps  35 mm", "No animals were harmed",
)  # fmt: skip


def grain(seed: int, width: int, height: int) -> Picture:
    """A colour texture whose amplitude falls with frequency, as that of nature does."""
    rng = np.random.default_rng(seed)
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None]
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / max(width, height)) ** 1.1
    layers = []
    for _ in range(3):
        noise = np.fft.rfft2(rng.standard_normal((height, width)))
        layer = np.fft.irfft2(noise * fall, (height, width))
        layers.append(layer / layer.std())
    mixed = np.stack([0.8 * layers[0] + 0.2 * layer for layer in layers], -1)
    texture: Picture = np.clip(mixed * 45 + 128, 0, 255).astype(np.float32)
    return texture


def shown(texture: Picture, x: float, y: float) -> Picture:
    """A frame's part of a larger texture, from (x, y) in pixels of the frame."""
    width, height = (FINER * n for n in SIZE)
    left, top = round(x * FINER), round(y * FINER)
    return texture[top : top + height, left : left + width]


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    """Which drawn pixels lie in a disc given in pixels of the frame."""
    rows, columns = np.ogrid[0 : SIZE[1] * FINER, 0 : SIZE[0] * FINER]
    near = (columns / FINER - x) ** 2 + (rows / FINER - y) ** 2
    inside: NDArray[np.bool_] = near < radius**2
    return inside


def paper(colour: int = 255) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty picture at the drawn size, and what draws on it."""
    image = Image.new("RGB", (SIZE[0] * FINER, SIZE[1] * FINER), (colour,) * 3)
    return image, ImageDraw.Draw(image)


def as_picture(image: Image.Image) -> Picture:
    """What was drawn."""
    return np.asarray(image, dtype=np.float32)


def credits_roll(k: int) -> Picture:
    """White lettering of several sizes that rolls over black."""
    image, draw = paper(0)
    for i, words in enumerate(WORDS * 2):
        font = ImageFont.load_default(size=FINER * (14 + 4 * (i % 4)))
        place = FINER * SIZE[0] / 2, FINER * (20 + 44 * i - 3.3 * k)
        draw.text(place, words, fill=(235, 235, 225), font=font, anchor="mm")
    return as_picture(image)


def line_art(k: int) -> Picture:
    """An animated drawing: flat colours, black outlines, turning and moving."""
    image, draw = paper()
    pen = round(2.2 * FINER)
    for i, fill in enumerate(("#e04a3f", "#3f7fe0", "#f2c230", "#58b36a")):
        turn = 0.06 * k * (1 + i / 2) + i
        radius = FINER * (60 + 14 * i)
        cx = FINER * (90 + 150 * i + 2.5 * k * (-1) ** i)
        cy = FINER * (170 + 40 * np.sin(0.15 * k + i))
        corners = 3 + i
        points = [
            (cx + radius * np.cos(turn + a), cy + radius * np.sin(turn + a))
            for a in np.linspace(0, 2 * np.pi, corners, endpoint=False)
        ]
        draw.polygon(points, fill=fill)
        draw.line([*points, points[0], points[1]], fill="black", width=pen, joint="curve")
        for point in points:
            draw.line([(cx, cy), point], fill="black", width=max(1, pen // 3))
    return as_picture(image)


def fast(texture: Picture, other: Picture, k: int) -> Picture:
    """A textured disc that crosses by a twentieth of the width a frame, a tenth a pair at x2."""
    behind = shown(texture, 40 + 1.5 * k, 20).copy()
    x = -80 + SIZE[0] / 20 * k * 1.0
    inside = disc(x, 180, 80)
    carried = shown(other, max(0.0, 700 - x), 60)
    behind[inside] = carried[inside]
    return behind


def pan(texture: Picture, k: int) -> Picture:
    """A whole picture that moves by a twentieth of the width a frame."""
    return shown(texture, SIZE[0] / 20 * k, 30 + 4 * k)


def occlusion(texture: Picture, other: Picture, k: int) -> Picture:
    """Two discs that cross in front of a moving texture and of each other."""
    picture = shown(texture, 60 + 5 * k, 40).copy()
    for x, y, radius, shift in ((120 + 14 * k, 150, 70, 0), (520 - 14 * k, 220, 60, 300)):
        inside = disc(x, y, radius)
        carried = shown(other, 700 + shift - x, 60)
        picture[inside] = carried[inside]
    return picture


def grid(texture: Picture, k: int) -> Picture:
    """A thin grid that stands still while something large passes behind and before it."""
    picture = shown(texture, 300 - 9 * k, 30).copy()
    lines = np.zeros(picture.shape[:2], bool)
    for at in range(0, SIZE[0], 14):
        lines[:, at * FINER : at * FINER + 4] = True
    for at in range(0, SIZE[1], 14):
        lines[at * FINER : at * FINER + 4] = True
    picture[lines] = 230
    hand = disc(60 + 16 * k, 250, 75)
    picture[hand] = shown(texture, 600, 200)[hand] * 0.5 + 90
    return picture


def fade(texture: Picture, other: Picture, k: int) -> Picture:
    """One picture dissolves into another while both move slowly."""
    share = np.float32(k / (FRAMES - 1))
    a, b = shown(texture, 40 + 1.5 * k, 30), shown(other, 300 - 1.5 * k, 60)
    mixed: Picture = (1 - share) * a + share * b
    return mixed


def clips() -> dict[str, Callable[[int], Picture]]:
    """Every clip by its name, as a function of the frame's number."""
    large = (SIZE[0] + 900) * FINER, (SIZE[1] + 300) * FINER
    one, two = grain(1, *large), grain(2, *large)
    return {
        "credits": credits_roll,
        "line-art": line_art,
        "fast": lambda k: fast(one, two, k),
        "pan": lambda k: pan(two, k),
        "occlusion": lambda k: occlusion(one, two, k),
        "grid": lambda k: grid(one, k),
        "fade": lambda k: fade(one, two, k),
    }


def write(folder: Path, draw: Callable[[int], Picture]) -> None:
    """Write one clip's frames as 00.png and on."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(FRAMES):
        drawn = draw(k)
        split = drawn.reshape(SIZE[1], FINER, SIZE[0], FINER, 3)
        frame = split.mean((1, 3)).round().clip(0, 255).astype(np.uint8)
        Image.fromarray(frame).save(folder / f"{k:02}.png")
