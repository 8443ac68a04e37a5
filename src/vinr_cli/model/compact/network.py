"""The packaged network, put together, and what renders a pair: PyTorch, native, or Triton."""

from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.model.compact import fused_frame, fused_search
from vinr_cli.model.compact.canvas import Canvas, SpaceINR, normalised, sample_axes
from vinr_cli.model.compact.decoder import LEAST_SHARE, STILL_LOGIT, Decoder
from vinr_cli.model.compact.frame import (
    PYRAMID_STRIDE,
    CompactFrame,
    FrameEncoder,
    Painted,
    SurveyedFrame,
)
from vinr_cli.model.compact.fused import FusedCanvas, FusedPrepared, available, blend_of, decode
from vinr_cli.model.compact.fused_frame import FusedFrame, FusedSurvey
from vinr_cli.model.compact.fused_search import FusedFeatures, FusedSurveyedPair
from vinr_cli.model.compact.layers import bias_of
from vinr_cli.model.compact.motion import CompactFeatures, TimeINR
from vinr_cli.model.compact.search import MotionSearch, SurveyedPair
from vinr_cli.model.compact.trial import agrees
from vinr_cli.model.compact.triton_render import (
    Job,
    Layers,
    Place,
    TritonPrepared,
    products_format,
    usable,
)
from vinr_cli.model.compact.triton_render import render as render_job
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.layers import without_autocast
from vinr_cli.model.videoinr import Features, Network, Prepared
from vinr_cli.native import library as native
from vinr_cli.native.library import Kernels

CPU = torch.device("cpu")

BAND = {"cpu": 1 << 15}
"""Output pixels rendered together outside of training: their tensors stay in a CPU's cache."""

BAND_ELSEWHERE = 1 << 18
"""The same for other devices: about 0.3 GB of intermediates."""


@dataclass(frozen=True, eq=False)
class CompactPrepared(Prepared):
    """A pair on an output grid.

    Attributes:
        canvases: Both frames' canvases.
        still: Both frames' canvas colours on the grid itself, (B, 3, h, w).
        rows: LR positions of the rows that are rendered, those of the grid or denser ones.
        cols: The same for columns.
        shrink: What brings denser rows and columns to the grid's; None where they are the grid's.
    """

    canvases: tuple[Canvas, Canvas]
    still: tuple[Tensor, Tensor]
    rows: Tensor
    cols: Tensor
    shrink: tuple[Tensor | None, Tensor | None]


def shrink_matrix(axis: Axis, inner: Axis, device: torch.device) -> Tensor:
    """Weights that reduce an inner axis (at LR density) to a sparser one: (len(axis), len(inner)).

    A triangle filter as wide as two output pixels: what an antialiased bilinear reduction does.
    """
    ratio = axis.lr / axis.hr
    i = torch.arange(axis.start, axis.stop, dtype=torch.float64)[:, None]
    j = torch.arange(inner.start, inner.stop, dtype=torch.float64)
    weights = (1 - ((i + 0.5) * ratio - (j + 0.5)).abs() / ratio).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float().to(device)


def _inner_axis(axis: Axis) -> Axis:
    """The axis itself, or all held LR pixels where the output is sparser than LR."""
    if axis.hr >= axis.lr:
        return axis
    stop = axis.offset + axis.held
    return Axis(axis.lr, axis.lr, axis.offset, stop, axis.offset, axis.held)


