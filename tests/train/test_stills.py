import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from vinr_cli.errors import InputError, UsageError
from vinr_cli.evaluate.clips import enlarge
from vinr_cli.media.pictures import write_png
from vinr_cli.model import ModelConfig, Network
from vinr_cli.model.compact.frame import CompactFrame
from vinr_cli.model.compact.network import CompactPrepared, CompactVideoINR
from vinr_cli.model.grid import Grid
from vinr_cli.train.cache import Clip, build_cache, load_index
from vinr_cli.train.config import PRESETS, CacheConfig, StillConfig, TrainConfig
from vinr_cli.train.loop import WEIGHTS, RunOptions, Trainer, train
from vinr_cli.train.stills import StillSource, enlarge_stills, fixed_stills, space_parts
from vinr_cli.train.synthetic import synthetic_clip
from vinr_cli.weights.load import load_model

MODEL = ModelConfig.compact(
    width=8, front=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=4, fine=4, hidden=8,
    decoder_hidden=8,
)  # fmt: skip
STILL = StillConfig(photo_share=0.5, patch=16, scales=(1.0, 2.5), fixed_scales=(2.0,))
TINY = TrainConfig(
    model=MODEL, still=STILL, batch=4, warmup=5, learning_rate=3e-3, bf16=False,
    cache=replace(PRESETS["stills"].cache, short_sides=(64,), frames=(3,), photos=(64,)),
)  # fmt: skip


