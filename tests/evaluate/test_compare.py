import dataclasses
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vinr_cli.errors import EncoderError, InputError, OutputError, UsageError
from vinr_cli.evaluate.clips import read_clip, reduce_frames, write_frames
from vinr_cli.evaluate.compare import Settings, reduce_clip, score_clip
from vinr_cli.evaluate.methods import (
    Chooser,
    Method,
    Reduced,
    blend,
    external,
    methods,
    minterpolate,
    network_method,
    packaged_chooser,
)
from vinr_cli.evaluate.metrics import sharpness
from vinr_cli.evaluate.page import Page
from vinr_cli.evaluate.scores import average
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.measure.degradation import parse
from vinr_cli.media.measure.filters import filter_frames
from vinr_cli.media.measure.vmaf import has_vmaf
from vinr_cli.media.read.quantizers import Coarseness
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
    table = {"truth": given(moving_dots()[:, :, 1:49, 1:65] / 255), "blend": blend}

    scores = list(score_clip(folder, table, Settings(Fraction(8), 2, 5, vmaf=ffmpeg)))

    best, poor = (
        [v for s in scores if s.method == m for v in (s.vmaf, s.vmaf_neg)]
        for m in ("truth", "blend")
    )
    assert all(a is not None and b is not None and a > b for a, b in zip(best, poor, strict=True))
    mixed = [scores[0], dataclasses.replace(scores[0], clip="other", vmaf=None)]
    assert average(mixed)[0].vmaf is None