def _inner(grid: Grid) -> tuple[Grid, tuple[int, int]]:
    """The grid that is rendered, at least as dense as LR, and the canvas's samples per LR pixel."""
    inner = Grid(_inner_axis(grid.rows), _inner_axis(grid.cols))
    return inner, (-(-inner.rows.hr // inner.rows.lr), -(-inner.cols.hr // inner.cols.lr))


def _continues(previous: Prepared, features: Features, grid: Grid) -> bool:
    """Whether the later frame of `previous` is the earlier one of `features`, on one grid."""
    return previous.features.second is features.first and previous.grid == grid


def _shrink(grid: Grid, inner: Grid, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    """What brings inner rows and columns to the grid's; None where they are the grid's."""
    return (
        None if inner.rows is grid.rows else shrink_matrix(grid.rows, inner.rows, device),
        None if inner.cols is grid.cols else shrink_matrix(grid.cols, inner.cols, device),
    )


def unrounded() -> torch.autocast:
    """No autocast, for a `with` statement: around what prepares numbers for kernels."""
    return without_autocast(CPU)


class CompactVideoINR(Network, config=CompactConfig):
    """The packaged network; see the module's text.

    Attributes:
        halo: LR pixels around a tile that its result depends on in practice. (In theory a large
            motion reaches further.)
        alignment: LR pixels at whose multiples tiles begin: whole cells of the coarsest octave.
        pair_bytes: Peak RSS of one thread, least squares over x1, x2, x4, x8 of 320x180 and x0.5,
            x1, x2 of 640x360 gave 2,400 and 270 a pixel, in PyTorch; here with a margin.
    """

    config: CompactConfig
    pair_bytes = (3_500, 300)

    def __init__(self, config: CompactConfig) -> None:
        super().__init__(config)
        # Measured on shifts of 60 LR pixels in both directions, see docs/performance.md.
        self.halo = 80
        self.alignment = PYRAMID_STRIDE << config.octaves
        self.frame = FrameEncoder(config)
        self.space = SpaceINR(config)
        self.search = MotionSearch(config)
        self.time = TimeINR(config)
        self.decoder = Decoder(config)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def rounds_well(self) -> bool:
        """See `Network.rounds_well`."""
        found = native.kernels()
        kernels = None if found is None else found.rounding()
        on_cpu = all(kept.device.type == "cpu" for kept in self._kept())
        return kernels is not None and on_cpu and agrees(self, kernels)

    def encode_frame(self, frame: Tensor) -> CompactFrame | FusedFrame:
        """See `Network.encode_frame`."""
        kernels = available(self.config, frame, *self._kept())
        if kernels is not None:
            with unrounded():
                return fused_frame.encode(kernels, self.frame, frame)
        features: CompactFrame = self.frame(frame)
        return features

    def encode_pair(
        self, first: CompactFrame | FusedFrame, second: CompactFrame | FusedFrame
    ) -> CompactFeatures | FusedFeatures:
        """See `Network.encode_pair`."""
        return self._searched(first, second, None)

    def survey_frame(self, frame: Tensor) -> SurveyedFrame | FusedSurvey:
        """See `Network.survey_frame`."""
        kernels = available(self.config, frame, *self._kept())
        if kernels is not None:
            with unrounded():
                return fused_frame.survey(kernels, self.frame, frame)
        return self.frame.survey(frame)

    def survey_pair(
        self, first: SurveyedFrame | FusedSurvey, second: SurveyedFrame | FusedSurvey
    ) -> SurveyedPair | FusedSurveyedPair:
        """See `Network.survey_pair`.

        Raises:
            ValueError: one frame was surveyed by other kernels than the other.
        """
        if isinstance(first, FusedSurvey) and isinstance(second, FusedSurvey):
            if first.kernels == second.kernels:
                return fused_search.survey_pair(self.search, first, second, config=self.config)
        elif isinstance(first, SurveyedFrame) and isinstance(second, SurveyedFrame):
            return self.search.survey(first, second)
        raise ValueError("two frames that were surveyed in different ways")

    def encode_tile(
        self,
        first: CompactFrame | FusedFrame,
        second: CompactFrame | FusedFrame,
        survey: SurveyedPair | FusedSurveyedPair,
        origin: tuple[int, int],
    ) -> CompactFeatures | FusedFeatures:
        """See `Network.encode_tile`."""
        height, width = (
            -(-n // self.frame.stride) * self.frame.stride for n in first.frame.shape[-2:]
        )
        return self._searched(first, second, survey.part(origin, (height, width)))

    def _searched(
        self, first: CompactFrame | FusedFrame, second: CompactFrame | FusedFrame,
        known: SurveyedPair | FusedSurveyedPair | None,
    ) -> CompactFeatures | FusedFeatures:  # fmt: skip
        """The motion, by what made the frames; by PyTorch where they differ."""
        alike = (
            isinstance(first, FusedFrame)
            and isinstance(second, FusedFrame)
            and first.kernels == second.kernels
        )
        fits = known is None or (
            isinstance(known, FusedSurveyedPair)
            and isinstance(first, FusedFrame)
            and known.kernels == first.kernels
        )
        if alike and fits:
            return fused_search.search_pair(
                self.search, self.time, cast(FusedFrame, first), cast(FusedFrame, second),
                config=self.config, known=cast(FusedSurveyedPair | None, known),
            )  # fmt: skip
        first, second = (x.plain() if isinstance(x, FusedFrame) else x for x in (first, second))
        if isinstance(known, FusedSurveyedPair):
            known = known.plain(self.search)
        motion, state, levels = self.search(first, second, known)
        return CompactFeatures(first, second, motion, self.time.state(state), levels)

    def prepare(
        self,
        features: CompactFeatures | FusedFeatures,
        grid: Grid,
        previous: CompactPrepared | FusedPrepared | TritonPrepared | None = None,
    ) -> CompactPrepared | FusedPrepared | TritonPrepared:
        """See `Network.prepare`."""
        inner, factors = _inner(grid)
        kernels = self._kernels_for(features)
        if kernels is not None:
            return self._prepare_fused(kernels, features, grid, previous)
        if isinstance(features, FusedFeatures):
            features = features.plain()
        first, second = cast(CompactFrame, features.first), cast(CompactFrame, features.second)
        device = features.device
        if usable(self.config, device, factors):
            return self._prepare_triton(features, grid, previous)
        rows, cols = inner.rows.position(device), inner.cols.position(device)
        if isinstance(previous, CompactPrepared) and _continues(previous, features, grid):
            canvas, still = previous.canvases[1], previous.still[1]
        else:
            canvas = self.space(first, factors)
            still = canvas.still(rows, cols)
        other = self.space(second, factors)
        return CompactPrepared(
            features=features,
            grid=grid,
            canvases=(canvas, other),
            still=(still, other.still(rows, cols)),
            rows=rows,
            cols=cols,
            shrink=_shrink(grid, inner, device),
        )

    def paint(self, frame: CompactFrame | FusedFrame, grid: Grid) -> CompactFrame | FusedFrame:
        """See `Network.paint`; done for the native kernels alone."""
        kernels = self._kernels_for(frame)
        if kernels is None:
            return frame
        return replace(frame, painted=Painted(grid, self._canvas(kernels, frame, grid)))

    def _kernels_for(
        self, features: CompactFrame | FusedFrame | CompactFeatures | FusedFeatures
    ) -> Kernels | None:
        """What goes on with features: what made them, as long as it may, or what can be had."""
        if isinstance(features, FusedFrame | FusedFeatures):
            off = torch.is_grad_enabled() or native.kernels() is None
            return None if off else features.kernels
        seen = features.trunk if isinstance(features, CompactFrame) else features.motion
        return available(self.config, seen, *self._kept())

    def _prepare_fused(
        self, kernels: Kernels, features: CompactFeatures | FusedFeatures, grid: Grid,
        previous: Prepared | None,
    ) -> FusedPrepared:  # fmt: skip
        """As `prepare`, for the native kernels."""
        first, second = (
            cast(CompactFrame | FusedFrame, frame) for frame in (features.first, features.second)
        )
        if isinstance(previous, FusedPrepared) and _continues(previous, features, grid):
            earlier = previous.canvases[1]
        else:
            earlier = self._canvas(kernels, first, grid)
        later = self._canvas(kernels, second, grid)
        inner = _inner(grid)[0]
        rows, cols = inner.rows.position(), inner.cols.position()
        shrink = _shrink(grid, inner, features.device)
        moves = (
            features.moves
            if isinstance(features, FusedFeatures)
            else fused_search.moves_of_plain(kernels, features)
        )
        return FusedPrepared(features, grid, (earlier, later), rows, cols, shrink, moves)

    def _canvas(
        self, kernels: Kernels, frame: CompactFrame | FusedFrame, grid: Grid
    ) -> FusedCanvas:
        """A frame's canvas, unless it was painted before."""
        if frame.painted is not None and frame.painted.grid == grid:
            return frame.painted.canvas
        if isinstance(frame, CompactFrame):
            frame = fused_frame.of_plain(kernels, self.frame, frame)
        with unrounded():
            return self.space.fused(kernels, frame, _inner(grid)[1])

    def _prepare_triton(
        self, features: CompactFeatures, grid: Grid, previous: Prepared | None
    ) -> TritonPrepared:
        """As `prepare`, for the Triton kernel."""
        factors = _inner(grid)[1]
        first, second = cast(CompactFrame, features.first), cast(CompactFrame, features.second)
        known = previous if isinstance(previous, TritonPrepared) else None
        if known is not None and known.grid != grid:
            known = None
        if known is not None and known.features.second is first:
            canvas = known.canvases[1]
        else:
            canvas = self.space.cells(first, factors)
        return TritonPrepared(
            features=features,
            grid=grid,
            canvases=(canvas, self.space.cells(second, factors)),
            place=self._place(grid, features.device) if known is None else known.place,
        )

    def _place(self, grid: Grid, device: torch.device) -> Place:
        """What the kernel has to know of a grid and of the weights; the same for every pair."""
        inner, decoder = _inner(grid)[0], self.decoder
        layers = [
            (layer.weight.flatten(1), bias_of(layer))
            for layer in (decoder.first, decoder.middle, decoder.last)
        ]
        return Place(
            rows=inner.rows.position(device),
            cols=inner.cols.position(device),
            shrink=_shrink(grid, inner, device),
            layers=Layers.of(layers, self.config.canvas, products_format(device)),
        )

    def _kept(self) -> tuple[Tensor, ...]:
        """Weights whose format and device stand for all of the rendering's."""
        return self.space.coefficients.weight, self.decoder.first.weight

    def render(
        self, prepared: CompactPrepared | FusedPrepared | TritonPrepared, t: Tensor
    ) -> Tensor:
        """See `Network.render`."""
        if isinstance(prepared, FusedPrepared):
            with unrounded():
                return self._shrunk(self._render_fused(prepared, t), prepared)
        if isinstance(prepared, TritonPrepared):
            out = self._render_triton(prepared, t)
        else:
            out = self._render_bands(prepared, t)
        return self._shrunk(out, prepared)

    @staticmethod
    def _shrunk(out: Tensor, prepared: CompactPrepared | FusedPrepared | TritonPrepared) -> Tensor:
        """What was rendered, on the grid that was asked for."""
        over_rows, over_cols = prepared.shrink
        if over_rows is not None:
            out = torch.matmul(over_rows, out)
        if over_cols is not None:
            out = torch.matmul(out, over_cols.t())
        return out

    def render_times(
        self, prepared: CompactPrepared | FusedPrepared | TritonPrepared, t: Tensor
    ) -> Tensor:
        """See `Network.render_times`; together by the Triton kernel alone."""
        if isinstance(prepared, TritonPrepared):
            return self.render(prepared, t)
        return super().render_times(prepared, t)

    def _render_fused(self, prepared: FusedPrepared, t: Tensor) -> Tensor:
        """All that is rendered, by native kernels.

        Raises:
            ValueError: the kernels were turned off, or gradients on, after `prepare`.
        """
        if torch.is_grad_enabled() or native.kernels() is None:
            raise ValueError("prepared for native kernels, which cannot be used now")
        kernels = prepared.moves[0].kernels
        motions = self.time.fused(kernels, prepared.moves, t)
        decoder = self.decoder
        layers, shifts = (decoder.first, decoder.middle, decoder.last), decoder.time(t[:, None])
        out = torch.empty(len(t), 3, len(prepared.rows), len(prepared.cols))
        for i, at in enumerate(t.tolist()):
            cells = prepared.canvases[0].cells[i], prepared.canvases[1].cells[i]
            blend = blend_of(at, STILL_LOGIT, LEAST_SHARE)
            place = prepared.rows, prepared.cols
            decode(
                kernels, cells, motions[i], place=place, layers=layers, shift=shifts[i], t=at,
                blend=blend, out=out[i],
            )  # fmt: skip
        return out

    def _render_triton(self, prepared: TritonPrepared, t: Tensor) -> Tensor:
        """All that is rendered, by the Triton kernel."""
        decoder, place = self.decoder, prepared.place
        motion = self.time(prepared.features, t).permute(0, 2, 3, 1).contiguous()
        near = t.clamp(LEAST_SHARE, 1 - LEAST_SHARE)
        times = torch.stack([t, torch.log(1 - near), torch.log(near)], 1)
        shift = bias_of(decoder.first) + t[:, None] * decoder.time.weight[:, 0]
        shift = F.pad(shift.float(), (0, place.layers.hidden - shift.shape[1]))
        first, second = prepared.canvases
        pairs = len(first)
        step = len(t) if pairs == 1 else 1  # all times of one pair, or each pair at its time
        pictures = [
            render_job(
                Job(
                    canvases=(first[i], second[i]),
                    motion=motion[i : i + step],
                    rows=place.rows,
                    cols=place.cols,
                    times=times[i : i + step],
                    still=STILL_LOGIT,
                    layers=place.layers,
                    shift=shift[i : i + step],
                )
            )
            for i in range(pairs)
        ]
        return torch.cat(pictures)

    def _render_bands(self, prepared: CompactPrepared, t: Tensor) -> Tensor:
        """All that is rendered, in PyTorch, in bands of rows."""
        motion: Tensor = self.time(prepared.features, t)
        height, width = len(prepared.rows), len(prepared.cols)
        pixels = BAND.get(prepared.rows.device.type, BAND_ELSEWHERE)
        band = height if torch.is_grad_enabled() else max(1, pixels // width)
        bands = [
            self._render_rows(prepared, motion, t, y, min(y + band, height))
            for y in range(0, height, band)
        ]
        return bands[0] if len(bands) == 1 else torch.cat(bands, 2)

    def _render_rows(
        self, prepared: CompactPrepared, motion: Tensor, t: Tensor, top: int, bottom: int
    ) -> Tensor:
        """Rows [top, bottom) of what is rendered."""
        rows, cols = prepared.rows[top:bottom], prepared.cols
        size = (motion.shape[2], motion.shape[3])
        motion = sample_axes(motion, rows, cols)
        moved = [
            canvas.at(normalised(cols + flow[:, 0], rows[:, None] + flow[:, 1], size))
            for canvas, flow in zip(
                prepared.canvases, (motion[:, 0:2], motion[:, 2:4]), strict=True
            )
        ]
        still = tuple(colours[:, :, top:bottom] for colours in prepared.still)
        out: Tensor = self.decoder(moved[0], moved[1], (still[0], still[1]), motion[:, 4:], t)
        return out
