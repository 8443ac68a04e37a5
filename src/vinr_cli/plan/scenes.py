"""Where one scene ends and another begins: between them nothing is interpolated."""

DEFAULT_THRESHOLD = 8.0
"""Change, in per cent of the luma range, from which a frame begins a new scene.

Over 47 filmed clips joined at 140 places it finds 97.9 % of the cuts, and 98.6 % of what it finds
is one (the rest are cuts inside of a clip); at 10, scdet's own, 97.1 % and 98.6 %. On 15 other
clips, 58 joints: 98.3 % and 100 % (`benchmarks/scene_cuts.py`).
"""


def is_cut(change: float | None, threshold: float | None) -> bool:
    """Whether a frame begins a new scene.

    Args:
        change: The frame's score, in per cent of the luma range; None if it was not measured.
        threshold: Least score of a cut; None finds no cuts.
    """
    return change is not None and threshold is not None and change >= threshold
