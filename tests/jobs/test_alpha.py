"""Opacity through the whole program: what goes in comes out, larger and smoother."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.errors import UsageError
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.sources import probe_source, read_source
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest

WIDTH, HEIGHT, RADIUS, STEP = 96, 64, 18, 3
FINE = 4
Run = Callable[..., Path]
TWICE = SizeRequest(scale=Fraction(2))
TWICE_AS_OFTEN = RateRequest(RateKind.MULTIPLY, Fraction(2))


def disc(time: float, scale: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """(H, W, 3) colours and (H, W) opacity of a textured disc that moves over nothing."""
    height, width = HEIGHT * scale, WIDTH * scale
    y, x = (np.mgrid[: height * FINE, : width * FINE] + 0.5) / FINE / scale
    inside = (x - 26 - STEP * time) ** 2 + (y - 32) ** 2 < RADIUS**2
    opacity = inside.reshape(height, FINE, width, FINE).mean((1, 3))
    y, x = (np.mgrid[:height, :width] + 0.5) / scale
    wave = 0.5 + 0.25 * np.sin((x - STEP * time) / 5) * np.cos(y / 4)
    return np.stack([0 * wave + 0.9, wave, 0 * wave + 0.3], -1), opacity


def raw(frames: int = 3) -> bytes:
    """RGBA frames of the disc; what is transparent is black, as most programs write it."""
    pictures = []
    for k in range(frames):
        colours, opacity = disc(k)
        shown = colours * (opacity > 0)[..., None]
        pictures.append(np.dstack([shown, opacity]))
    return b"".join((p * 255 + 0.5).astype(np.uint8).tobytes() for p in pictures)


def ffmpeg(arguments: list[str], data: bytes = b"") -> bytes:
    command = [str(find_ffmpeg(EncodeOptions())), "-y", "-v", "error", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


CODECS = {
    "vp9.webm": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "8", "-b:v", "0"],
    "vp9.mkv": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "8", "-b:v", "0"],
    "prores.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", "-profile:v", "4444"],
    "bgra.mkv": ["-c:v", "ffv1", "-pix_fmt", "bgra"],
    "gbrap10.mkv": ["-c:v", "ffv1", "-pix_fmt", "gbrap10le"],
    "yuva.mkv": ["-c:v", "ffv1", "-pix_fmt", "yuva420p"],
    "qtrle.mov": ["-c:v", "qtrle", "-pix_fmt", "argb"],
    "png.mov": ["-c:v", "png", "-pix_fmt", "rgba"],
    "ya8.mov": ["-c:v", "png", "-pix_fmt", "ya8"],
    "pal8.gif": ["-filter_complex", "split[a][b];[a]palettegen[p];[b][p]paletteuse"],
}


@pytest.fixture
def source(tmp_path: Path) -> Run:
    def make(name: str) -> Path:
        path = tmp_path / name
        head = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{WIDTH}x{HEIGHT}", "-r", "25"]
        ffmpeg([*head, "-i", "pipe:0", *CODECS[name], str(path)], raw())
        return path

    return make


@pytest.fixture
def run(tiny: Path, tmp_path: Path) -> Run:
    def go(source: Path, name: str, *, model: str | None = None, **options: Any) -> Path:
        output = tmp_path / name
        spec = JobSpec(source, output, model=model or str(tiny), device="cpu", **options)
        run_upscale(spec)
        return output

    return go


def frames(path: Path) -> list[tuple[NDArray[Any], ...]]:
    media = probe_source(path)
    assert media.video.color.alpha
    with read_source(media) as reader:
        return [frame.planes for frame in reader]


def shown(path: Path, width: int, height: int) -> NDArray[Any]:
    """(T, H, W, 4) in [0, 1], as ffmpeg shows a file."""
    apart = ["-c:v", "libvpx-vp9"] if probe(path).video.codec == "vp9" else []
    data = ffmpeg([*apart, "-i", str(path), "-pix_fmt", "rgba64le", "-f", "rawvideo", "pipe:1"])
    return np.frombuffer(data, "<u2").reshape(-1, height, width, 4) / 65535


@pytest.mark.parametrize("name", list(CODECS))
def test_opacity_is_read_as_ffmpeg_reads_it(name: str, source: Run) -> None:
    """Every codec's opacity comes out of the reader as ffmpeg's own decoder shows it."""
    path = source(name)
    video = probe(path).video
    wanted = shown(path, WIDTH, HEIGHT)[..., 3]
    found = np.stack([planes[-1] for planes in frames(path)])
    top = (1 << video.color.depth) - 1
    assert np.abs(found / top - wanted).max() <= 1 / 255
    assert wanted.min() <= 1 / 255
    assert wanted.max() >= 254 / 255


@pytest.mark.parametrize(
    ("name", "output", "codec"),
    [
        ("vp9.webm", "out.webm", "vp9"), ("vp9.mkv", "out.mkv", "vp9"),
        ("prores.mov", "out.mov", "prores"), ("bgra.mkv", "out.mkv", "ffv1"),
        ("gbrap10.mkv", "out.mkv", "ffv1"), ("png.mov", "%03d.png", "png"),
    ],
)  # fmt: skip
def test_opacity_at_the_sources_times_is_the_sources_own(
    name: str, output: str, codec: str, source: Run, run: Run
) -> None:
    """At scale 1 every second frame has the source's opacity, within what the codec loses."""
    path = source(name)
    lossless = EncodeOptions(lossless=codec in ("vp9", "ffv1"))
    made = run(path, output, rate=TWICE_AS_OFTEN, encode=lossless)

    video = probe_source(made).video
    assert (video.codec, video.color.alpha) == (codec, True)
    before, after = frames(path), frames(made)
    assert len(after) == 2 * len(before)
    slack = 1 << (video.color.depth - 8) if codec == "prores" else 0
    tops = [(1 << d) - 1 for d in (probe(path).video.color.depth, video.color.depth)]
    for a, b in zip(before, after[::2], strict=True):
        assert np.abs(a[-1] / tops[0] - b[-1] / tops[1]).max() <= (slack + 0.51) / tops[1]
        if codec != "prores":
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_a_disc_has_no_halo(ground: float, source: Run, run: Run) -> None:
    """Larger and between frames, a moving disc looks on black and white as it would if drawn.

    Its edge is neither darker nor lighter than the truth by more than 2/255 in the mean, what is
    opaque stays opaque and what is transparent transparent, within 3/255 on a flat part.
    """
    made = run(source("bgra.mkv"), "out.mkv", model="default", size=TWICE, rate=TWICE_AS_OFTEN)
    for k, picture in enumerate(shown(made, 2 * WIDTH, 2 * HEIGHT)[:5]):
        colours, opacity = disc(k / 2, 2)
        truth = colours * opacity[..., None] + ground * (1 - opacity[..., None])
        found = picture[..., :3] * picture[..., 3:] + ground * (1 - picture[..., 3:])
        y, x = (np.mgrid[: 2 * HEIGHT, : 2 * WIDTH] + 0.5) / 2
        away = np.hypot(x - 26 - STEP * k / 2, y - 32) - RADIUS
        edge = np.abs(away) < 1.5
        assert abs((found - truth)[edge].mean()) < 2 / 255
        assert -10 * np.log10(((found - truth) ** 2).mean()) > 36
        assert picture[away < -5, 3].min() > 1 - 3 / 255
        assert picture[away > 5, 3].max() < 3 / 255


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("out.mp4", EncodeOptions()), ("out.ts", EncodeOptions()), ("out.y4m", EncodeOptions()),
        ("out.mkv", EncodeOptions(codec="h264")), ("out.mp4", EncodeOptions(codec="vp9")),
        ("out.mkv", EncodeOptions(codec="h265")),
        ("out.webm", EncodeOptions(pix_fmt="yuv420p")),
    ],
)  # fmt: skip
def test_opacity_is_refused_where_it_would_be_lost(
    output: str, options: EncodeOptions, source: Run, tiny: Path, tmp_path: Path
) -> None:
    """A codec or container without opacity is refused before work, and --no-alpha is named."""
    spec = JobSpec(source("bgra.mkv"), tmp_path / output, model=str(tiny), encode=options)
    with pytest.raises(UsageError, match="--no-alpha"):
        plan_upscale(spec)


