from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.measure.vmaf import Vmaf, has_vmaf
from vinr_cli.plan.job import EncodeOptions


@pytest.fixture(scope="module")
def ffmpeg() -> Path:
    found = find_ffmpeg(EncodeOptions())
    if not has_vmaf(found):
        pytest.skip("this ffmpeg has no libvmaf")
    return found


def clip(count: int = 4, side: int = 96) -> list[NDArray[np.uint8]]:
    """Frames (side, side, 3) of a moving pattern of fine and coarse waves."""
    y, x = np.mgrid[0:side, 0:side]
    frames = []
    for t in range(count):
        waves = np.sin((x + 2 * t) * 1.3) * 60 + np.cos(y / 7 + x / 9) * 60 + 128
        frames.append(np.repeat(waves.round().astype(np.uint8)[..., None], 3, 2))
    return frames


def blurred(frame: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    value: NDArray[np.float64] = frame.astype(np.float64)
    for _ in range(times):
        value = (np.roll(value, 1, 1) + value + np.roll(value, -1, 1)) / 3
    return value.round().astype(np.uint8)


@pytest.mark.parametrize("name", ["vmaf", "vmaf_neg"])
def test_the_truth_scores_highest_and_blur_lowers_it(ffmpeg: Path, name: str) -> None:
    """Each VMAF falls from the truth to a little blur to more, and there is one score a frame."""
    truth = clip()
    with Vmaf(ffmpeg, truth) as judge:
        whole, little, more = (
            judge.scores([blurred(frame, times) for frame in truth])[name] for times in (0, 1, 3)
        )

    assert [len(scores) for scores in (whole, little, more)] == [4, 4, 4]
    assert min(whole) > 90
    assert all(a > b > c for a, b, c in zip(whole, little, more, strict=True))


def test_contrast_is_no_gain_for_neg(ffmpeg: Path) -> None:
    """Frames of more contrast than the truth's keep their VMAF and lose VMAF-NEG."""
    soft = [blurred(frame, 1) for frame in clip()]
    strong = [
        ((f / 255 - 0.5) * 1.3 * 255 + 127.5).clip(0, 255).round().astype(np.uint8) for f in soft
    ]
    with Vmaf(ffmpeg, soft) as judge:
        plain, more = judge.scores(soft), judge.scores(strong)

    assert min(more["vmaf"]) > min(plain["vmaf"]) - 1
    assert min(more["vmaf_neg"]) < min(plain["vmaf_neg"]) - 5


def test_scores_belong_to_their_frames(ffmpeg: Path) -> None:
    """Only the frame that was blurred scores low."""
    truth = clip()
    with Vmaf(ffmpeg, truth) as judge:
        scores = judge.scores([*truth[:2], blurred(truth[2], 3), truth[3]])["vmaf"]

    assert int(np.argmin(scores)) == 2
    assert min(scores[:2]) > scores[2] + 10


def test_nothing_is_left_behind(ffmpeg: Path) -> None:
    """The scratch folder goes with the context."""
    with Vmaf(ffmpeg, clip(2)) as judge:
        folder = Path(judge._scratch.name)
        assert folder.exists()

    assert not folder.exists()


def test_small_frames_are_refused(ffmpeg: Path) -> None:
    """Frames on which libvmaf crashes never reach it."""
    with pytest.raises(ValueError, match="32 pixels"):
        Vmaf(ffmpeg, clip(1, side=24))


def test_a_program_that_is_not_ffmpeg(tmp_path: Path) -> None:
    """What cannot be run has no VMAF, and is named where it is asked for one."""
    missing = tmp_path / "no-ffmpeg"

    assert not has_vmaf(missing)
    with Vmaf(missing, clip(1)) as judge, pytest.raises(EncoderError, match="no-ffmpeg"):
        judge.scores(clip(1))


def test_frames_that_do_not_fit(ffmpeg: Path) -> None:
    """A clip of another size gives a clear failure, not scores."""
    with Vmaf(ffmpeg, clip(2)) as judge, pytest.raises(EncoderError, match="libvmaf"):
        judge.scores([frame[:10] for frame in clip(1)])
