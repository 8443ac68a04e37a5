"""The figures of `vinr evaluate`, for people and for machines."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vinr_cli.evaluate.scores import Score

COLUMNS = (
    "clip", "times", "method", "frames", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "VMAF", "NEG", "GMSD",
    "sharpness", "inner/input", "blocks", "ripple", "flicker",
)  # fmt: skip


def show_scores(scores: "Sequence[Score]") -> None:
    """Print one row a score, as wide as it needs."""
    table = Table(*COLUMNS)
    for s in scores:
        quality = f"{s.psnr_y:.2f}", f"{s.ssim_y:.4f}", f"{s.psnr_rgb:.2f}"
        seen = _known(s.vmaf, 2), _known(s.vmaf_neg, 2), f"{s.gmsd:.4f}"
        relative = f"{s.sharpness:.3f}", _known(s.evenness, 3), f"{s.blockiness:.3f}"
        lively = _known(s.ripple, 3), _known(s.flicker, 2)
        figures = *quality, *seen, *relative, *lively
        table.add_row(s.clip, s.times, s.method, str(s.frames), *figures)
    Console(width=200, soft_wrap=True).print(table)


def _known(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def scores_as_json(
    scores: "Sequence[Score]", settings: Mapping[str, Any], protocol: str
) -> dict[str, Any]:
    """For JSON: protocol, settings as asked for, and every score."""
    rows = [dataclasses.asdict(s) for s in scores]
    return {"protocol": protocol, "settings": dict(settings), "scores": rows}
