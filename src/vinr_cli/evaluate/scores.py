"""Scores: means over some frames of one clip, and over clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True)
class Score:
    """Means over some frames of one clip.

    Attributes:
        clip: The clip's name.
        method: The method's name.
        times: input, inner or all; or one time between two inputs, such as 3/8.
        frames: Number of frames.
        psnr_y: In dB.
        ssim_y: In [-1, 1].
        psnr_rgb: In dB.
        sharpness: Gradient energy of Y relative to the truth's.
        blockiness: `metrics.blockiness` on the LR grid, relative to the truth's.
        gmsd: `metrics.gmsd`; 0 is equal.
        vmaf: From 0 to 100; None where it was not measured.
        vmaf_neg: The same by the model that gives nothing for enhancement.
        ripple: `stripes`; None where the truth has no lines.
        flicker: `motion`, in codes of 8 bits; None where it was not measured, and for some times.
        evenness: Sharpness at inner times over that at input times, each relative to the truth's: 1
            does not pulse. None for some times.
    """

    clip: str
    method: str
    times: str
    frames: int
    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    sharpness: float
    blockiness: float
    gmsd: float
    vmaf: float | None = None
    vmaf_neg: float | None = None
    ripple: float | None = None
    flicker: float | None = None
    evenness: float | None = None


def average(scores: Sequence[Score]) -> list[Score]:
    """Means over clips, each clip counting once; nothing for a single clip."""
    if len({s.clip for s in scores}) < 2:
        return []
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.method, score.times), []).append(score)
    return [
        Score(
            clip="average",
            method=method,
            times=times,
            frames=sum(s.frames for s in rows),
            psnr_y=fmean(s.psnr_y for s in rows),
            ssim_y=fmean(s.ssim_y for s in rows),
            psnr_rgb=fmean(s.psnr_rgb for s in rows),
            sharpness=fmean(s.sharpness for s in rows),
            blockiness=fmean(s.blockiness for s in rows),
            gmsd=fmean(s.gmsd for s in rows),
            vmaf=_mean([s.vmaf for s in rows]),
            vmaf_neg=_mean([s.vmaf_neg for s in rows]),
            ripple=_mean([s.ripple for s in rows]),
            flicker=_mean([s.flicker for s in rows]),
            evenness=_mean([s.evenness for s in rows]),
        )
        for (method, times), rows in groups.items()
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    """Their mean; None if any is missing, since means over fewer clips do not compare."""
    known = [v for v in values if v is not None]
    return fmean(known) if len(known) == len(values) else None
