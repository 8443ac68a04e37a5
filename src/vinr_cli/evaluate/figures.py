"""All figures of a result against its truth, frame by frame."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.evaluate.metrics import (
    blockiness,
    gmsd,
    luma,
    psnr_rgb,
    psnr_y,
    rounded,
    sharpness,
    ssim_y,
)
from vinr_cli.evaluate.motion import CODES, Motion, change, true_motion
from vinr_cli.evaluate.stripes import Stripes, added, stripes_of
from vinr_cli.media.measure import SMALLEST, Vmaf

Look = Callable[[int, Tensor], None]
"""What else wants to see a result's frame: its number and (1, 3, H, W) in [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """One result's figures.

    Attributes:
        means: By the names of `scores.Score`, (T,): what is averaged over frames.
        rippled: (T, 2): what the result varies along lines more than the truth, and the truth's
            variance across them; zeros where a frame has no lines.
        changes: (T - 1,), mean squared change of the error along the true motion, in codes²; NaN
            where no motion is known. None if it was not asked for.
    """

    means: dict[str, Tensor]
    rippled: Tensor
    changes: Tensor | None

    def ripple(self, where: Tensor) -> float | None:
        """Of some frames, (T,) bool; None where the truth has no lines."""
        more, across = self.rippled[where].sum(0).tolist()
        return float((more / across) ** 0.5) if across else None

    def flicker(self) -> float | None:
        """In codes of 8 bits; None if it was not asked for, or no motion is known anywhere."""
        if self.changes is None or bool(self.changes.isnan().all()):
            return None
        return float(self.changes.nanmean().sqrt())

    def evenness(self, inner: Tensor) -> float | None:
        """Sharpness at inner times, (T,) bool, over that at the others; None without either."""
        relative = self.means["sharpness"]
        if not bool(inner.any()) or bool(inner.all()):
            return None
        others = float(relative[~inner].mean())
        return float(relative[inner].mean()) / others if others else None


class Judge:
    """Measures results of one clip; a context manager, since VMAF owns a scratch folder.

    Args:
        truth: (T, 3, H, W), uint8.
        scale: Spatial factor of the results, for the lines between a codec's blocks.
        vmaf: An ffmpeg with libvmaf; None leaves VMAF out.
        flicker: Whether the truth's motion is sought, a second or so a frame at 720 lines.
    """

    def __init__(self, truth: Tensor, scale: float, vmaf: Path | None, *, flicker: bool) -> None:
        self._truth = truth
        self._scale = scale
        self._stripes: list[Stripes | None] = [stripes_of(frame / 255) for frame in truth]
        self._motion: list[Motion] | None = true_motion(truth) if flicker else None
        self._stack = ExitStack()
        self._vmaf: Vmaf | None = None
        if vmaf is not None and min(truth.shape[-2:]) >= SMALLEST:
            frames = (pixels(frame / 255) for frame in truth)
            self._vmaf = self._stack.enter_context(Vmaf(vmaf, frames))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def measure(self, frames: Iterator[Tensor], look: Look) -> Figures:
        """Every figure of a result.

        Args:
            frames: As many as the truth has, (1, 3, H, W) in [0, 1].
            look: Sees each of them, too.

        Raises:
            EncoderError: VMAF fails.
            ValueError: more or fewer frames.
        """
        rows: list[dict[str, float]] = []
        rippled: list[tuple[float, float]] = []
        changes: list[float] = []

        def passing() -> Iterator[NDArray[np.uint8]]:
            before: Tensor | None = None
            for k, (made, want) in enumerate(zip(frames, self._truth / 255, strict=True)):
                rows.append(self._frame(made, want[None]))
                rippled.append(self._ripple(k, made[0]))
                error = (luma(rounded(made[0])) - luma(want)) * CODES
                if before is not None:
                    changes.append(self._change(k - 1, before, error))
                before = error
                look(k, made)
                yield pixels(made[0])

        seen = self._viewed(passing())
        columns = {name: [row[name] for row in rows] for name in rows[0]} | seen
        return Figures(
            {name: torch.tensor(values, dtype=torch.float64) for name, values in columns.items()},
            torch.tensor(rippled, dtype=torch.float64),
            None if self._motion is None else torch.tensor(changes, dtype=torch.float64),
        )

    def _viewed(self, made: Iterator[NDArray[np.uint8]]) -> dict[str, list[float]]:
        """VMAF's scores by name; nothing without an ffmpeg for them, but the frames are made."""
        if self._vmaf is not None:
            return self._vmaf.scores(made)
        for _ in made:
            pass
        return {}

    def _frame(self, made: Tensor, want: Tensor) -> dict[str, float]:
        """What a frame (1, 3, H, W) has of its own."""
        sharp = sharpness(made) / sharpness(want).clamp(min=1e-9)
        blocks = blockiness(made, self._scale) / blockiness(want, self._scale)
        return {
            "psnr_y": float(psnr_y(made, want)),
            "ssim_y": float(ssim_y(made, want)),
            "psnr_rgb": float(psnr_rgb(made, want)),
            "gmsd": float(gmsd(made, want)),
            "sharpness": float(sharp),
            "blockiness": float(blocks),
        }

    def _ripple(self, k: int, made: Tensor) -> tuple[float, float]:
        stripes = self._stripes[k]
        return (0.0, 0.0) if stripes is None else (added(rounded(made), stripes), stripes.across)

    def _change(self, k: int, before: Tensor, after: Tensor) -> float:
        found = None if self._motion is None else change(before, after, self._motion[k])
        return float("nan") if found is None else found


def pixels(frame: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) in [0, 1] to (H, W, 3), uint8."""
    return (frame.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
