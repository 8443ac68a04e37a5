"""A page to look at: every clip's strips with the figures below, in one file."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.errors import OutputError
from vinr_cli.evaluate.figures import pixels
from vinr_cli.evaluate.scores import Score
from vinr_cli.evaluate.strips import Cutout, StripMaker
from vinr_cli.media.pictures import png_of

WHOLE = 640
"""Largest width of the whole frame, in pixels."""

STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
.strip { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 1.5em }
figure { margin: 0 } figcaption { font-size: 13px }
img { display: block; image-rendering: pixelated }
.whole { position: relative; display: inline-block; line-height: 0 }
.whole i { position: absolute; outline: 2px solid #f33; box-shadow: 0 0 0 3px #fff8 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #ddd }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } }
"""

COLUMNS = {
    "psnr_y": ("PSNR-Y", 2),
    "ssim_y": ("SSIM-Y", 4),
    "vmaf": ("VMAF", 1),
    "vmaf_neg": ("VMAF-NEG", 1),
    "gmsd": ("GMSD", 4),
    "sharpness": ("sharpness", 3),
    "evenness": ("inner/input", 3),
    "ripple": ("ripple", 3),
    "flicker": ("flicker", 2),
}
"""Headings and decimals of the figures that the page shows, by the names of their fields."""


class Page:
    """Collects clips, then writes one HTML file that needs nothing else.

    Args:
        protocol: How it was measured, in words.
    """

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self._parts: list[str] = []

    def add(self, clip: str, strips: StripMaker, scores: Sequence[Score]) -> None:
        """A clip's pictures and figures.

        Args:
            clip: Its name.
            strips: After all methods have run.
            scores: Of this clip.
        """
        first = strips.cutouts[0]
        parts = [f"<h2>{escape(clip)}</h2>", _whole(strips.frame, first)]
        for cutout in strips.cutouts:
            kind = "between two inputs" if cutout.inner else "at an input's time"
            parts += [f"<h3>Frame {cutout.index}, {kind}, two screen pixels a pixel</h3>"]
            parts += ['<div class="strip">']
            parts += [_figure(name, picture) for name, picture in cutout.pictures.items()]
            parts += ["</div>"]
        self._parts += [*parts, _table(scores)]

    def write(self, path: Path, means: Sequence[Score] = ()) -> None:
        """Write the file.

        Args:
            path: Replaced if it exists.
            means: Averages over clips, shown first.

        Raises:
            OutputError: it cannot be written.
        """
        head = f"<meta charset=utf-8><title>vinr evaluate</title><style>{STYLE}</style>"
        parts = ["<!doctype html>", head, "<h1>Truth and methods</h1>"]
        parts += [f"<p>{escape(self._protocol)}</p>"]
        parts += ["<h2>Averages</h2>", _table(means)] if means else []
        try:
            path.write_text("\n".join([*parts, *self._parts, ""]), encoding="utf-8")
        except OSError as error:
            raise OutputError(path, f"cannot be written: {error.strerror}") from error


def _data(picture: Tensor) -> str:
    """A picture (3, h, w) in [0, 1] as an address."""
    return "data:image/png;base64," + b64encode(png_of(pixels(picture))).decode()


def _figure(name: str, picture: Tensor) -> str:
    """One cut-out with its method below."""
    height, width = picture.shape[-2:]
    image = f'<img src="{_data(picture)}" width={2 * width} height={2 * height} alt="">'
    return f"<figure>{image}<figcaption>{escape(name)}</figcaption></figure>"


def _whole(frame: Tensor, cutout: Cutout) -> str:
    """The truth's frame (3, H, W), uint8, with a mark around the cut-out."""
    height, width = frame.shape[-2:]
    small = frame / 255
    if width > WHOLE:
        size = (round(height * WHOLE / width), WHOLE)
        small = F.interpolate(small[None], size, mode="bilinear", antialias=True)[0]
    box = {
        "left": cutout.columns.start / width,
        "top": cutout.rows.start / height,
        "width": (cutout.columns.stop - cutout.columns.start) / width,
        "height": (cutout.rows.stop - cutout.rows.start) / height,
    }
    style = ";".join(f"{name}:{share:.2%}" for name, share in box.items())
    return f'<div class="whole"><img src="{_data(small)}" alt=""><i style="{style}"></i></div>'


def _table(scores: Sequence[Score]) -> str:
    """A row a score."""
    heads = ["method", "times", *(name for name, _ in COLUMNS.values())]
    rows = ["<tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"]
    for score in scores:
        figures = [_number(getattr(score, key), n) for key, (_, n) in COLUMNS.items()]
        cells = [escape(score.method), escape(score.times), *figures]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "<table>" + "".join(rows) + "</table>"


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
