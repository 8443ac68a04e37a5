import numpy as np
import pytest
from av.video.frame import VideoFrame

from vinr_cli.media.read.scenes import SceneScorer
from vinr_cli.plan.scenes import DEFAULT_THRESHOLD, is_cut


def picture(seed: int, shift: int, fmt: str = "yuv420p", gain: float = 1.0) -> VideoFrame:
    """A smooth pattern of its seed, moved to the right by some pixels."""
    y, x = np.mgrid[0:96, 0:128]
    rng = np.random.default_rng(seed)
    fy, fx = rng.uniform(0.02, 0.2, 2).tolist()
    phase = rng.uniform(0, 6)
    level = rng.uniform(60, 190)
    grey = level + 50 * np.sin(fx * (x - shift) + phase) * np.cos(fy * y)
    rgb = np.repeat((grey * gain).clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    return VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=fmt)


@pytest.mark.parametrize("fmt", ["yuv420p", "yuv422p10le", "yuv444p", "gray"])
def test_cuts_score_high_and_motion_low(fmt: str) -> None:
    """Every cut between moving scenes scores above the default threshold, no other frame does."""
    scorer = SceneScorer()
    scores = [scorer(picture(seed, 3 * i, fmt)) for seed in (1, 2, 3) for i in range(8)]

    found = [i for i, score in enumerate(scores) if is_cut(score, DEFAULT_THRESHOLD)]

    assert found == [8, 16]


def test_a_fade_is_no_cut() -> None:
    """A fade to black over twelve frames contains no cut."""
    scorer = SceneScorer()

    scores = [scorer(picture(1, 0, gain=1 - i / 12)) for i in range(13)]

    assert not any(is_cut(score, DEFAULT_THRESHOLD) for score in scores)


def test_a_frame_of_another_size_starts_anew() -> None:
    """A change of the picture's size does not break the scorer."""
    scorer = SceneScorer()
    scorer(picture(1, 0))

    assert scorer(picture(1, 0).reformat(width=64, height=48)) == 0.0


def test_nothing_is_a_cut_without_threshold() -> None:
    """Without a threshold, or without a score, there is no cut."""
    assert not is_cut(99.0, None)
    assert not is_cut(None, 10.0)
    assert is_cut(10.0, 10.0)
