"""Code for a device that is not here, run on PyTorch's meta device: shapes without numbers.

As on a GPU, tensors of two devices cannot be mixed, and what waits for a number fails. So these
tests find what would stop or slow a GPU without having one.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vinr_cli.color.convert import from_picture, to_picture
from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, plane_shapes
from vinr_cli.engine.flat import flatness, restore
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.model.compact import network as compact_network
from vinr_cli.model.compact.triton_render import Job
from vinr_cli.model.config import CompactConfig, ModelConfig
from vinr_cli.model.videoinr import Network

META = torch.device("meta")
LR = (32, 64)


def tensors(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, tuple | list):
        for value in values:
            yield from tensors(value)


class Crossings(TorchDispatchMode):
    """Counts what goes from one device to another."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        given = {t.device for t in tensors(args) if t.dim()}
        if given and any(t.device not in given for t in tensors(out)):
            self.seen.append(str(func))
        return out


@pytest.fixture(autouse=True)
def no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast does not know the meta device."""

    def none(*_: Any, **__: Any) -> AbstractContextManager[None]:
        return nullcontext()

    monkeypatch.setattr(torch, "autocast", none)


def network(config: ModelConfig) -> Network:
    return Network(config).eval().to(META).requires_grad_(requires_grad=False)


def one_more_pair(renderer: PairRenderer) -> list[str]:
    """What crosses devices in a pair that is not the first."""
    frames = [torch.empty(3, *renderer.layout.lr, device=META) for _ in range(3)]
    for frame in frames[:-1]:
        renderer.push(frame)
        list(renderer.render_all((0, 0.5)))
    crossings = Crossings()
    with crossings:
        renderer.push(frames[-1])
        outputs = list(renderer.render_all((0, 0.5)))
    assert all(out.device == META and out.shape == (3, *renderer.layout.hr) for out in outputs)
    return crossings.seen


def test_the_counter_counts() -> None:
    """A copy to the device is seen, also inside of inference mode; numbers made there are none."""
    with Crossings() as crossings, torch.inference_mode():
        torch.full((1,), 0.5, device=META)
        assert crossings.seen == []
        torch.ones(3).to(META)
    assert len(crossings.seen) == 1
    with pytest.raises(RuntimeError):
        torch.ones(3) + torch.ones(3, device=META)


@pytest.mark.parametrize(
    ("hr", "tile"), [((80, 150), 0), ((32, 64), 0), ((17, 90), 0), ((80, 90), 32)]
)
def test_the_packaged_network_stays_on_its_device(
    tiny_config: CompactConfig, hr: tuple[int, int], tile: int
) -> None:
    """Larger, equal and smaller in one direction, whole and in tiles, without a wait."""
    net = network(tiny_config)
    with torch.inference_mode():
        one_more_pair(PairRenderer(net, LR, hr, budget=1 << 40, tile=tile))


def test_the_published_network_stays_on_its_device() -> None:
    """Whole frames without a wait, and nothing crosses in a pair; tiles ask how far flows reach."""
    net = network(ModelConfig.published(width=16, front_blocks=1, back_blocks=1))
    with torch.inference_mode():
        seen = one_more_pair(PairRenderer(net, (12, 16), (30, 35), budget=1 << 40, tile=0))
    assert seen == []


@contextmanager
def counted_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Job]]:
    """In place of the Triton kernel: something that looks at what it is given."""
    jobs: list[Job] = []

    def render(job: Job) -> Tensor:
        jobs.append(job)
        parts: list[Any] = [getattr(job, f.name) for f in fields(job)]
        parts += [getattr(job.layers, f.name) for f in fields(job.layers)]
        assert all(t.device == META and t.is_contiguous() for t in tensors(parts))
        return torch.empty(len(job.motion), 3, len(job.rows), len(job.cols), device=META)

    with monkeypatch.context() as patch:
        patch.setattr(compact_network, "usable", lambda *_: True)
        patch.setattr(compact_network, "products_format", lambda _: torch.float32)
        patch.setattr(compact_network, "render_job", render)
        yield jobs


@pytest.mark.parametrize("hr", [(80, 150), (17, 90)])
def test_nothing_crosses_between_pairs_where_the_kernel_renders(
    monkeypatch: pytest.MonkeyPatch, tiny_config: CompactConfig, hr: tuple[int, int]
) -> None:
    """From the second pair on all that the kernel needs is on the device, contiguous."""
    net = network(tiny_config)
    with counted_kernel(monkeypatch) as jobs, torch.inference_mode():
        renderer = PairRenderer(net, LR, hr, budget=1 << 40, tile=0)
        crossings = one_more_pair(renderer)
    assert crossings == []
    # Three pairs (the first frame alone is one), two instants each, in one launch.
    assert [len(job.motion) for job in jobs] == [2] * 3


def test_the_kernels_tables_are_made_once_for_a_grid(
    monkeypatch: pytest.MonkeyPatch, tiny_config: CompactConfig
) -> None:
    """The grid and the decoder's padded weights serve every pair."""
    net = network(tiny_config)
    with counted_kernel(monkeypatch) as jobs, torch.inference_mode():
        one_more_pair(PairRenderer(net, LR, (80, 150), budget=1 << 40, tile=0))
    assert all(job.rows is jobs[0].rows and job.layers is jobs[0].layers for job in jobs)


@pytest.mark.parametrize(
    "spec",
    [
        ColorSpec(),
        ColorSpec(depth=10),
        ColorSpec(Chroma.C422, depth=12),
        ColorSpec(Chroma.RGB, Matrix.RGB, full_range=True, alpha=True),
        ColorSpec(Chroma.GRAY),
    ],
    ids=lambda spec: f"{spec.chroma}-{spec.depth}",
)
def test_colours_are_converted_and_rounded_where_they_are(spec: ColorSpec) -> None:
    """Planes to colours, flat ones put back, and colours to planes: nothing crosses or waits."""
    kind = torch.uint8 if spec.depth == 8 else torch.int16
    planes = [torch.empty(s, dtype=kind, device=META) for s in plane_shapes(spec, 32, 48)]
    with Crossings() as crossings, torch.inference_mode():
        picture = to_picture(planes, spec)
        rgb = picture[:3]
        large = torch.empty(3, 64, 96, device=META)
        restore(large, rgb, flatness(rgb, rgb))
        back = from_picture(picture, spec)
    assert crossings.seen == []
    assert all(plane.device == META for plane in back)
    assert [plane.dtype for plane in back] == [
        torch.uint8 if spec.depth == 8 else torch.int32
    ] * len(planes)
