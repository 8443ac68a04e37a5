"""PSNR of half precision against float32, step by step.

Run it as ``python benchmarks/precision.py`` (about two minutes on one thread). Every step of the
packaged networks, alone and all together, on drawn frames or on those of ``--clip``; then every
part of the published network with the seeded weights of the tests. The last column says whether a
part keeps the floor: 50 dB on trained weights, 45 dB on seeded ones. It exits with 1 if a part that
is used in half precision (``engine/precision.py``) does not.

Steps of the published network that are always float32 are measured as if they were not: that they
fail is why.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import torch
from torch import Tensor, nn

from harness import seeding
from vinr_cli.engine.precision import Step, in_float32, psnr, render_in
from vinr_cli.evaluate.clips import read_clip, reduce_frames
from vinr_cli.model import layers
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.grid import Grid
from vinr_cli.model.videoinr import Network
from vinr_cli.native.library import SWITCH
from vinr_cli.weights.load import load_model

FORMATS = {"fp16": torch.float16, "bf16": torch.bfloat16}
STEPS: tuple[Step, ...] = get_args(Step)
FLOAT32: Mapping[Step, torch.dtype] = {}
"""No step in another format."""
TRAINED, SEEDED = 50.0, 45.0
TIMES = (0.25, 0.5, 0.9)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        network: Name of the weights.
        part: What ran in half precision.
        format: Which.
        psnr: Against float32, in dB, over all frames made.
        floor: What it has to reach.
        used: Whether the program uses half precision there.
    """

    network: str
    part: str
    format: str
    psnr: float
    floor: float
    used: bool

    @property
    def passes(self) -> bool:
        """Whether the floor is kept."""
        return self.psnr >= self.floor


Pairs = Sequence[Tensor]
"""Pairs of frames, (1, 2, 3, H, W) each."""


def pairs_of(clip: Path | None) -> Pairs:
    """Drawn frames; or the first pairs of a clip, reduced to 192 columns."""
    if clip is None:
        return [seeding.frames(96, 128, seed) for seed in range(2)]
    frames = read_clip(clip, 3, 1)
    height, width = frames.shape[-2:]
    small = reduce_frames(frames, (round(height * 192 / width), 192))
    return [small[None, i : i + 2] for i in range(len(small) - 1)]


def rendered(
    model: Network, pairs: Pairs, scale: int, dtypes: Mapping[Step, torch.dtype] = FLOAT32
) -> list[Tensor]:
    """All pairs at all `TIMES`; `dtypes` are the steps' formats."""
    made = []
    for pair in pairs:
        height, width = pair.shape[-2:]
        grid = Grid.full((height, width), (scale * height, scale * width))
        made += render_in(model, pair, grid, TIMES, dtypes)
    return made


def packaged(name: str, pairs: Pairs) -> Iterator[Row]:
    """Every step of a packaged network, and all together."""
    model = load_model(name).eval()
    exact = rendered(model, pairs, 4)
    for label, dtype in FORMATS.items():
        for steps in (*((step,) for step in STEPS), STEPS):
            half = rendered(model, pairs, 4, dict.fromkeys(steps, dtype))
            part = "all of it" if steps == STEPS else steps[0]
            yield Row(name, part, label, psnr(half, exact), TRAINED, used=True)


@contextmanager
def layers_in(dtype: torch.dtype, module: nn.Module) -> Iterator[None]:
    """Run a part under autocast, wherever it stands."""
    plain = module.forward

    def mixed(*arguments: Any) -> Any:
        with torch.autocast("cpu", dtype=dtype, cache_enabled=False):
            out = plain(*arguments)
        return [in_float32(x) for x in out] if isinstance(out, list) else in_float32(out)

    with patch.object(module, "forward", mixed):
        yield


def rounded_net(outputs: int, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Round the operands of a sine network's inner products; it is known by its output channels."""
    plain = layers.product

    def after_first(net: layers.Folded, x: Tensor) -> Tensor:
        ours = net.rest[-1][0].shape[0] == outputs
        for weight, bias in net.rest:
            x = torch.sin(x)
            x = (
                plain(x.to(dtype).float(), weight.to(dtype).float(), bias)
                if ours
                else plain(x, weight, bias)
            )
        return x

    return patch.object(layers.Folded, "after_first", after_first)


def published() -> Iterator[Row]:
    """Every part of the published network with seeded weights."""
    model = Network(ModelConfig.published()).eval()
    seeding.seed_weights(model)
    pairs = [seeding.frames(32, 48)]
    exact = rendered(model, pairs, 2)
    modules = {
        "front blocks": "feature_extraction",
        "alignment": "pcd_align",
        "ConvLSTM": "ConvBLSTM",
        "back blocks": "recon_trunk",
    }
    nets = {"space INR": 64, "time INR": 4, "decoder": 3}
    for label, dtype in FORMATS.items():
        for part in (*modules, *nets, "what follows autocast"):
            steps: dict[Step, torch.dtype] = {}
            with ExitStack() as stack:
                if part in modules:
                    stack.enter_context(layers_in(dtype, model.get_submodule(modules[part])))
                elif part in nets:
                    stack.enter_context(rounded_net(nets[part], dtype))
                else:
                    steps = dict.fromkeys(STEPS, dtype)
                half = rendered(model, pairs, 2, steps)
            used = part in ("front blocks", "what follows autocast")
            yield Row("published, seeded", part, label, psnr(half, exact), SEEDED, used)


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, action="append", default=[], help="a real clip")
    options = parser.parse_args()
    os.environ[SWITCH] = "0"  # the native kernels are float32
    sources = [partial(pairs_of, clip) for clip in (None, *options.clip)]
    print("| network | frames | half precision in | format | PSNR | floor | keeps it | used |")
    print("|---" * 8 + "|")
    failed = False
    for make, clip in zip(sources, (None, *options.clip), strict=True):
        for name in ("clean", "video"):
            for row in packaged(name, make()):
                failed |= show(row, "drawn" if clip is None else clip.stem)
    for row in published():
        failed |= show(row, "drawn")
    return int(failed)


def show(row: Row, frames: str) -> bool:
    """Print a row; returns whether a part is used that fails."""
    figures = f"{row.psnr:.1f} dB | {row.floor:.0f} dB"
    words = ["no", "yes"]
    print(
        f"| {row.network} | {frames} | {row.part} | {row.format} | {figures} "
        f"| {words[row.passes]} | {words[row.used]} |",
        flush=True,
    )
    return row.used and not row.passes


if __name__ == "__main__":
    sys.exit(main())
