"""The output frames of a pair of source frames: rendered, passed on, or shown again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from vinr_cli.engine.conversion import Converter, SourceFrame
from vinr_cli.engine.frames import FinishedFrame
from vinr_cli.engine.renderer import Renderer
from vinr_cli.plan.timeline import OutputFrame


@dataclass(frozen=True, slots=True, eq=False)
class PairOutputs:
    """What is to be shown between two source frames.

    Attributes:
        first: The earlier frame.
        second: The later frame; the first again where nothing is mixed.
        outputs: In order.
    """

    first: SourceFrame
    second: SourceFrame
    outputs: Sequence[OutputFrame]


class OutputMaker:
    """Makes output frames, none of them twice.

    A source frame is passed on as it is where neither its size nor its colours change. An output
    that shows the same instant as the one before is that one again.

    Args:
        renderer: Makes the others.
        converter: Of the renderer's device.

    Attributes:
        rendered: Frames that the network made.
    """

    def __init__(self, renderer: Renderer, converter: Converter) -> None:
        self.rendered = 0
        self._renderer = renderer
        self._converter = converter
        self._same_size = renderer.layout.lr == renderer.layout.hr
        colours = converter.colours
        self._same_planes = self._same_size and colours.source == colours.target
        self._latest: tuple[int, Fraction, FinishedFrame] | None = None  # (pair, t, frame)

    def make(
        self, work: PairOutputs, upcoming: Iterable[PairOutputs] = ()
    ) -> Iterator[FinishedFrame]:
        """Make a pair's outputs.

        Args:
            work: The pair.
            upcoming: What comes after it, as far as it is known: the network may begin with it.

        Yields:
            The outputs, in order.

        Raises:
            DeviceError: memory ran out even for the smallest tile.
        """
        wanted = [o.t for o in work.outputs if not self._is_source(o) and not self._repeats(o)]
        times = list(dict.fromkeys(wanted))
        rendered: Iterator[Tensor] = iter(())
        if times:
            ((first, second),) = self._converter.to_rgb([(work.first, work.second)])
            self._renderer.pair(first, second)
            self._renderer.expect(self._converter.to_rgb(self._to_render(upcoming)))
            rendered = self._renderer.render_all(times)
        for output in work.outputs:
            frame = self._one(output, work.first, rendered)
            self._latest = output.pair, output.t, frame
            yield frame

    def _to_render(self, upcoming: Iterable[PairOutputs]) -> list[tuple[SourceFrame, SourceFrame]]:
        """The pairs among what comes next that the network will be asked for."""
        return [
            (work.first, work.second)
            for work in upcoming
            if not all(self._is_source(output) for output in work.outputs)
        ]

    def _one(
        self, output: OutputFrame, source: SourceFrame, rendered: Iterator[Tensor]
    ) -> FinishedFrame:
        """One output frame: a repeat, the source frame itself, or the network's work."""
        if self._latest is not None and self._repeats(output):
            latest = self._latest[2]
            return FinishedFrame(output.index, output.pts, latest.planes, latest.download)
        if self._is_source(output) and self._same_planes:
            return FinishedFrame(output.index, output.pts, source.planes, None)
        if self._is_source(output):
            ((rgb, _),) = self._converter.to_rgb([(source, source)])
        else:
            rgb = next(rendered)
            self.rendered += 1
        download = self._converter.to_planes(rgb)
        return FinishedFrame(output.index, output.pts, download.planes, download)

    def _is_source(self, output: OutputFrame) -> bool:
        """Whether an output is a source frame in its own size."""
        return self._same_size and output.t == 0

    def _repeats(self, output: OutputFrame) -> bool:
        """Whether an output shows the same as the one before."""
        return self._latest is not None and self._latest[:2] == (output.pair, output.t)
