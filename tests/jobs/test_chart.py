"""A colour chart through the whole program, with zscale as the second implementation."""

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, matrix_tag, plane_shapes
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.base.pixel_formats import pixel_format
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateRequest, SizeRequest

SIDE, ROWS, COLUMNS = 24, 4, 5
HEIGHT, WIDTH = SIDE * ROWS, SIDE * COLUMNS
MATRICES = (Matrix.BT601, Matrix.BT709, Matrix.BT2020)
ALL = [
    ColorSpec(chroma, matrix, full, depth)
    for chroma, matrix, full, depth in itertools.product(
        (Chroma.C420, Chroma.C422, Chroma.C444), MATRICES, (False, True), (8, 10, 12)
    )
]
QUICK = [
    ColorSpec(Chroma.C420, Matrix.BT601, False, 8),
    ColorSpec(Chroma.C422, Matrix.BT709, True, 10),
    ColorSpec(Chroma.C444, Matrix.BT2020, False, 12),
]
TAGS = {
    Matrix.BT601: ("smpte170m", "smpte170m"),
    Matrix.BT709: ("bt709", "bt709"),
    Matrix.BT2020: ("bt2020", "bt2020-10"),
}
ZSCALE = {"smpte170m": "170m", "bt709": "709", "bt2020nc": "2020_ncl", "gbr": "gbr"}
RGB = ColorSpec(Chroma.RGB, Matrix.RGB, full_range=True, depth=16)


def chart() -> NDArray[np.uint16]:
    """(3, H, W) in the order G, B, R: primaries and their mixtures, grays, saturated and skin."""
    corners = list(itertools.product((0.0, 1.0), repeat=3))
    grays = [(g, g, g) for g in (0.02, 0.18, 0.5, 0.75, 0.96)]
    others = [(0.85, 0.6, 0.5), (0.4, 0.25, 0.18), (0.9, 0.1, 0.3), (0.1, 0.85, 0.4),
              (0.15, 0.2, 0.95), (0.95, 0.9, 0.05), (0.6, 0.05, 0.7)]  # fmt: skip
    colours = np.array([*corners, *grays, *others]).reshape(ROWS, COLUMNS, 3)
    planes = np.moveaxis(colours, -1, 0)[[1, 2, 0]]
    return np.kron(np.round(planes * 65535), np.ones((SIDE, SIDE))).astype("<u2")


def ffmpeg(arguments: list[str], data: bytes = b"") -> bytes:
    command = [str(find_ffmpeg(EncodeOptions())), "-y", "-v", "error", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def described(spec: ColorSpec, suffix: str = "") -> str:
    limits = "full" if spec.full_range else "limited"
    matrix = ZSCALE["gbr" if spec.chroma is Chroma.RGB else matrix_tag(spec)]
    same = f"primaries{suffix}=709:transfer{suffix}=709"
    return f"matrix{suffix}={matrix}:range{suffix}={limits}:chromal{suffix}={spec.siting}:{same}"


def reference(spec: ColorSpec) -> list[NDArray[np.int64]]:
    """The chart as zscale converts it, in planes."""
    graph = f"zscale={described(RGB, 'in')}:{described(spec)}:dither=none"
    raw = ["-f", "rawvideo", "-pix_fmt"]
    data = ffmpeg(
        [*raw, "gbrp16le", "-video_size", f"{WIDTH}x{HEIGHT}", "-i", "pipe:0",
         "-vf", f"{graph},format={pixel_format(spec)}", *raw, pixel_format(spec), "pipe:1"],
        chart().tobytes(),
    )  # fmt: skip
    samples = np.frombuffer(data, "<u2" if spec.depth > 8 else "u1").astype(np.int64)
    shapes = plane_shapes(spec, HEIGHT, WIDTH)
    bounds = np.cumsum([0, *(h * w for h, w in shapes)])
    return [samples[a:b].reshape(s) for a, b, s in zip(bounds, bounds[1:], shapes, strict=False)]


def write_source(path: Path, spec: ColorSpec) -> None:
    """Two frames of the chart, without loss and with all tags."""
    kind = "<u2" if spec.depth > 8 else "u1"
    data = b"".join(p.astype(kind).tobytes() for p in reference(spec)) * 2
    lossless = {
        8: ["libx264", "-qp", "0"],
        10: ["libx264", "-qp", "0"],
        12: ["libx265", "-x265-params", "lossless=1:keyint=1:log-level=error"],
    }[spec.depth]
    primaries, transfer = TAGS[spec.matrix]
    limits = "pc" if spec.full_range else "tv"
    marks = (
        f"setparams=range={limits}:colorspace={matrix_tag(spec)}:color_primaries={primaries}"
        f":color_trc={transfer}:chroma_location={spec.siting}"
    )
    ffmpeg(
        ["-f", "rawvideo", "-pix_fmt", pixel_format(spec), "-video_size", f"{WIDTH}x{HEIGHT}",
         "-i", "pipe:0", "-vf", marks, "-c:v", *lossless, str(path)],
        data,
    )  # fmt: skip


def middle(plane: NDArray[np.int64], row: int, column: int) -> NDArray[np.int64]:
    """The inner third of a patch, to which no ringing of its edges reaches."""
    height, width = plane.shape[0] // ROWS, plane.shape[1] // COLUMNS
    top, left = row * height + height // 3, column * width + width // 3
    return plane[top : top + height // 3, left : left + width // 3]


def name(spec: ColorSpec) -> str:
    return f"{spec.chroma}-{spec.matrix}-{spec.depth}-{'full' if spec.full_range else 'studio'}"


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(s, id=name(s), marks=() if s in QUICK else (pytest.mark.slow,))
        for s in ALL
    ],
)  # fmt: skip
def test_a_chart_keeps_its_colours_at_twice_the_size(spec: ColorSpec, tmp_path: Path) -> None:
    """In every patch each sample is zscale's code value or the one beside it; the tags stay."""
    source, output = tmp_path / "chart.mp4", tmp_path / "twice.mp4"
    write_source(source, spec)
    options = EncodeOptions(codec="h265" if spec.depth > 10 else "h264", lossless=True)

    run_upscale(
        JobSpec(
            source,
            output,
            SizeRequest(scale=RateRequest().value * 2),
            encode=options,
            device="cpu",
        )
    )

    video = probe(output).video
    found = video.color
    assert (found.chroma, found.depth, found.full_range) == (
        spec.chroma, spec.depth, spec.full_range,
    )  # fmt: skip
    assert found.matrix is spec.matrix
    wanted = reference(spec)
    with FrameReader(output, video) as reader:
        frames = [frame.planes for frame in reader]
    assert len(frames) == 2
    for planes in frames:
        for plane, want in zip(planes, wanted, strict=True):
            for row, column in itertools.product(range(ROWS), range(COLUMNS)):
                made = middle(plane.astype(np.int64), row, column)
                patch = middle(want, row, column)
                assert np.abs(made - patch[0, 0]).max() <= 1, (row, column)
