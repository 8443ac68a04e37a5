"""A training run, from a cache to a weights file."""

import copy
import csv
import hashlib
import importlib.util
import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from vinr_cli.errors import DeviceError, UsageError
from vinr_cli.evaluate.clips import enlarge
from vinr_cli.evaluate.metrics import psnr_y, rounded
from vinr_cli.model.compact.network import CompactVideoINR
from vinr_cli.model.videoinr import Network
from vinr_cli.train.cache import build_cache
from vinr_cli.train.checkpoint import Checkpoint
from vinr_cli.train.compiler import load_compiler
from vinr_cli.train.config import TrainConfig
from vinr_cli.train.curves import draw_curves
from vinr_cli.train.data import Batch, RawBatch, SampleSource, fixed_samples
from vinr_cli.train.losses import TrainStep
from vinr_cli.train.stills import (
    RawStills,
    StillBatch,
    StillSource,
    StillStep,
    enlarge_stills,
    fixed_stills,
)
from vinr_cli.weights.load import load_model, save_weights

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
CURVES = "curves.png"
WEIGHTS = "weights.safetensors"
FINAL_SHARE = 0.002
"""Learning rate at the end of the cosine, as a share of the peak."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where a run lives and how long it may take.

    Attributes:
        sources: Folder of clips and stills.
        validation: Folder of clips that are never trained on; None validates nothing.
        run: Folder of this run: config, log, checkpoint, weights.
        cache: Folder of decoded clips; may be shared by runs with the same settings.
        device: Torch device.
        seconds: Training time; the cosine ends with it. Evaluations and loading do not count.
        checkpoint_seconds: Training time between checkpoints.
        workers: Processes that cut samples; 0 cuts them in the training process.
        resume: Whether to go on from the run's checkpoint.
        start: Weights to begin with; None begins from nothing.
    """

    sources: Path
    validation: Path | None
    run: Path
    cache: Path
    device: str
    seconds: float
    checkpoint_seconds: float = 120.0
    workers: int = 0
    resume: bool = False
    start: Path | None = None


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Linear warm-up by steps, times a cosine.

    Args:
        config: The run.
        step: From 0.
        progress: Share of the run's time that is over; not used where the cosine is in steps.
    """
    if config.restart:
        progress = step % config.restart / config.restart
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    share = FINAL_SHARE + (1 - FINAL_SHARE) * cosine
    return config.learning_rate * share * min(1.0, (step + 1) / config.warmup)


class Trainer:
    """The state of a run between steps.

    Args:
        config: The run.
        options: Where and how long.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(self, config: TrainConfig, options: RunOptions, rank: int, world: int) -> None:
        self.config, self.options, self.rank, self.world = config, options, rank, world
        self.device = torch.device(options.device)
        torch.manual_seed(config.seed)
        self.network = self._begin().to(self.device).train()
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        step = self._step()
        self.forward: nn.Module = DistributedDataParallel(step) if world > 1 else step
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.step, self.elapsed = 0, 0.0
        self.validation = {} if rank else self._validation()

    def _begin(self) -> Network:
        """A fresh network, or the one to start from.

        Raises:
            UsageError: the weights belong to another network.
        """
        start = self.options.start
        if start is None:
            return Network(self.config.model)
        network = load_model(start)
        if network.config != self.config.model:
            raise UsageError(start, "is another network", "Choose the preset it was trained with.")
        return network.requires_grad_(requires_grad=True)

    def _step(self) -> nn.Module:
        """What one forward pass is: of pairs, or of stills.

        Raises:
            UsageError: stills for a network that has no canvas.
        """
        config, network = self.config, self.network
        if config.still is None:
            return TrainStep(network, config.loss, bf16=config.bf16)
        if not isinstance(network, CompactVideoINR):
            raise UsageError("stills", "can teach the compact network alone", "Train on pairs.")
        return StillStep(network, config.loss, bf16=config.bf16)

    def _validation(self) -> dict[str, RawBatch | RawStills]:
        """Fixed samples by a suffix of their figures' names: clean, and coded if trained so."""
        if self.options.validation is None:
            return {}
        if (still := self.config.still) is not None:
            cached = self.options.cache / "validation"
            return {
                f"_x{s}": fixed_stills(cached, still, scale=s, count=48, seed=1) for s in (4, 2)
            }
        folder, sample = self.options.cache / "validation", self.config.sample
        clean = fixed_samples(folder, replace(sample, coded_share=0.0), count=24, seed=1)
        if not sample.coded_share:
            return {"": clean}
        coded = fixed_samples(folder, replace(sample, coded_share=1.0), count=24, seed=1)
        return {"": clean, "_coded": coded}

    def restore(self) -> None:
        """Take over the run's checkpoint.

        Raises:
            WeightsError: there is none.
            UsageError: it belongs to another config.
        """
        state = Checkpoint.load(self.options.run / CHECKPOINT)
        if state.config != self.config.to_dict():
            raise UsageError(
                self.options.run, "was started with other settings", "Use another --run-dir."
            )
        self.network.load_state_dict(state.network)
        self.ema.load_state_dict(state.ema)
        self.optimizer.load_state_dict(state.optimizer)
        self.step, self.elapsed = state.step, state.elapsed

    def save(self) -> None:
        """Write the checkpoint and the averaged weights so far."""
        if self.rank:
            return
        run = self.options.run
        Checkpoint(
            step=self.step,
            elapsed=self.elapsed,
            config=self.config.to_dict(),
            network=self.network.state_dict(),
            ema=self.ema.state_dict(),
            optimizer=self.optimizer.state_dict(),
        ).save(run / CHECKPOINT)
        about = {"vinr.steps": str(self.step), "vinr.seconds": f"{self.elapsed:.0f}"}
        save_weights(run / WEIGHTS, self.ema, about)

    def advance(self, batch: Batch | StillBatch) -> dict[str, Tensor]:
        """One step of the optimizer; the losses by name."""
        rate = learning_rate(self.config, self.step, self.elapsed / self.options.seconds)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses: dict[str, Tensor] = self.forward(batch)
        self.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        self.step += 1
        self._average()
        return {name: value.detach() for name, value in losses.items()}

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights; young averages forget faster."""
        decay = min(self.config.ema, (self.step + 1) / (self.step + 30))
        torch._foreach_lerp_(  # as torch.optim.swa_utils does
            list(self.ema.parameters()), list(self.network.parameters()), 1 - decay
        )
        for mine, theirs in zip(self.ema.buffers(), self.network.buffers(), strict=True):
            mine.copy_(theirs)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """PSNR of Y in dB on the fixed samples: the averaged network, and bicubic with blending."""
        figures: dict[str, float] = {}
        for suffix, raw in self.validation.items():
            batch = raw.finish(self.device)
            size = (batch.target.shape[2], batch.target.shape[3])
            if isinstance(batch, StillBatch):
                figures |= self._validate_stills(batch, suffix, size)
                continue
            out = self.ema.query(self.ema.encode(batch.inputs.transpose(0, 1)), batch.times, size)
            first, second = (enlarge(x, size) for x in batch.inputs)
            plain = torch.lerp(first, second, batch.times[:, None, None, None])
            figures[f"psnr_y{suffix}"] = float(psnr_y(out, batch.target).mean())
            figures[f"psnr_y_bicubic{suffix}"] = float(psnr_y(plain, batch.target).mean())
        return figures

    def _validate_stills(
        self, batch: StillBatch, suffix: str, size: tuple[int, int]
    ) -> dict[str, float]:
        network = cast(CompactVideoINR, self.ema)
        out = rounded(enlarge_stills(network, batch.inputs, size))
        plain = rounded(enlarge(batch.inputs, size))
        return {
            f"psnr_y{suffix}": float(psnr_y(out, batch.target).mean()),
            f"psnr_y_bicubic{suffix}": float(psnr_y(plain, batch.target).mean()),
        }


class _Log:
    """log.csv of a run: one row a checkpoint."""

    def __init__(self, path: Path, *, append: bool) -> None:
        self.path = path
        if not append:
            path.unlink(missing_ok=True)
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, losses: dict[str, Tensor]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
        self.count += 1

    def write(self, trainer: Trainer, measured: dict[str, float]) -> dict[str, float]:
        row = {"step": float(trainer.step), "seconds": round(trainer.elapsed, 1)}
        row |= {name: float(value) / self.count for name, value in self.sums.items()}
        row |= measured
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.sums, self.count = {}, 0
        return row


def _named(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def write_description(config: TrainConfig, options: RunOptions, world: int) -> None:
    """run.json: what is needed to do the run again."""
    index = json.loads((options.cache / "train" / "index.json").read_text())
    sources = {c["source"]: c["sha256"] for c in index["clips"] if c["source"]}
    description = {
        "config": config.to_dict(),
        "seconds": options.seconds,
        "device": options.device,
        "processes": world,
        "threads": torch.get_num_threads(),
        "start": None if options.start is None else _named(options.start),
        "sources": sources,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    (options.run / "run.json").write_text(json.dumps(description, indent=1))


def train(config: TrainConfig, options: RunOptions, say: Say) -> Path:
    """Train until the time is up.

    Under `torchrun` every process calls this; gradients are averaged over them.

    Args:
        config: The run.
        options: Where and how long.
        say: Takes a line for people; called on the first process only.

    Returns:
        The weights file.

    Raises:
        InputError: no clips.
        DeviceError: a device that is not there.
        UsageError: resuming with other settings.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise DeviceError(options.device, "is not there", "Use --device cpu.")
    load_compiler()
    if world > 1:
        dist.init_process_group("nccl" if options.device.startswith("cuda") else "gloo")
    try:
        return _train(config, options, rank, world, say if rank == 0 else _nobody)
    finally:
        if world > 1:
            dist.destroy_process_group()