def pictures(seed: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return synthetic_clip(np.random.default_rng(seed), [], 64, count)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cache of one clip and two photos, for training and for validation."""
    folder = tmp_path_factory.mktemp("cache")
    for name in ("train", "validation"):
        (folder / name).mkdir()
        clips = [Clip("clip.npy", "real", 3, (), "clip.mp4", "")]
        clips += [Clip(f"{i}.npy", "photo", 1, (), f"{i}.jpg", "") for i in range(2)]
        for i, clip in enumerate(clips):
            np.save(folder / name / clip.file, pictures(i, clip.frames))
        listing = {
            "config": json.loads(json.dumps(asdict(TINY.cache))),
            "clips": [asdict(c) for c in clips],
        }
        (folder / name / "index.json").write_text(json.dumps(listing))
    return folder


def options(cache: Path, run: Path, seconds: float) -> RunOptions:
    return RunOptions(
        sources=cache, validation=None, run=run, cache=cache, device="cpu", seconds=seconds,
        checkpoint_seconds=0.5,
    )  # fmt: skip


def network() -> CompactVideoINR:
    torch.manual_seed(0)
    made = Network(MODEL)
    assert isinstance(made, CompactVideoINR)
    with torch.no_grad():  # a fresh network adds almost nothing to the bicubic enlargement
        made.space.coefficients.weight.mul_(20)
    return made.eval().requires_grad_(requires_grad=False)


def test_samples_depend_on_their_number_alone(cache: Path) -> None:
    """The same step gives the same crops in a new source; other steps and ranks give others."""
    first, again, other = (
        StillSource(cache / "train", STILL, batch=4, seed=0, rank=rank) for rank in (0, 0, 1)
    )

    assert torch.equal(first[7].pictures, again[7].pictures)
    assert not torch.equal(first[7].pictures, first[8].pictures)
    assert first[7].pictures.shape == other[7].pictures.shape  # one scale on every process
    assert not torch.equal(first[7].pictures, other[7].pictures)


def test_scales_are_drawn_as_configured(cache: Path) -> None:
    """Fixed scales have their share, the others lie between the limits."""
    source = StillSource(cache / "train", STILL, batch=1, seed=0, rank=0)

    sides = [source[i].pictures.shape[1] for i in range(100)]

    assert 60 <= sides.count(32) <= 95
    assert min(sides) >= 16
    assert max(sides) <= 40


def test_photos_and_clips_have_their_shares(cache: Path) -> None:
    """With all samples from photos no crop comes from a clip, and the other way round."""
    frames = {
        name: np.load(cache / "train" / name).astype(int) for name in ("clip.npy", "0.npy", "1.npy")
    }

    def drawn_from(share: float) -> set[str]:
        config = replace(STILL, photo_share=share, channel_shuffle=0.0, fixed_share=1.0)
        source = StillSource(cache / "train", config, batch=8, seed=0, rank=0)
        found = set()
        for crop in source[0].pictures.numpy().astype(int):
            histogram = np.sort(crop.sum(2).ravel())  # whatever flips were done
            for name, array in frames.items():
                for frame in array:
                    windows = np.lib.stride_tricks.sliding_window_view(frame.sum(2), (32, 32))
                    sums = windows.sum((2, 3))
                    for y, x in np.argwhere(sums == crop.sum()):
                        if np.array_equal(np.sort(windows[y, x].ravel()), histogram):
                            found.add(name)
        return found

    assert drawn_from(1.0) <= {"0.npy", "1.npy"}
    assert drawn_from(0.0) == {"clip.npy"}


def test_a_cache_without_photos_is_refused(tmp_path: Path) -> None:
    """A stage that wants photos says so where the cache has none."""
    np.save(tmp_path / "a.npy", pictures(0, 3))
    listing = {"config": {}, "clips": [asdict(Clip("a.npy", "real", 3, (), "a.mp4", ""))]}
    (tmp_path / "index.json").write_text(json.dumps(listing))

    with pytest.raises(InputError, match="has no photo pictures"):
        StillSource(tmp_path, STILL, batch=1, seed=0, rank=0)
    assert fixed_stills(tmp_path, STILL, scale=2.0, count=2, seed=0).pictures.shape[0] == 2


def test_too_small_pictures_are_refused(cache: Path) -> None:
    """Crops larger than every picture are one clear error."""
    source = StillSource(cache / "train", replace(STILL, patch=64), batch=1, seed=0, rank=0)

    with pytest.raises(InputError, match="hardly any picture of 128x128"):
        _ = [source[i] for i in range(20)]


def test_the_cache_keeps_photos_and_spread_frames(tmp_path: Path) -> None:
    """Photos become arrays at each size that differs; clips give frames from all over them."""
    from vinr_cli.media.measure import make_test_clip

    sources = tmp_path / "sources"
    sources.mkdir()
    make_test_clip(sources / "clip.mp4", frames=20, size=(96, 64))
    write_png(sources / "photo.png", pictures(0, 1)[0])
    config = CacheConfig(
        short_sides=(64,), frames=(4,), synthetic=0, spread=True, photos=(128, 64, 32)
    )

    lines = list(build_cache(sources, tmp_path / "cache", config))

    clips = {c.file: c for c in load_index(tmp_path / "cache")}
    assert set(clips) == {"clip-64.npy", "photo-photo-128.npy", "photo-photo-32.npy"}
    assert np.load(tmp_path / "cache" / "photo-photo-32.npy").shape == (1, 32, 32, 3)
    spread = np.load(tmp_path / "cache" / "clip-64.npy").astype(int)
    assert len(spread) == 4
    assert all(np.abs(a - b).mean() > 0.5 for a, b in pairwise(spread))
    assert lines


@pytest.mark.parametrize("size", [(32, 32), (40, 40)])
def test_stills_show_what_the_network_shows(size: tuple[int, int]) -> None:
    """Space alone gives the canvas's own colours on the output grid, at whole and other scales."""
    model, inputs = network(), torch.rand(1, 3, 16, 16)
    frame = model.encode_frame(inputs)
    pair = model.encode_pair(frame, frame)
    with torch.enable_grad():  # the reference path, without native kernels
        prepared = model.prepare(pair, Grid.full((16, 16), size))

    out = enlarge_stills(model, inputs, size)

    assert isinstance(prepared, CompactPrepared)
    shown = prepared.still[0]
    assert out.shape == shown.shape
    # A picture is padded to whole cells before the network sees it as a frame: borders differ.
    inner = (..., slice(0, size[0] // 4), slice(0, size[1] // 4))
    assert torch.allclose(out[inner], shown[inner], atol=1e-5)


def test_a_stage_of_stills_trains_space_alone(cache: Path, tmp_path: Path) -> None:
    """Its steps move the trunk and the space INR and leave motion, time and decoder as they are."""
    trainer = Trainer(TINY, options(cache, tmp_path, 1e6), 0, 1)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    source = StillSource(cache / "train", STILL, batch=4, seed=0, rank=0)

    for i in range(3):
        trainer.advance(source[i].finish(trainer.device))

    after = trainer.network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    compact = trainer.network
    assert isinstance(compact, CompactVideoINR)
    mine = {id(p) for part in space_parts(compact) for p in part.parameters()}
    trained = {name for name, p in compact.named_parameters() if id(p) in mine}
    assert moved == trained
    assert any(name.startswith("search.") for name in before)


def test_the_search_sees_nothing_of_what_space_learns() -> None:
    """With a front of its own, the pyramid does not change when the trunk's first layer does."""
    model, frame = network(), torch.rand(1, 3, 32, 32)
    before: CompactFrame = model.frame(frame)

    model.frame.first.weight.data.mul_(0.5)

    after: CompactFrame = model.frame(frame)
    assert all(torch.equal(a, b) for a, b in zip(before.pyramid, after.pyramid, strict=True))
    assert not torch.equal(before.trunk, after.trunk)
    assert torch.equal(model.frame.survey(frame).seen, after.pyramid[-1])


def test_a_run_of_stills_leaves_weights_and_figures(cache: Path, tmp_path: Path) -> None:
    """A short run leaves loadable weights, and rows with both scales beside bicubic's."""
    said: list[str] = []
    chosen = replace(options(cache, tmp_path, 1.5), validation=cache)
    config = replace(TINY, still=replace(STILL, patch=8))

    train_from_cache(config, chosen, said)

    assert load_model(tmp_path / WEIGHTS).config == MODEL
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    for name in ("psnr_y_x4", "psnr_y_bicubic_x4", "psnr_y_x2", "psnr_y_bicubic_x2"):
        assert name in header.split(",")


def train_from_cache(config: TrainConfig, chosen: RunOptions, said: list[str]) -> None:
    """A run whose validation cache, too, is there already."""
    plain = CacheConfig(short_sides=(720,), frames=(60,), synthetic=0)
    index = chosen.cache / "validation" / "index.json"
    listing = json.loads(index.read_text())
    listing["config"] = json.loads(json.dumps(asdict(plain)))
    index.write_text(json.dumps(listing))
    train(config, chosen, said.append)


def test_untrained_space_is_the_bicubic_enlargement(cache: Path) -> None:
    """A canvas without coefficients shows what `enlarge` makes."""
    model = network()
    model.space.coefficients.weight.zero_()
    batch = fixed_stills(cache / "validation", STILL, scale=2.0, count=2, seed=0).finish(
        torch.device("cpu")
    )

    out = enlarge_stills(model, batch.inputs, (32, 32)).clamp(0, 1)

    assert torch.allclose(out, enlarge(batch.inputs, (32, 32)), atol=1e-5)


def test_other_networks_cannot_learn_from_stills(cache: Path, tmp_path: Path) -> None:
    """The published network has no canvas; a stage of stills is refused for it."""
    config = replace(TINY, model=ModelConfig.published(width=8, front_blocks=1, back_blocks=1))

    with pytest.raises(UsageError, match="compact network alone"):
        Trainer(config, options(cache, tmp_path, 1.0), 0, 1)
