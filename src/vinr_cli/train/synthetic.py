"""Synthetic clips: layers of texture that move over one another, with exact occlusion.

Real clips rarely show fast motion, fine periodic texture or lettering; here every layer has a
random affine motion with acceleration, and its texture is a still from the training folder, dead
leaves, line art, lettering or coloured noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor

TEXTURE_SIDE = 512
"""Side of a layer's texture, in pixels."""

Picture = NDArray[np.uint8]
"""(H, W, 3), RGB."""

# Segments of a seven-segment letter on a 3 x 5 raster: enough to look like small text.
_STROKES = ((0, 0, 2, 0), (0, 2, 2, 2), (0, 4, 2, 4), (0, 0, 0, 2), (2, 0, 2, 2), (0, 2, 0, 4),
            (2, 2, 2, 4))  # fmt: skip


def _raster() -> tuple[Tensor, Tensor]:
    line = torch.arange(TEXTURE_SIDE, dtype=torch.float32)
    return line[None, :].expand(TEXTURE_SIDE, -1), line[:, None].expand(-1, TEXTURE_SIDE)


def _shade(rng: np.random.Generator, base: NDArray[np.float64], spread: float) -> Tensor:
    return torch.from_numpy(np.clip(base + rng.normal(0, spread, 3), 0, 1)).float()[:, None]


