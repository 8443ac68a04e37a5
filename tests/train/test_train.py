import csv
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vinr_cli.errors import InputError, UsageError, WeightsError
from vinr_cli.evaluate.clips import read_rgb
from vinr_cli.media.pictures.png import write_png
from vinr_cli.model import ModelConfig
from vinr_cli.train.cache import Clip, build_cache, find_breaks, load_index, reduced
from vinr_cli.train.checkpoint import Checkpoint
from vinr_cli.train.config import PRESETS, CacheConfig, SampleConfig, TrainConfig
from vinr_cli.train.data import SampleSource
from vinr_cli.train.loop import CHECKPOINT, LOG, WEIGHTS, RunOptions, Trainer, learning_rate, train
from vinr_cli.train.synthetic import synthetic_clip
from vinr_cli.weights.load import load_model

TINY = TrainConfig(
    model=ModelConfig.compact(
        width=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=4, fine=4, hidden=8, decoder_hidden=8
    ),
    cache=CacheConfig(synthetic=3, synthetic_side=64, synthetic_frames=9),
    sample=SampleConfig(
        patch=16, synthetic_share=1.0, spans=(3, 5), fixed_scale=2.0, scales=(1.0, 2.5)
    ),
    batch=2,
    warmup=5,
    learning_rate=3e-3,
    bf16=False,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cache of synthetic clips, made as `build_cache` makes them."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "train").mkdir()
    clips = []
    for i in range(3):
        frames = synthetic_clip(np.random.default_rng(i), [], 64, 9)
        np.save(folder / "train" / f"{i}.npy", frames)
        clips.append(asdict(Clip(f"{i}.npy", "synthetic", 9, (), "", "")))
    config = json.loads(json.dumps(asdict(TINY.cache)))
    (folder / "train" / "index.json").write_text(json.dumps({"config": config, "clips": clips}))
    return folder


def options(cache: Path, run: Path, seconds: float, *, resume: bool = False) -> RunOptions:
    return RunOptions(
        sources=cache,
        validation=None,
        run=run,
        cache=cache,
        device="cpu",
        seconds=seconds,
        checkpoint_seconds=0.5,
        resume=resume,
    )


def test_a_run_leaves_weights_log_and_description(cache: Path, tmp_path: Path) -> None:
    """A short run leaves loadable weights, a log, a checkpoint and a description."""
    said: list[str] = []

    weights = train(TINY, options(cache, tmp_path, 2.0), said.append)

    assert weights == tmp_path / WEIGHTS
    assert load_model(weights).config == TINY.model
    rows = list(csv.DictReader((tmp_path / LOG).read_text().splitlines()))
    assert len(rows) >= 1
    assert json.loads((tmp_path / "run.json").read_text())["config"] == TINY.to_dict()
    assert Checkpoint.load(tmp_path / CHECKPOINT).step == int(float(rows[-1]["step"]))
    assert any("total" in line for line in said)


@pytest.mark.slow
def test_training_learns(cache: Path, tmp_path: Path) -> None:
    """A hundred steps on one batch bring its loss down by a fifth."""
    trainer = Trainer(TINY, options(cache, tmp_path, 1e6), 0, 1)
    batch = SampleSource(cache / "train", TINY.sample, batch=4, seed=0, rank=0)[0]

    losses = [float(trainer.advance(batch.finish(trainer.device))["total"]) for _ in range(100)]

    assert losses[-1] < 0.8 * losses[0]


def test_resume_goes_on(cache: Path, tmp_path: Path) -> None:
    """A resumed run starts at the checkpoint's step and appends to the log."""
    train(TINY, options(cache, tmp_path, 1.0), lambda _: None)
    before = Checkpoint.load(tmp_path / CHECKPOINT)

    train(TINY, options(cache, tmp_path, 2.0, resume=True), lambda _: None)

    after = Checkpoint.load(tmp_path / CHECKPOINT)
    assert after.step > before.step
    assert after.elapsed >= 2.0 > before.elapsed - 1.0
    steps = [
        float(row["step"]) for row in csv.DictReader((tmp_path / LOG).read_text().splitlines())
    ]
    assert steps == sorted(steps)
    assert before.step in steps


def test_resume_refuses_other_settings(cache: Path, tmp_path: Path) -> None:
    """A run is not resumed with another config, nor without a checkpoint."""
    with pytest.raises(WeightsError, match="no checkpoint"):
        train(TINY, options(cache, tmp_path, 1.0, resume=True), lambda _: None)
    train(TINY, options(cache, tmp_path, 0.2), lambda _: None)

    with pytest.raises(UsageError, match="other settings"):
        train(replace(TINY, seed=5), options(cache, tmp_path, 1, resume=True), lambda _: None)


def test_samples_depend_on_seed_rank_and_step_alone(cache: Path) -> None:
    """Batch n is the same whenever it is drawn, and differs between processes and steps."""

    def source(rank: int) -> SampleSource:
        return SampleSource(cache / "train", TINY.sample, batch=2, seed=3, rank=rank)

    mine = source(0)
    mine[0]
    again = mine[7]

    assert torch.equal(source(0)[7].frames, again.frames)
    assert torch.equal(source(0)[7].times, again.times)
    assert not torch.equal(source(0)[8].frames[..., :8, :8, :], again.frames[..., :8, :8, :])
    other = source(1)[7]
    assert other.frames.shape == again.frames.shape
    assert not torch.equal(other.frames, again.frames)


def test_targets_lie_where_their_times_say(cache: Path) -> None:
    """A sample at t = 0 has the first frame as target, at t = 1 the second, else neither."""
    sampling = replace(TINY.sample, endpoints=0.5)
    source = SampleSource(cache / "train", sampling, batch=8, seed=0, rank=0)
    seen = set()
    for step in range(4):
        raw = source[step]
        for i, t in enumerate(raw.times.tolist()):
            assert 0 <= t <= 1
            seen.add(t in (0, 1))
            if t in (0, 1):
                assert torch.equal(raw.frames[1, i], raw.frames[2 * int(t), i])
    assert seen == {True, False}


def test_low_resolution_is_rounded(cache: Path) -> None:
    """The LR frames of a batch are 8-bit values and have the size that the scale says."""
    sampling = replace(TINY.sample, fixed_share=1.0)
    batch = SampleSource(cache / "train", sampling, batch=2, seed=0, rank=0)[0].finish(
        torch.device("cpu")
    )

    codes = batch.inputs * 255
    assert torch.allclose(codes, codes.round(), atol=1e-3)
    assert batch.inputs.shape[:3] == (2, 2, 3)


def test_breaks_are_found() -> None:
    """A cut and a repeated frame are breaks; steady motion is not."""
    ramp = np.linspace(0, 200, 64)[None, :, None]
    frames = [np.broadcast_to(ramp + i * 3, (64, 64, 3)).astype(np.uint8) for i in range(6)]
    frames[4] = frames[3]
    frames.append(255 - frames[5])

    assert find_breaks(np.stack(frames)) == (4, 6)


def test_reduction_never_enlarges() -> None:
    """A frame is reduced to the wanted shorter side, and left alone when it is smaller."""
    frame = np.zeros((90, 160, 3), np.uint8)

    assert reduced(frame, 45).shape == (45, 80, 3)
    assert reduced(frame, 400) is frame


def test_synthetic_clips_are_repeatable_and_move() -> None:
    """A seed gives the same clip every time, and its frames differ."""
    clips = [synthetic_clip(np.random.default_rng(4), [], 64, 3) for _ in range(2)]

    assert np.array_equal(clips[0], clips[1])
    assert clips[0].shape == (3, 64, 64, 3)
    assert not np.array_equal(clips[0][0], clips[0][2])


def test_a_cache_is_built_from_clips_and_stills(sample: Path, tmp_path: Path) -> None:
    """Videos are decoded once at every wanted size, from their middle; stills become textures."""
    sources = tmp_path / "sources"
    sources.mkdir()
    shutil.copy(sample, sources / "clip.mp4")
    write_png(sources / "still.png", np.full((80, 90, 3), 200, np.uint8))
    config = CacheConfig(
        short_sides=(96, 48), frames=(5, 7), synthetic=1, synthetic_side=32, synthetic_frames=3
    )

    said = list(build_cache(sources, tmp_path / "cache", config))
    again = list(build_cache(sources, tmp_path / "cache", config))

    clips = load_index(tmp_path / "cache")
    shapes = [np.load(tmp_path / "cache" / c.file).shape for c in clips]
    assert shapes == [(5, 96, 160, 3), (7, 48, 80, 3), (3, 32, 32, 3)]
    middle = list(read_rgb(sample))[(48 - 7) // 2 + 1]
    assert np.array_equal(np.load(tmp_path / "cache" / clips[0].file)[0], middle)
    assert [c.kind for c in clips] == ["real", "real", "synthetic"]
    assert len(clips[0].sha256) == 64
    assert "1 stills" in said[-1]
    assert again == [f"cache: {tmp_path / 'cache'} is complete"]


def test_cache_of_nothing(tmp_path: Path) -> None:
    """A folder without videos is refused, and so is a folder that is no cache."""
    with pytest.raises(InputError, match="holds no videos"):
        list(build_cache(tmp_path, tmp_path / "cache", TINY.cache))
    with pytest.raises(InputError, match="is not a training cache"):
        load_index(tmp_path)


def test_schedule() -> None:
    """The learning rate warms up linearly, peaks, and ends near zero."""
    assert learning_rate(TINY, 0, 0.0) == pytest.approx(3e-3 / 5)
    assert learning_rate(TINY, 100, 0.0) == pytest.approx(3e-3)
    assert learning_rate(TINY, 100, 1.0) == pytest.approx(3e-3 * 0.002)


@pytest.mark.parametrize("name", list(PRESETS))
def test_config_round_trip(name: str) -> None:
    """A preset survives its JSON form."""
    fields = json.loads(json.dumps(PRESETS[name].to_dict()))

    assert TrainConfig.from_dict(fields) == PRESETS[name]


def test_checkpoint_refuses_garbage(tmp_path: Path) -> None:
    """A file that is no checkpoint is refused in one line."""
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"not a checkpoint")

    with pytest.raises(WeightsError, match="is no checkpoint"):
        Checkpoint.load(path)


def test_a_killed_run_ends_where_an_undisturbed_one_does(cache: Path, tmp_path: Path) -> None:
    """Twelve steps, and five with a checkpoint and seven after it, give the same weights."""
    config = replace(TINY, restart=20)

    def advance(trainer: Trainer, stop: int) -> None:
        samples = SampleSource(cache / "train", config.sample, batch=2, seed=0, rank=0)
        for step in range(trainer.step, stop):
            trainer.advance(samples[step].finish(trainer.device))

    whole = Trainer(config, options(cache, tmp_path, 1e6), 0, 1)
    advance(whole, 12)
    killed = Trainer(config, options(cache, tmp_path, 1e6), 0, 1)
    advance(killed, 5)
    killed.save()
    resumed = Trainer(config, options(cache, tmp_path, 1e6), 0, 1)
    resumed.restore()
    advance(resumed, 12)

    for name, value in whole.ema.state_dict().items():
        assert torch.equal(value, resumed.ema.state_dict()[name]), name


def test_a_run_may_begin_with_weights(cache: Path, tmp_path: Path) -> None:
    """A run with `start` begins with those weights, names them, and refuses another network."""
    first = train(TINY, options(cache, tmp_path / "a", 0.3), lambda _: None)
    going_on = replace(options(cache, tmp_path / "b", 1e-3), start=first)

    second = train(replace(TINY, learning_rate=1e-12), going_on, lambda _: None)

    a, b = (load_model(path).state_dict() for path in (first, second))
    assert all(torch.allclose(a[name], b[name], atol=1e-5) for name in a if "running" not in name)
    described = json.loads((tmp_path / "b" / "run.json").read_text())
    assert described["start"]["name"] == first.name
    other = replace(TINY, model=ModelConfig.compact())
    with pytest.raises(UsageError, match="is another network"):
        train(other, going_on, lambda _: None)


def test_steps_end_a_run(cache: Path, tmp_path: Path) -> None:
    """A run with a number of steps ends there, whatever time is left."""
    train(replace(TINY, steps=3, restart=3), options(cache, tmp_path, 1e6), lambda _: None)

    assert Checkpoint.load(tmp_path / CHECKPOINT).step == 3


def test_restarts() -> None:
    """A schedule in steps falls along each cosine and starts anew at its end."""
    config = replace(TINY, restart=100, warmup=1)

    rates = [learning_rate(config, step, 0.0) for step in range(200)]

    assert rates[0] == pytest.approx(3e-3)
    assert rates[99] < 0.01 * rates[0]
    assert rates[100] == pytest.approx(rates[0])
