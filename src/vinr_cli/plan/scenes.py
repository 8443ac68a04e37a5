"""Where one scene ends and another begins: between them nothing is interpolated."""

DEFAULT_THRESHOLD = 10.0
"""Change, in per cent of the luma range, from which a frame begins a new scene; scdet's own."""


def is_cut(change: float | None, threshold: float | None) -> bool:
    """Whether a frame begins a new scene.

    Args:
        change: The frame's score, in per cent of the luma range; None if it was not measured.
        threshold: Least score of a cut; None finds no cuts.
    """
    return change is not None and threshold is not None and change >= threshold