def given(frames: Tensor) -> Method:
    """A method that gives these frames (T, 3, H, W), whatever it is asked."""

    def method(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        yield from (frame[None] for frame in frames)

    return method


def test_the_truth_has_perfect_figures(folder: Path) -> None:
    """Every figure of the truth itself is the best one there is."""
    truth = read_clip(folder, 5, 2) / 255

    scores = list(
        score_clip(folder, {"truth": given(truth)}, Settings(Fraction(2), 2, 5, flicker=True))
    )

    for s in scores:
        assert (s.psnr_y, s.ssim_y, s.gmsd) == pytest.approx((100, 1, 0), abs=1e-5)
        assert (s.sharpness, s.blockiness) == pytest.approx((1, 1), abs=1e-5)
    assert [(s.flicker, s.evenness) for s in scores] == [(None, None), (None, None), (0, 1)]


def test_ripple_of_stripes(tmp_path: Path) -> None:
    """Askew stripes have no ripple in the truth, and some after bicubic enlargement."""
    y, x = np.mgrid[0:80, 0:80]
    stripes = np.sin((x * np.cos(0.3) + y * np.sin(0.3)) * 2 * np.pi / 9) * 70 + 128
    frame = torch.from_numpy(stripes).round().byte().expand(3, 3, -1, -1)
    write_frames(tmp_path / "stripes", frame / 255)
    table = {"truth": given(frame / 255), "blend": blend}

    scores = score_clip(tmp_path / "stripes", table, Settings(Fraction(4), 1, 3))

    exact, bicubic = (s.ripple for s in scores if s.times == "all")
    assert exact == pytest.approx(0, abs=1e-6)
    assert bicubic is not None
    assert bicubic > 0.05


def test_brightness_that_comes_and_goes_flickers(folder: Path) -> None:
    """Inner frames brighter by 10 codes of RGB flicker by 10·219/255 codes of Y."""
    made = read_clip(folder, 5, 2) / 255
    steady = made + 10 / 255
    made[1::2] += 10 / 255
    table = {"steady": given(steady), "pulsing": given(made)}

    scores = score_clip(folder, table, Settings(Fraction(2), 2, 5, flicker=True))

    found = [s.flicker for s in scores if s.times == "all"]
    assert found == pytest.approx([0, 10 * 219 / 255], abs=0.05)


def test_soft_inner_frames_are_uneven(folder: Path) -> None:
    """Inner frames of 0.8 of the contrast have 0.64 of the sharpness that input times have."""
    made = read_clip(folder, 5, 2) / 255
    made = 0.5 + (made - 0.5) * 0.9
    made[1::2] = 0.5 + (made[1::2] - 0.5) * 0.8

    scores = list(score_clip(folder, {"soft": given(made)}, Settings(Fraction(2), 2, 5)))

    assert [s.evenness for s in scores] == [None, None, pytest.approx(0.64, abs=0.01)]
    assert scores[0].sharpness == pytest.approx(0.81, abs=0.01)


def test_only_one_kind_of_time_has_no_evenness(folder: Path) -> None:
    """Without inner times there is nothing that could be uneven, and flicker is not asked for."""
    scores = list(score_clip(folder, {"blend": blend}, Settings(Fraction(2), 1, 5)))

    assert [(s.times, s.evenness, s.flicker) for s in scores] == [
        ("input", None, None),
        ("all", None, None),
    ]


def test_results_of_other_programs(folder: Path, tmp_path: Path) -> None:
    """A folder of PNGs and a lossless video of the same frames score what the frames score."""
    results, videos = tmp_path / "results", tmp_path / "videos"
    truth, low = reduce_clip(folder, Settings(Fraction(2), 2, 5))
    frames = torch.cat(list(blend(low, 2, (50, 66))))
    write_frames(results / folder.stem, torch.cat([frames, frames[-1:]]))
    videos.mkdir()
    find = find_ffmpeg(EncodeOptions())
    pattern = results / folder.stem / "%04d.png"
    target = videos / f"{folder.stem}.mkv"
    subprocess.run([find, "-v", "error", "-i", pattern, "-c:v", "ffv1", target], check=True)
    table = {"blend": blend, "pictures": external(results), "video": external(videos)}

    scores = list(score_clip(folder, table, Settings(Fraction(2), 2, 5)))

    assert len(truth) == 5
    for ours, theirs, coded in zip(scores[:3], scores[3:6], scores[6:], strict=True):
        assert theirs == dataclasses.replace(ours, method="pictures")
        assert coded.psnr_y == pytest.approx(ours.psnr_y, abs=0.1)


@pytest.mark.parametrize(
    ("count", "size", "words"),
    [
        (0, (50, 66), "is missing"),
        (4, (50, 66), "has 4 frames, not 5"),
        (5, (48, 66), "is 66x48, not 66x50"),
    ],
)
def test_results_that_do_not_fit(
    count: int, size: tuple[int, int], words: str, folder: Path, tmp_path: Path
) -> None:
    """A result that is missing, too short or of another size is refused by name."""
    if count:
        write_frames(tmp_path / "results" / folder.stem, torch.zeros(count, 3, *size))

    with pytest.raises(InputError, match=words) as caught:
        list(
            score_clip(
                folder, {"theirs": external(tmp_path / "results")}, Settings(Fraction(2), 2, 5)
            )
        )

    assert str(tmp_path / "results" / folder.stem) in str(caught.value)


def test_names_of_results_are_their_own(tmp_path: Path) -> None:
    """A result cannot have the name of a baseline."""
    with pytest.raises(UsageError, match="name that is taken"):
        methods({}, None, results={"bicubic+blend": tmp_path})


def test_sharpening_behind_lanczos() -> None:
    """`cas` sharpens what Lanczos enlarged: inputs come back at their times, with more gradient."""
    lr = moving_dots(3, 64, 64).float() / 255
    ffmpeg = find_ffmpeg(EncodeOptions())

    plain, sharp = (
        torch.cat(
            list(minterpolate(ffmpeg, enlarge_first=True, sharpen=s)(Reduced(lr), m, (128, 128)))
        )
        for s, m in ((False, 1), (True, 1))
    )

    assert plain.shape == sharp.shape == (3, 3, 128, 128)
    assert float((plain - sharp).abs().mean()) < 0.02
    assert bool((sharpness(sharp) > 1.01 * sharpness(plain)).all())


def test_a_page_of_strips(folder: Path, tmp_path: Path) -> None:
    """The page holds each method's pictures of both places, whole, and the names without markup."""
    page = Page("protocol <words>")
    table = {"a": blend, "b & <c>": blend}

    scores = list(score_clip(folder, table, Settings(Fraction(2), 2, 5), page=page))
    page.write(tmp_path / "page.html", scores[:1])

    html = (tmp_path / "page.html").read_text()
    pictures = [
        b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]*)"', html)
    ]
    sizes = [Image.open(BytesIO(data)).size for data in pictures]
    assert sizes == [(66, 50)] * 7
    assert "b &amp; &lt;c&gt;" in html
    assert "<c>" not in html
    assert "protocol &lt;words&gt;" in html
    assert f"{scores[0].psnr_y:.2f}" in html
    assert not re.search(r"(?:src|href)=.?(?!.?data:)[a-z/]", html)
    with pytest.raises(OutputError, match="cannot be written"):
        page.write(tmp_path)


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
