import dataclasses
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vinr_cli.errors import EncoderError, InputError
from vinr_cli.evaluate.clips import read_clip, reduce_frames
from vinr_cli.evaluate.compare import (
    Chooser,
    Reduced,
    Settings,
    average,
    blend,
    minterpolate,
    network_method,
    packaged_chooser,
    score_clip,
)
from vinr_cli.media.degrade import parse
from vinr_cli.media.ffmpeg import find_ffmpeg
from vinr_cli.media.filters import filter_frames
from vinr_cli.media.quantizers import Coarseness
from vinr_cli.media.vmaf import has_vmaf
from vinr_cli.model import ModelConfig, Network
from vinr_cli.plan.job import EncodeOptions
from vinr_cli.weights.load import load_model


def moving_dots(count: int = 5, height: int = 50, width: int = 66) -> Tensor:
    """(T, 3, H, W) uint8: a smooth pattern that moves one pixel a frame."""
    y, x = np.mgrid[0:height, 0:width]
    rows = [np.sin((x + t) / 4) * np.cos(y / 5) * 90 + 128 for t in range(count)]
    return (
        torch.from_numpy(np.stack(rows)).round().byte()[:, None].expand(-1, 3, -1, -1).contiguous()
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, frame in enumerate(moving_dots()):
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(tmp_path / f"{i:03}.png")
    return tmp_path


def test_reading_a_folder_of_pictures(folder: Path) -> None:
    """PNG frames are read in order, exactly, and cropped evenly to whole multiples."""
    clip = read_clip(folder, 4, 8)

    assert clip.shape == (4, 3, 48, 64)
    assert torch.equal(clip, moving_dots()[:4, :, 1:49, 1:65])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without frames is refused."""
    with pytest.raises(InputError, match="holds no frames"):
        read_clip(tmp_path, 4, 8)


def test_blend_of_the_truth_itself() -> None:
    """At scale 1 blending gives the input frames at input times and their mean between."""
    lr = reduce_frames(moving_dots(3), (50, 66))

    made = list(blend(Reduced(lr), 2, (50, 66)))

    assert len(made) == 5
    assert torch.allclose(made[2][0], lr[1], atol=1e-5)
    assert torch.allclose(made[1][0], (lr[0] + lr[1]) / 2, atol=1e-5)


@pytest.mark.parametrize("enlarge_first", [True, False])
def test_minterpolate_keeps_time(enlarge_first: bool) -> None:
    """The ffmpeg baseline gives every frame, and input times are the input frames enlarged."""
    truth = moving_dots(4, 64, 64)
    lr = truth.float() / 255

    method = minterpolate(find_ffmpeg(EncodeOptions()), enlarge_first=enlarge_first)
    made = list(method(Reduced(lr), 2, (128, 128)))

    assert len(made) == 7
    small = torch.nn.functional.avg_pool2d(torch.cat(made), 2)
    errors = [(small[2 * i] - lr[i]).abs().mean() for i in range(4)]
    assert max(errors) < 0.02


def test_scores(folder: Path) -> None:
    """Input and inner times are counted apart, and every method is measured on each."""
    torch.manual_seed(0)
    net = Network(ModelConfig.compact(width=8, blocks=1)).eval()
    table = {"net": network_method(lambda *_: net), "blend": blend}

    scores = list(score_clip(folder, table, Settings(Fraction(2), 2, 5)))

    assert [(s.method, s.times, s.frames) for s in scores] == [
        ("net", "input", 3), ("net", "inner", 2), ("net", "all", 5),
        ("blend", "input", 3), ("blend", "inner", 2), ("blend", "all", 5),
    ]  # fmt: skip
    for inputs, inner, both in (scores[:3], scores[3:]):
        assert both.psnr_y == pytest.approx((3 * inputs.psnr_y + 2 * inner.psnr_y) / 5)
    assert all(s.psnr_y > 20 and 0 < s.ssim_y <= 1 for s in scores)
    assert average(scores) == []


def test_a_coded_clip_chooses_its_network(folder: Path) -> None:
    """Who chooses is told the last codec's quantizers, and whether the size stays."""
    net = Network(ModelConfig.compact(width=8, blocks=1)).eval()
    told: list[tuple[Coarseness | None, bool]] = []

    def choose(coarseness: Coarseness | None, same_size: bool) -> Network:
        told.append((coarseness, same_size))
        return net

    ways, coded = {"net": network_method(choose)}, parse("h264:crf=10+mpeg2:q=7")
    for scale, damage in ((2, None), (2, coded), (1, coded)):
        list(score_clip(folder, ways, Settings(Fraction(scale), 2, 3, damage)))

    assert [same_size for _, same_size in told] == [False, False, True]
    assert told[0][0] is None
    for found, _ in told[1:]:
        assert found is not None
        assert found.codec == "mpeg2video"
        assert found.quantizer == pytest.approx(14, abs=1)


@pytest.mark.parametrize(
    ("asked", "told", "same_size", "strength"),
    [
        (None, None, False, 0.5),
        (None, None, True, 0.5),
        (None, Coarseness("h264", 10.0), False, 0.5),
        (None, Coarseness("h264", 45.0), False, 1.75),
        (None, Coarseness("h264", 45.0), True, 1.0),
        (0.25, Coarseness("h264", 45.0), True, 0.25),
    ],
)
def test_evaluation_deblocks_as_the_program_does(
    asked: float | None, told: Coarseness | None, same_size: bool, strength: float
) -> None:
    """Without a strength the quantizers choose it; a clip of no codec is a lossless file."""
    chooser: Chooser = packaged_chooser("video", asked)

    found = chooser(told, same_size).state_dict()

    wanted = load_model("video", deblock=strength).state_dict()

    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_each_time_on_its_own(folder: Path) -> None:
    """Asked for, every time between two inputs has its own figures, whose mean is inner's."""
    settings = Settings(Fraction(2), 4, 5, by_time=True)

    scores = {s.times: s for s in score_clip(folder, {"blend": blend}, settings)}

    assert list(scores) == ["input", "inner", "all", "1/4", "1/2", "3/4"]
    parts = [scores[t].psnr_y for t in ("1/4", "1/2", "3/4")]
    assert scores["inner"].psnr_y == pytest.approx(sum(parts) / 3)
    assert parts[1] == min(parts)


def test_vmaf_is_measured_where_it_can_be(folder: Path) -> None:
    """With an ffmpeg that has libvmaf every method gets a VMAF, and the truth the best one."""
    ffmpeg = find_ffmpeg(EncodeOptions())
    if not has_vmaf(ffmpeg):
        pytest.skip("this ffmpeg has no libvmaf")
    truth = (moving_dots()[:, :, 1:49, 1:65] / 255).float()

    def perfect(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        yield from (frame[None] for frame in truth)

    settings = Settings(Fraction(8), 2, 5, vmaf=ffmpeg)

    scores = list(score_clip(folder, {"truth": perfect, "blend": blend}, settings))

    best, poor = ([s.vmaf for s in scores if s.method == m] for m in ("truth", "blend"))
    assert all(a is not None and b is not None and a > b for a, b in zip(best, poor, strict=True))
    mixed = [scores[0], dataclasses.replace(scores[0], clip="other", vmaf=None)]
    assert average(mixed)[0].vmaf is None


def test_average_counts_clips_once(folder: Path) -> None:
    """The average over clips is the mean of the clips' figures."""
    one = list(score_clip(folder, {"blend": blend}, Settings(Fraction(2), 2, 5)))
    two = [dataclasses.replace(s, clip="other", psnr_y=s.psnr_y + 2) for s in one]

    means = average(one + two)

    assert [m.psnr_y for m in means] == pytest.approx([s.psnr_y + 1 for s in one])


def test_a_bad_filter_is_named() -> None:
    """A filter graph that ffmpeg refuses is reported in one line with ffmpeg's words."""
    frames = np.zeros((1, 8, 8, 3), np.uint8)

    with pytest.raises(EncoderError, match="nosuchfilter"):
        filter_frames(
            frames,
            "nosuchfilter",
            rate=Fraction(1),
            size=(8, 8),
            ffmpeg=find_ffmpeg(EncodeOptions()),
        )


def test_the_ffmpeg_in_use_has_minterpolate() -> None:
    """The baseline's filter exists in the packaged ffmpeg."""
    binary = find_ffmpeg(EncodeOptions())

    listing = subprocess.run([binary, "-filters"], capture_output=True, text=True, check=True)

    assert "minterpolate" in listing.stdout


def test_strips(folder: Path, tmp_path: Path) -> None:
    """A strip shows the truth and every method side by side, at an inner time."""
    out = tmp_path / "strips"
    out.mkdir()

    scores = score_clip(folder, {"a": blend, "b": blend}, Settings(Fraction(2), 2, 5), out)
    assert len(list(scores)) == 6

    picture = np.asarray(Image.open(out / f"{folder.stem}.png"))
    height, width = 50, 66
    assert picture.shape == (height, 3 * width + 2 * 4, 3)
    truth = moving_dots().permute(0, 2, 3, 1).numpy()
    assert any(np.array_equal(picture[:, :width], truth[i]) for i in (1, 3))
    assert np.array_equal(picture[:, width + 4 : 2 * width + 4], picture[:, 2 * width + 8 :])
