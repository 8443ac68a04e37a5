from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from vinr_cli.color.spec import Chroma, ColorSpec
from vinr_cli.engine.conversion import Colours, Converter, SourceFrame
from vinr_cli.engine.outputs import OutputMaker, PairOutputs
from vinr_cli.plan.tiles import Layout, divide
from vinr_cli.plan.timeline import OutputFrame

SIZE = (4, 6)
GRAY = ColorSpec(chroma=Chroma.GRAY, full_range=True)
HALF = Fraction(1, 2)


class Asked:
    """A renderer that keeps what it is asked for, and shows t as a gray."""

    device = torch.device("cpu")

    def __init__(self, hr: tuple[int, int]) -> None:
        self.layout: Layout = divide(SIZE, hr, None, halo=0)
        self.pairs: list[tuple[Tensor, Tensor]] = []
        self.expected: list[list[tuple[Tensor, Tensor]]] = []
        self.times: list[list[float]] = []

    def looking_ahead(self) -> AbstractContextManager[None]:
        return nullcontext()

    def pair(self, first: Tensor, second: Tensor) -> None:
        self.pairs.append((first, second))

    def expect(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        self.expected.append(list(pairs))

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        self.times.append([float(t) for t in times])
        for t in times:
            yield torch.full((3, *self.layout.hr), float(t))

    def make_room(self) -> bool:
        return False

    def spent(self) -> dict[str, float]:
        return {}


def made(
    hr: tuple[int, int], target: ColorSpec = GRAY
) -> tuple[Asked, OutputMaker, list[SourceFrame]]:
    """A renderer, its maker of outputs, and three source frames of gray 10, 20 and 30."""
    renderer = Asked(hr)
    converter = Converter(Colours(GRAY, target), renderer)

    class Gray:
        pts, change = 0, None

        def __init__(self, level: int) -> None:
            self.planes = (np.full(SIZE, level, np.uint8),)

    sources = [converter.source(Gray(level)) for level in (10, 20, 30)]
    return renderer, OutputMaker(renderer, converter), sources


def outputs(*times: Fraction, pair: int = 0, first: int = 0) -> list[OutputFrame]:
    return [OutputFrame(first + k, pair, t, 100 * (first + k)) for k, t in enumerate(times)]


def test_each_instant_is_rendered_once() -> None:
    """Repeats inside of a pair and across calls show the frame that was made before."""
    renderer, maker, (a, b, _) = made((8, 12))
    work = PairOutputs(a, b, outputs(Fraction(0), HALF, HALF))
    frames = list(maker.make(work))
    frames += maker.make(PairOutputs(a, b, outputs(HALF, first=3)))
    assert renderer.times == [[0.0, 0.5]]
    assert maker.rendered == 2
    assert [(f.index, f.pts) for f in frames] == [(0, 0), (1, 100), (2, 200), (3, 300)]
    assert frames[1].planes is frames[2].planes
    assert frames[2].planes is frames[3].planes


def test_source_frames_are_passed_on_where_nothing_changes() -> None:
    """At the source's size and colours t = 0 is its planes; the network makes the rest."""
    renderer, maker, (a, b, _) = made(SIZE)
    frames = list(maker.make(PairOutputs(a, b, outputs(Fraction(0), HALF))))
    assert frames[0].planes is a.planes
    assert frames[0].download is None
    assert renderer.times == [[0.5]]
    assert maker.rendered == 1


def test_source_frames_are_converted_where_colours_change() -> None:
    """At the source's size with ten bits t = 0 is its planes in ten bits, without the network."""
    renderer, maker, (a, b, _) = made(SIZE, ColorSpec(Chroma.GRAY, depth=10, full_range=True))
    (frame,) = maker.make(PairOutputs(a, b, outputs(Fraction(0))))
    assert frame.download is not None
    assert frame.download.wait()
    assert int(torch.as_tensor(frame.planes[0])[0, 0]) == round(10 / 255 * 1023)
    assert renderer.pairs == []


@pytest.mark.parametrize(("hr", "count"), [((8, 12), 2), (SIZE, 1)])
def test_only_pairs_that_are_rendered_are_expected(hr: tuple[int, int], count: int) -> None:
    """Of what comes next, a pair that shows source frames alone is not prepared."""
    renderer, maker, (a, b, c) = made(hr)
    upcoming = [
        PairOutputs(b, c, outputs(Fraction(0), pair=1)),
        PairOutputs(c, c, outputs(HALF, pair=2)),
    ]
    list(maker.make(PairOutputs(a, b, outputs(HALF)), upcoming))
    (expected,) = renderer.expected
    assert len(expected) == count
    assert expected[-1][0] is c.rgb