def test_opacity_may_be_left_out(source: Run, run: Run) -> None:
    """With alpha=False the colours are written alone, whatever the codec, and a notice says so."""
    for name in ("vp9.webm", "bgra.mkv"):
        path = source(name)
        made = run(path, f"{name}.mp4", alpha=False, rate=TWICE_AS_OFTEN)
        assert not probe(made).video.alpha
    plan = plan_upscale(JobSpec(path, alpha=False))
    assert any("alpha channel is left out" in n for n in plan.notices)


def test_the_name_of_our_own_is_one_that_keeps_opacity(source: Run, tmp_path: Path) -> None:
    """Without -o the source's container is used, or else one that can hold opacity."""
    assert plan_upscale(JobSpec(source("vp9.webm"))).output.suffix == ".webm"
    assert plan_upscale(JobSpec(source("prores.mov"))).encoder.name == "prores"
    path = source("png.mov").rename(tmp_path / "odd.mp4")
    assert plan_upscale(JobSpec(path)).output.suffix == ".mkv"


def test_animations_keep_opacity(source: Run, run: Run) -> None:
    """GIF keeps what is transparent and what is not; WebP says that it has opacity."""
    path = source("bgra.mkv")
    made = run(path, "out.gif")
    opacity = np.stack([planes[-1] for planes in frames(made)])
    wanted = np.stack([planes[-1] for planes in frames(path)])
    assert set(np.unique(opacity)) == {0, 255}
    sure = (wanted == 0) | (wanted == 255)
    assert np.array_equal(opacity[sure], wanted[sure])
    data = run(path, "out.webp").read_bytes()
    assert data[12:16] == b"VP8X"
    assert data[20] & 0x10  # RFC 9649, 2.7.1: a frame has opacity


def test_opaque_gifs_are_ordinary_videos(tmp_path: Path) -> None:
    """A GIF without transparent pixels goes into MP4 without a word of opacity."""
    path = tmp_path / "opaque.gif"
    ffmpeg(["-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.3", str(path)])
    plan = plan_upscale(JobSpec(path, tmp_path / "out.mp4"))
    assert not any("alpha" in notice for notice in plan.notices)