def coloured_noise(rng: np.random.Generator, side: int, slope: float) -> Tensor:
    """Noise whose spectrum falls as frequency to the power -slope; (3, side, side), unit std."""
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    amplitude = 1 / np.maximum(np.hypot(fx, fy), 1 / side) ** slope
    shape = (3, side, side // 2 + 1)
    noise = np.fft.irfft2((rng.normal(size=shape) + 1j * rng.normal(size=shape)) * amplitude,
                          s=(side, side))  # fmt: skip
    mixed = np.einsum("ij,jyx->iyx", rng.normal(size=(3, 3)) / 2 + 0.5, noise)
    return torch.from_numpy(mixed / (mixed.std() + 1e-6)).float()


def _dead_leaves(rng: np.random.Generator, base: NDArray[np.float64]) -> Tensor:
    """Discs, boxes and diamonds over one another, sizes by a power law."""
    xs, ys = _raster()
    out = torch.empty(3, TEXTURE_SIDE, TEXTURE_SIDE)
    out[:] = torch.from_numpy(base).float()[:, None, None]
    count = int(rng.integers(80, 300))
    sizes = np.minimum(4 / rng.uniform(2e-3, 1, count) ** 0.6, TEXTURE_SIDE / 3)
    for size in np.sort(sizes)[::-1]:
        x, y = rng.uniform(0, TEXTURE_SIDE, 2)
        angle, squeeze = rng.uniform(0, math.pi), rng.uniform(0.3, 1)
        reach = int(size * 1.5) + 2
        box = (slice(max(0, int(y) - reach), int(y) + reach),
               slice(max(0, int(x) - reach), int(x) + reach))  # fmt: skip
        dx, dy = xs[box] - x, ys[box] - y
        u = (dx * math.cos(angle) + dy * math.sin(angle)).abs()
        v = (dy * math.cos(angle) - dx * math.sin(angle)).abs() / squeeze
        kind = rng.integers(3)
        distance = (torch.hypot(u, v), torch.maximum(u, v), u + v)[kind]
        cover = (size - distance + 0.5).clamp(0, 1)
        part = out[(slice(None), *box)]
        part += (_shade(rng, base, 0.3)[..., None] - part) * cover
    return out


def _draw_line(out: Tensor, ends: NDArray[np.float64], width: float, colour: Tensor) -> None:
    """Blend an antialiased line from ends[0] to ends[1] into a (3, S, S) picture."""
    xs, ys = _raster()
    reach = width + 2
    low = np.maximum(np.floor(ends.min(0) - reach), 0).astype(int)
    high = np.ceil(ends.max(0) + reach).astype(int)
    if (high <= 0).any() or (low >= TEXTURE_SIDE).any():
        return
    box = (slice(low[1], max(high[1], 0)), slice(low[0], max(high[0], 0)))
    px, py = xs[box] - ends[0, 0], ys[box] - ends[0, 1]
    along = ends[1] - ends[0]
    length = float(np.hypot(*along)) + 1e-6
    at = ((px * along[0] + py * along[1]) / length**2).clamp(0, 1)
    distance = torch.hypot(px - at * along[0], py - at * along[1])
    cover = (width / 2 - distance + 0.5).clamp(0, 1)
    part = out[(slice(None), *box)]
    part += (colour[..., None] - part) * cover


def _line_art(rng: np.random.Generator, base: NDArray[np.float64]) -> Tensor:
    """Straight lines and regular grids."""
    out = torch.empty(3, TEXTURE_SIDE, TEXTURE_SIDE)
    out[:] = torch.from_numpy(base).float()[:, None, None]
    if rng.random() < 0.5:  # a thin regular grid: what a wrong motion breaks first
        step, width = rng.uniform(6, 40), rng.uniform(1, 3)
        colour = _shade(rng, base, 0.4)
        for at in np.arange(0, TEXTURE_SIDE, step):
            _draw_line(out, np.array([[at, 0.0], [at, TEXTURE_SIDE]]), width, colour)
            _draw_line(out, np.array([[0.0, at], [TEXTURE_SIDE, at]]), width, colour)
    for _ in range(int(rng.integers(10, 60))):
        start = rng.uniform(0, TEXTURE_SIDE, 2)
        angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(20, 250)
        end = start + length * np.array([math.cos(angle), math.sin(angle)])
        _draw_line(out, np.stack([start, end]), rng.uniform(1, 6), _shade(rng, base, 0.5))
    return out


def _lettering(rng: np.random.Generator, base: NDArray[np.float64]) -> Tensor:
    """Rows of letter-like strokes in a few sizes."""
    out = torch.empty(3, TEXTURE_SIDE, TEXTURE_SIDE)
    out[:] = torch.from_numpy(base).float()[:, None, None]
    for _ in range(int(rng.integers(6, 20))):
        unit = rng.uniform(1.5, 7)
        at = rng.uniform(0, TEXTURE_SIDE * 0.8, 2)
        colour = _shade(rng, base, 0.6)
        for letter in range(int(rng.integers(3, 14))):
            origin = at + np.array([letter * unit * 3.4, 0])
            for stroke in _STROKES:
                if rng.random() < 0.6:
                    ends = origin + unit * np.array(stroke, float).reshape(2, 2)
                    _draw_line(out, ends, max(1.0, unit * 0.6), colour)
    return out


def _still(rng: np.random.Generator, stills: Sequence[Picture]) -> Tensor:
    """A random part of a still, at a random size."""
    picture = stills[int(rng.integers(len(stills)))]
    side = int(min(*picture.shape[:2], rng.uniform(300, 720)))
    y = int(rng.integers(picture.shape[0] - side + 1))
    x = int(rng.integers(picture.shape[1] - side + 1))
    part = torch.from_numpy(picture[y : y + side, x : x + side].copy()).permute(2, 0, 1)
    size = (TEXTURE_SIDE, TEXTURE_SIDE)
    return F.interpolate(part[None].float() / 255, size, mode="bicubic", antialias=True)[0]


def texture(rng: np.random.Generator, stills: Sequence[Picture]) -> Tensor:
    """One layer's picture; (3, S, S) in [0, 1]."""
    base = rng.uniform(0, 1, 3)
    kind = rng.random()
    if stills and kind < 0.5:
        out = _still(rng, stills)
    else:
        makers = (_dead_leaves, _line_art, _lettering)
        out = makers[int(rng.integers(len(makers)))](rng, base)
        slope, strength = rng.uniform(0.8, 1.8), rng.uniform(0.01, 0.12)
        out = out + coloured_noise(rng, TEXTURE_SIDE, slope) * strength
    if rng.random() < 0.2:
        xs, ys = _raster()
        frequency, angle = rng.uniform(0.02, 0.25), rng.uniform(0, math.pi)
        phase = 2 * math.pi * frequency * (xs * math.cos(angle) + ys * math.sin(angle))
        out = out + torch.sin(phase) * rng.uniform(0.03, 0.2)
    return out.clamp(0, 1)


def _blob(rng: np.random.Generator) -> Tensor:
    """The outline of a layer that covers only a part: (1, S, S), 1 inside, antialiased."""
    xs, ys = _raster()
    x, y = (xs + 0.5) / TEXTURE_SIDE - 0.5, (ys + 0.5) / TEXTURE_SIDE - 0.5
    angle = torch.atan2(y, x)
    radius = torch.full_like(angle, rng.uniform(0.2, 0.4))
    for k in range(2, 8):
        wave = torch.cos(k * angle + rng.uniform(0, 2 * math.pi))
        radius = radius * (1 + rng.normal(0, 0.25 / k) * wave)
    return ((radius - torch.hypot(x, y)) * TEXTURE_SIDE + 0.5).clamp(0, 1)[None]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a layer is and how it moves.

    Attributes:
        centre: Of the layer at the middle instant, in [-1, 1].
        velocity: Pixels a frame, (x, y).
        bend: Its change a frame.
        zoom: Frame sides per layer side.
        turn: Radians a frame.
        grow: Relative growth a frame.
        skew: Shear a frame, (x, y).
    """

    centre: NDArray[np.float64]
    velocity: NDArray[np.float64]
    bend: NDArray[np.float64]
    zoom: float
    turn: float
    grow: float
    skew: NDArray[np.float64]

    def at(self, u: float, angle: float, side: int) -> NDArray[np.float32]:
        """2x3 matrix from output coordinates in [-1, 1] to the layer's at instant u."""
        place = self.centre + (self.velocity * u + self.bend * u * u / 2) * 2 / side
        theta, size = angle + self.turn * u, self.zoom * math.exp(self.grow * u)
        rotation = np.array([[math.cos(theta), -math.sin(theta)],
                             [math.sin(theta), math.cos(theta)]])  # fmt: skip
        matrix = rotation @ np.array([[1, self.skew[0] * u], [self.skew[1] * u, 1]]) * size
        return np.concatenate([matrix, (matrix @ -place)[:, None]], 1).astype(np.float32)


def _background(rng: np.random.Generator, speed: float, drift: NDArray[np.float64]) -> _Place:
    """Often a still camera, so that still detail is seen beside what moves."""
    still = rng.random() < 0.35
    velocity = drift.copy()
    if rng.random() < 0.3:
        velocity += rng.normal(size=2) * speed
    return _Place(
        centre=rng.uniform(-0.3, 0.3, 2),
        velocity=velocity * (not still),
        bend=rng.normal(size=2) * speed * 0.06 * (not still),
        zoom=rng.uniform(0.4, 0.8),
        turn=rng.normal() * 0.012 * (not still),
        grow=rng.normal() * 0.006 * (not still),
        skew=rng.normal(size=2) * 0.003 * (not still),
    )


def _object(rng: np.random.Generator, speed: float, drift: NDArray[np.float64]) -> _Place:
    """A layer in front: large, or small and fast, or turning about itself."""
    kind = rng.random()
    small, spins = kind < 0.35, kind > 0.85
    zoom = rng.uniform(3, 9) if small else rng.uniform(0.8, 2.2)
    pace = max(speed, abs(rng.normal()) * 14) if small else speed
    return _Place(
        centre=rng.uniform(-0.6, 0.6, 2),
        velocity=drift + rng.normal(size=2) * pace,
        bend=rng.normal(size=2) * pace * 0.06,
        zoom=zoom,
        turn=rng.normal() * (0.08 if spins else 0.012),
        grow=rng.normal() * 0.006,
        skew=rng.normal(size=2) * 0.003,
    )


def _seen(picture: Tensor, place: _Place, angle: float, side: int, frames: int) -> Tensor:
    """A layer through its motion: (frames, C, side, side)."""
    shrink = max(1, round(place.zoom * TEXTURE_SIDE / (2 * side)))
    if shrink > 1:  # no aliasing where a texel is smaller than a pixel
        picture = F.avg_pool2d(picture[None], shrink)[0]
    instants = np.arange(frames) - (frames - 1) / 2
    matrices = np.stack([place.at(float(u), angle, side) for u in instants])
    where = F.affine_grid(torch.from_numpy(matrices), [frames, 1, side, side], align_corners=False)
    return F.grid_sample(
        picture[None].expand(frames, -1, -1, -1),
        where,
        mode="bilinear",
        padding_mode="reflection" if picture.shape[0] == 3 else "zeros",
        align_corners=False,
    )


def synthetic_clip(
    rng: np.random.Generator, stills: Sequence[Picture], side: int, frames: int
) -> NDArray[np.uint8]:
    """One clip.

    Args:
        rng: Source of all randomness.
        stills: Pictures to cut textures from; may be empty.
        side: Side of a frame, in pixels.
        frames: Number of frames.

    Returns:
        (frames, side, side, 3), RGB.
    """
    speed = abs(float(rng.normal())) * 6 + 0.3  # pixels a frame
    heading = rng.uniform(0, 2 * math.pi)
    drift = rng.uniform(0, 1) * speed * np.array([math.cos(heading), math.sin(heading)])
    back = _background(rng, speed, drift)
    out = _seen(texture(rng, stills), back, rng.uniform(0, 2 * math.pi), side, frames)
    for _ in range(int(rng.integers(0, 5))):
        picture = torch.cat([texture(rng, stills), _blob(rng)])
        place = _object(rng, speed, drift)
        seen = _seen(picture, place, rng.uniform(0, 2 * math.pi), side, frames)
        # What lies outside of the layer is zero in colour and cover alike.
        out = torch.lerp(out, seen[:, :3], seen[:, 3:])
    return (out.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
