import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from vinr_cli.errors import InputError
from vinr_cli.train.cache import Clip
from vinr_cli.train.config import CacheConfig, SampleConfig
from vinr_cli.train.data import LARGEST_PAN, SampleSource, _neighbours, fixed_samples
from vinr_cli.train.synthetic import synthetic_clip

SAMPLE = SampleConfig(patch=32, synthetic_share=0.0, spans=(3, 3), fixed_scale=2.0, scales=(1, 2))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of one "real" clip of twelve frames."""
    folder = tmp_path_factory.mktemp("cache")
    np.save(folder / "a.npy", synthetic_clip(np.random.default_rng(0), [], 96, 12))
    clips = [asdict(Clip("a.npy", "real", 12, (), "a.mp4", "0" * 64))]
    listing = {"config": json.loads(json.dumps(asdict(CacheConfig()))), "clips": clips}
    (folder / "index.json").write_text(json.dumps(listing))
    return folder


def source(cache: Path, **changes: object) -> SampleSource:
    config = SampleConfig(**{**asdict(SAMPLE), **changes})
    return SampleSource(cache, config, batch=4, seed=0, rank=0)


def test_first_steps_may_have_one_scale(cache: Path) -> None:
    """Up to `fixed_steps` every batch has the fixed scale; then scales differ."""
    samples = source(cache, fixed_steps=6, fixed_share=0.0)

    scales = [samples[i].frames.shape[2] / samples[i].lr_side for i in range(14)]

    assert scales[:6] == [2.0] * 6
    assert len(set(scales[6:])) > 3
    assert all(0.98 <= s <= 2.02 for s in scales)


def test_coded_inputs_differ_from_reduced_ones_and_truth_does_not(cache: Path) -> None:
    """A coded sample's inputs are near the reduced frames but not equal; its target is the same."""
    coded = source(cache, coded_share=1.0)[3]
    assert coded.which.tolist() == [0, 1, 2, 3]
    plain = type(coded)(
        **{**vars(coded), "coded": coded.coded[:, :0], "which": torch.zeros(0, dtype=torch.int64)}
    )

    a, b = coded.finish(torch.device("cpu")), plain.finish(torch.device("cpu"))

    difference = (a.inputs - b.inputs).abs().flatten(2).mean(2)
    assert (difference > 1e-3).all()
    assert (difference < 0.15).all()
    assert torch.equal(a.target, b.target)


def test_coded_samples_are_repeatable(cache: Path) -> None:
    """The codecs of a sample follow from its seed, too."""
    one, two = (source(cache, coded_share=0.5)[5] for _ in range(2))

    assert torch.equal(one.coded, two.coded)
    assert torch.equal(one.which, two.which)


def test_pretraining_shows_one_picture_with_holes(cache: Path) -> None:
    """In the first steps all frames are one picture, and blocks of each input are left out."""
    samples = source(cache, pretrain_steps=2, holes=0.3)
    raw = samples[1]

    assert torch.equal(raw.frames[0], raw.frames[1])
    assert torch.equal(raw.frames[0], raw.frames[2])
    batch = raw.finish(torch.device("cpu"))
    dark = (batch.inputs == 0).all(2).float().mean()
    assert 0.15 < float(dark) < 0.45
    assert not torch.equal(batch.inputs[0], batch.inputs[1])
    assert samples[2].holes is None


def test_neighbours_stop_at_breaks() -> None:
    """The frames around a pair lie at its distance and never beyond a cut or the clip."""
    none = np.array([], np.int64)
    assert _neighbours(4, 2, 20, none) == [0, 2, 4, 6, 8]
    assert _neighbours(1, 2, 20, none) == [1, 3, 5]
    assert _neighbours(4, 2, 8, none) == [0, 2, 4, 6]
    assert _neighbours(4, 2, 20, np.array([3, 7])) == [4, 6]


def test_reversal_keeps_the_pair(cache: Path) -> None:
    """Whatever was flipped or reversed, the pair that goes through a codec is the sample's pair."""
    samples = source(cache, coded_share=1.0, channel_shuffle=1.0, endpoints=0.0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        cut = samples._draw(rng, 64, still=False)
        assert np.array_equal(cut.around[cut.at], cut.frames[0])
        assert np.array_equal(cut.around[cut.at + 1], cut.frames[2])


def test_clips_that_are_too_small_are_refused(cache: Path) -> None:
    """A patch that no clip can give is one clear error instead of an endless search."""
    with pytest.raises(InputError, match="hardly any clip of 256x256"):
        source(cache, patch=128, fixed_share=1.0)[0]


def test_validation_samples_are_whole_and_fixed(cache: Path) -> None:
    """Validation renders whole patches at the fixed scale, the same every time."""
    one, two = (fixed_samples(cache, SAMPLE, 3, seed=1) for _ in range(2))

    assert torch.equal(one.frames, two.frames)
    assert one.window == (0, 0, 64, 64)


def test_a_pan_moves_the_window_evenly(tmp_path: Path) -> None:
    """Of a still clip a pan gives three windows, the target's where its time says."""
    row = np.arange(200, dtype=np.uint8)
    frame = np.stack([*np.meshgrid(row, row), np.zeros((200, 200), np.uint8)], -1)
    np.save(tmp_path / "a.npy", np.stack([frame] * 12))
    clips = [asdict(Clip("a.npy", "real", 12, (), "a.mp4", "0" * 64))]
    listing = {"config": json.loads(json.dumps(asdict(CacheConfig()))), "clips": clips}
    (tmp_path / "index.json").write_text(json.dumps(listing))
    samples = source(tmp_path, pan_share=1.0, spans=(5, 5), channel_shuffle=0.0, endpoints=0.0)
    ways = []

    for step in range(6):
        raw = samples[step]
        for i, t in enumerate(raw.times.tolist()):
            # What the pixels say of where each window lies, whatever was flipped.
            first, target, second = (raw.frames[k, i].float().mean((0, 1)) for k in range(3))
            way = second - first
            assert torch.allclose(target - first, way * t, atol=1e-3)
            ways.append(float(way.norm()) / raw.frames.shape[2])

    assert max(ways) > 0.15
    assert 0 < min(w for w in ways if w) < 0.1
    assert all(w <= LARGEST_PAN * 1.05 for w in ways)


def test_coded_pans_stay_inside_of_the_clip(cache: Path) -> None:
    """What a coded sample is predicted from is of the same size as the sample, pan or not."""
    samples = source(cache, pan_share=1.0, coded_share=1.0)

    for step in range(4):
        raw = samples[step]
        assert raw.coded.shape[2:] == (raw.lr_side, raw.lr_side, 3)
        assert len(raw.which) == raw.frames.shape[1]