def _nobody(line: str) -> None:
    """Says nothing."""


def _prepare(config: TrainConfig, options: RunOptions, rank: int, world: int, say: Say) -> None:
    """Cache and run folder, by the first process; the others wait."""
    if rank == 0:
        options.run.mkdir(parents=True, exist_ok=True)
        folders = [(options.sources, "train", config.cache)]
        if options.validation is not None:
            plain = type(config.cache)(short_sides=(720,), frames=(60,), synthetic=0)
            folders.append((options.validation, "validation", plain))
        for sources, name, cache in folders:
            for line in build_cache(sources, options.cache / name, cache):
                say(line)
        write_description(config, options, world)
    if world > 1:
        dist.barrier()


def _train(config: TrainConfig, options: RunOptions, rank: int, world: int, say: Say) -> Path:
    _prepare(config, options, rank, world, say)
    trainer = Trainer(config, options, rank, world)
    if options.resume:
        trainer.restore()
    log = _Log(options.run / LOG, append=options.resume)
    source = _source(config, options.cache / "train", rank)
    loader = DataLoader(
        source,
        batch_size=None,
        sampler=range(trainer.step, 1 << 40),
        num_workers=options.workers,
    )
    saved = trainer.elapsed
    begin = time.perf_counter()
    for raw in loader:
        log.add(trainer.advance(raw.finish(trainer.device)))
        trainer.elapsed += _shared_seconds(time.perf_counter() - begin, world)
        done = trainer.elapsed >= options.seconds or trainer.step == config.steps
        if done or trainer.elapsed - saved >= options.checkpoint_seconds:
            saved = trainer.elapsed
            trainer.save()
            if rank == 0:
                row = log.write(trainer, trainer.validate())
                say(", ".join(f"{name} {value:.5g}" for name, value in row.items()))
                _draw(options.run)
        if done:
            break
        begin = time.perf_counter()
    say(f"weights: {options.run / WEIGHTS}")
    return options.run / WEIGHTS


def _source(config: TrainConfig, folder: Path, rank: int) -> SampleSource | StillSource:
    """What samples of the run come from."""
    if config.still is not None:
        return StillSource(folder, config.still, batch=config.batch, seed=config.seed, rank=rank)
    return SampleSource(folder, config.sample, batch=config.batch, seed=config.seed, rank=rank)


def _draw(run: Path) -> None:
    """The curves beside the log, where matplotlib is there to draw them."""
    if importlib.util.find_spec("matplotlib") is not None:
        draw_curves(run / LOG, run / CURVES)


def _shared_seconds(seconds: float, world: int) -> float:
    """The slowest process's time, so that all of them end and save at the same step."""
    if world == 1:
        return seconds
    value = torch.tensor(seconds, dtype=torch.float64)
    if dist.get_backend() == "nccl":
        value = value.cuda()
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return float(value)
