"""The figures of `vinr evaluate`, for people and for machines."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vinr_cli.evaluate.compare import Score

COLUMNS = (
    "clip", "times", "method", "frames", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "VMAF", "sharpness",
    "blocks",
)  # fmt: skip


def show_scores(scores: "Sequence[Score]") -> None:
    """Print one row a score, as wide as it needs."""
    table = Table(*COLUMNS)
    for s in scores:
        quality = f"{s.psnr_y:.2f}", f"{s.ssim_y:.4f}", f"{s.psnr_rgb:.2f}"
        vmaf = "-" if s.vmaf is None else f"{s.vmaf:.2f}"
        figures = *quality, vmaf, f"{s.sharpness:.3f}", f"{s.blockiness:.3f}"
        table.add_row(s.clip, s.times, s.method, str(s.frames), *figures)
    Console(width=140, soft_wrap=True).print(table)


def scores_as_json(
    scores: "Sequence[Score]", settings: Mapping[str, Any], protocol: str
) -> dict[str, Any]:
    """For JSON: protocol, settings as asked for, and every score."""
    rows = [dataclasses.asdict(s) for s in scores]
    return {"protocol": protocol, "settings": dict(settings), "scores": rows}
