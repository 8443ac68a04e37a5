"""Colours against a second implementation: ffmpeg's zscale (zimg)."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vinr_cli.color.convert import from_rgb, to_rgb
from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, Siting, matrix_tag, plane_shapes
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.base.pixel_formats import pixel_format
from vinr_cli.plan.job import EncodeOptions

SIDE, PATCHES = 16, 8
MATRICES = [Matrix.BT601, Matrix.BT709, Matrix.BT2020]
SPECS = [
    ColorSpec(chroma, matrix, full_range=full, depth=depth)
    for chroma in (Chroma.C444, Chroma.C422, Chroma.C420)
    for matrix in MATRICES
    for full in (False, True)
    for depth in (8, 10, 12)
] + [ColorSpec(Chroma.C420, Matrix.BT2020, depth=10, siting=Siting.TOPLEFT)]


def chart() -> NDArray[np.uint16]:
    """(3, H, W) RGB patches of 16 bits: black, white, primaries, and colours at random."""
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1)
    rest = np.random.default_rng(7).uniform(0, 1, (3, PATCHES * PATCHES - 8))
    colours = np.concatenate([corners, rest], 1).reshape(3, PATCHES, PATCHES)
    return np.kron(np.round(colours * 65535), np.ones((SIDE, SIDE))).astype(np.uint16)


def zscale(
    planes: list[NDArray[np.generic]], given: ColorSpec, wanted: ColorSpec
) -> list[NDArray[np.int64]]:
    """Planes in the order of ffmpeg, converted by zscale."""

    def words(spec: ColorSpec, suffix: str) -> str:
        matrix = "gbr" if spec.chroma is Chroma.RGB else matrix_tag(spec)
        limits = "full" if spec.full_range else "limited"
        names = {"smpte170m": "170m", "bt709": "709", "bt2020nc": "2020_ncl", "gbr": "gbr"}
        return (
            f"matrix{suffix}={names[matrix]}:range{suffix}={limits}:chromal{suffix}={spec.siting}"
        )

    same = "primariesin=709:primaries=709:transferin=709:transfer=709:dither=none"
    graph = f"zscale={words(given, 'in')}:{words(wanted, '')}:{same},format={pixel_format(wanted)}"
    height = width = SIDE * PATCHES
    raw = ["-f", "rawvideo", "-pix_fmt"]
    command: list[str | Path] = [
        find_ffmpeg(EncodeOptions()), "-v", "error", *raw, pixel_format(given),
        "-video_size", f"{width}x{height}", "-i", "pipe:0", "-vf", graph,
        *raw, pixel_format(wanted), "pipe:1",
    ]  # fmt: skip
    data = b"".join(np.ascontiguousarray(p).tobytes() for p in planes)
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    samples = np.frombuffer(done.stdout, "<u2" if wanted.depth > 8 else "u1").astype(np.int64)
    shapes = plane_shapes(wanted, height, width)
    bounds = np.cumsum([0, *(h * w for h, w in shapes)])
    return [samples[a:b].reshape(s) for a, b, s in zip(bounds, bounds[1:], shapes, strict=False)]


def middles(plane: NDArray[np.int64]) -> NDArray[np.int64]:
    """The samples in the middle of each patch, which no filter of chroma mixes with others."""
    height, width = (side // PATCHES for side in plane.shape)
    return plane[height // 2 :: height, width // 2 :: width]


@pytest.mark.parametrize(
    "spec", SPECS, ids=lambda s: f"{s.chroma}-{s.matrix}-{s.depth}-{s.full_range}"
)
def test_planes_of_a_chart_agree(spec: ColorSpec) -> None:
    """RGB becomes the codes that zscale makes of it, to one, subsampled or not."""
    rgb = chart()
    source = ColorSpec(Chroma.RGB, Matrix.RGB, full_range=True, depth=16)
    theirs = zscale([rgb[1], rgb[2], rgb[0]], source, spec)

    ours = from_rgb(torch.from_numpy(rgb.astype(np.float32) / 65535), spec)

    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(middles(a.numpy().astype(np.int64)) - middles(b)).max() <= 1


@pytest.mark.parametrize(
    "spec", SPECS, ids=lambda s: f"{s.chroma}-{s.matrix}-{s.depth}-{s.full_range}"
)
def test_colours_of_planes_agree(spec: ColorSpec) -> None:
    """Code values become the RGB that zscale makes of them, to one code of eight bits."""
    rgb = torch.from_numpy(chart().astype(np.float32) / 65535)
    planes = [p.numpy().astype("<u2" if spec.depth > 8 else "u1") for p in from_rgb(rgb, spec)]
    target = ColorSpec(Chroma.RGB, Matrix.RGB, full_range=True, depth=16)
    green, blue, red = zscale(list(planes), spec, target)

    tensors = [torch.from_numpy(p.astype(np.int32) if spec.depth > 8 else p) for p in planes]
    ours = (to_rgb(tensors, spec).clamp(0, 1) * 65535).numpy().astype(np.int64)

    for a, b in zip(ours, (red, green, blue), strict=True):
        assert np.abs(middles(a) - middles(b)).max() <= 257


@pytest.mark.parametrize("siting", [Siting.LEFT, Siting.TOPLEFT, Siting.CENTER])
def test_siting_means_the_same(siting: Siting) -> None:
    """A slope of colour lands on the same subsampled codes as with zscale, whatever the siting."""
    size = SIDE * PATCHES
    slope = np.linspace(8000, 56000, size)
    rgb = np.stack(
        [np.tile(slope, (size, 1)), np.full((size, size), 30000.0), np.tile(slope[:, None], size)]
    )
    rgb = np.round(rgb).astype(np.uint16)
    spec = replace(ColorSpec(), siting=siting)
    source = ColorSpec(Chroma.RGB, Matrix.RGB, full_range=True, depth=16, siting=siting)
    theirs = zscale([rgb[1], rgb[2], rgb[0]], source, spec)

    ours = from_rgb(torch.from_numpy(rgb.astype(np.float32) / 65535), spec)

    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(a.numpy().astype(np.int64) - b)[4:-4, 4:-4].max() <= 1
