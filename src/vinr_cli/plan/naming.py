"""The output's name when the user gives none."""

from fractions import Fraction
from pathlib import Path

DEFAULT_CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""Suffixes that an output keeps from its input; anything else becomes Matroska, which holds
nearly every kind of track."""

VIDEOS = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg",
    ".vob", ".wmv", ".flv", ".f4v", ".ogv", ".3gp", ".3g2", ".mxf", ".dv", ".asf", ".rm",
    ".rmvb", ".divx", ".y4m", ".nut",
})  # fmt: skip
"""Names that are looked for in a folder of videos."""


def output_name(
    source: Path,
    size: Fraction | tuple[int, int],
    rate: Fraction | None,
    container: str | None = None,
    *,
    slow: Fraction | None = None,
) -> Path:
    """A name beside the source that says what was done: `in.mp4` to `in-3.5x-120fps.mp4`.

    Args:
        source: The input file.
        size: The scale, which is left out if it is 1, or (width, height) in pixels where a size
            was asked for.
        rate: Real frame rate of the output; None (variable) is written `vfr`.
        container: Suffix with its dot; None keeps the source's where a video goes into it.
        slow: Slow-motion factor, if any; written as in `in-30fps-4xslow.mp4`.
    """
    scale = f"{size[0]}x{size[1]}" if isinstance(size, tuple) else f"{decimal(size)}x"
    pace = "vfr" if rate is None else f"{decimal(rate)}fps"
    suffix = default_suffix(source) if container is None else container
    slowness = "" if slow is None else f"{decimal(slow)}xslow"
    parts = [source.stem, "" if size == 1 else scale, pace, slowness]
    return source.with_name("-".join(filter(None, parts)) + suffix)


def default_suffix(source: Path) -> str:
    """The suffix of the output's name for a source."""
    suffix = source.suffix.lower()
    return suffix if suffix in DEFAULT_CONTAINERS else ".mkv"


def decimal(value: Fraction, digits: int = 3) -> str:
    """At most `digits` decimals, no trailing zeros: 7/2 is 3.5, 60000/1001 is 59.94."""
    text = f"{float(value):.{digits}f}".rstrip("0").rstrip(".")
    return text if text not in {"", "0"} else f"{float(value):.2g}"
