"""The figures of `vinr evaluate` as a table for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vinr_cli.evaluate.compare import Score

COLUMNS = (
    "clip", "times", "method", "frames", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "sharpness", "blocks",
)  # fmt: skip


def show_scores(scores: "Sequence[Score]") -> None:
    """Print one row a score, as wide as it needs."""
    table = Table(*COLUMNS)
    for s in scores:
        quality = f"{s.psnr_y:.2f}", f"{s.ssim_y:.4f}", f"{s.psnr_rgb:.2f}"
        figures = *quality, f"{s.sharpness:.3f}", f"{s.blockiness:.3f}"
        table.add_row(s.clip, s.times, s.method, str(s.frames), *figures)
    Console(width=140, soft_wrap=True).print(table)
