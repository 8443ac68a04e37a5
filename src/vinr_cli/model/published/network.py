"""The published network, put together: what is done once per pair, and an instant of it."""

import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.model.config import PublishedConfig
from vinr_cli.model.grid import Grid
from vinr_cli.model.layers import Folded, SineNet, conv, product
from vinr_cli.model.published.decoder import DecoderQuery, needed, targets
from vinr_cli.model.published.encoder import Encoder, PublishedFeatures
from vinr_cli.model.published.fused_sines import available, fused_field, fused_paint
from vinr_cli.model.published.motion import Lattice, MotionQuery
from vinr_cli.model.published.sampling import Held, bordered, in_bands
from vinr_cli.model.published.space import SpaceQuery
from vinr_cli.model.videoinr import Network, Prepared

ENLARGEMENT = 4
"""Of the frames that the demo variant samples, at every scale."""

FRAMES = 6
"""Channels of two RGB frames."""

UNUSED = ("upconv1", "upconv2", "HRconv", "conv_last")
"""Layers that hold weights and are never used."""


@dataclass(frozen=True, eq=False)
class PublishedPrepared(Prepared):
    """A pair on an output grid: the first layers' LR parts, and the frames to sample.

    N is the width of the first layers; held LR pixels are (H, W). Bordered tables have a border of
    zeros, see `sampling`.

    Attributes:
        space: (B, H, W, N), of the space INR.
        motion: (B, H + 2, W + 2, N), of the time INR; bordered.
        decoder: (B, 2, H + 2, W + 2, N), of the decoder for both flows; bordered.
        frames: (B, f·H + 2, f·W + 2, 6), the enlarged frames, bordered; None if the network
            samples the LR frames (they are part of the other tables then).
    """

    space: Tensor
    motion: Tensor
    decoder: Tensor
    frames: Tensor | None


@dataclass(frozen=True, eq=False)
class _Networks:
    """The three sine networks with omega folded in."""

    space: Folded
    motion: Folded
    decoder: Folded


class PublishedVideoINR(Encoder, Network, config=PublishedConfig):
    """The network of the paper; see the module's text.

    Attributes:
        halo: LR pixels around a tile that its result depends on in practice. (In theory the
            encoder reaches further than that, and a large motion too.)
        alignment: Tiles begin at multiples of this many LR pixels.
        pair_bytes: 0.95 to 1.2 GiB above the idle process for 320x180 at x4 with native kernels
            (0.63 to 0.9 without), as `benchmarks/published.py` finds.
    """

    config: PublishedConfig
    halo = 64
    alignment = 4
    pair_bytes = (16_000, 400)

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__(config)
        width = config.width
        self._add_encoder(config)
        self.upconv1 = conv(width, 4 * width)
        self.upconv2 = conv(width, 4 * 64)
        self.HRconv = conv(64, 64)
        self.conv_last = conv(64, 3)
        omega = config.omega
        self.feat_imnet = SineNet(config.space_inputs, config.hidden, width, omega=omega)
        self.flow_imnet = SineNet(config.motion_inputs, config.hidden, 4, omega=omega)
        self.encode_imnet = SineNet(config.decoder_inputs, config.decoder_hidden, 3, omega=omega)

    def prepare(
        self, features: PublishedFeatures, grid: Grid, previous: Any = None
    ) -> PublishedPrepared:
        """See `Network.prepare`; nothing of the previous pair can be reused."""
        del previous
        with torch.autocast(features.device.type, enabled=False):
            frames = torch.cat([features.first.frame, features.second.frame], 1).float()
            lr = torch.cat([features.values.flatten(1, 2).float(), frames], 1)
            pixels = lr.permute(0, 2, 3, 1).contiguous()
            tables = product(pixels, torch.cat(self._lr_weights())).chunk(4, -1)
            return PublishedPrepared(
                features=features,
                grid=grid,
                space=tables[0].contiguous(),
                motion=bordered(tables[1]),
                decoder=bordered(torch.stack(tables[2:], 1)),
                frames=_enlarged(frames) if self.config.upsampled_frames else None,
            )

    def _lr_weights(self) -> list[Tensor]:
        """First-layer columns for three LR features and two LR frames, (N, 3 · width + 6) each.

        Of the space INR, the time INR, and the decoder for either flow. Where frames are sampled
        enlarged, only the space INR sees LR frames.
        """
        nets, width = self._folded(), self.config.width
        lr = 3 * width
        space = nets.space.weight[:, : lr + FRAMES]
        motion = nets.motion.weight[:, width : width + lr + FRAMES]
        first = nets.decoder.weight[:, 2 * width :]
        frames = first[:, 2 * lr :]
        ends = [
            torch.cat(
                [first[:, i * lr : (i + 1) * lr], frames[:, i * FRAMES : (i + 1) * FRAMES]], 1
            )
            for i in (0, 1)
        ]
        if self.config.upsampled_frames:
            motion, *ends = (F.pad(w[:, :lr], (0, FRAMES)) for w in (motion, *ends))
        return [space, motion, *ends]

    def _folded(self) -> _Networks:
        return _Networks(
            self.feat_imnet.folded(), self.flow_imnet.folded(), self.encode_imnet.folded()
        )

    def render(self, prepared: PublishedPrepared, t: Tensor) -> Tensor:
        """See `Network.render`."""
        nets = self._folded()
        with torch.autocast(t.device.type, enabled=False):
            pairs = [self._render_pair(prepared, nets, i, time) for i, time in enumerate(t.float())]
        return torch.stack(pairs)

    def _render_pair(
        self, prepared: PublishedPrepared, nets: _Networks, pair: int, t: Tensor
    ) -> Tensor:
        """One pair of the batch at one time: (3, h, w)."""
        grid = prepared.grid
        space = SpaceQuery.of(nets.space, prepared.space[pair], grid, t)
        motion = self._motion(prepared, nets.motion, pair, t)
        kernels = available(self.config, space.table)
        field = _field if kernels is None else partial(fused_field, kernels)
        hr, flow = field(space, grid, motion)
        where = targets(flow, grid.rows, grid.cols)
        wider = _wider(where, grid)
        if wider is not grid:
            space = SpaceQuery.of(nets.space, prepared.space[pair], wider, t)
            hr, _ = field(space, wider, None)
        decoder = self._decoder(prepared, nets.decoder, pair, t, hr=hr, grid=wider)
        if kernels is not None:
            return fused_paint(kernels, decoder, where)
        return _paint(decoder, where)

    def _motion(
        self, prepared: PublishedPrepared, net: Folded, pair: int, t: Tensor
    ) -> MotionQuery:
        width, grid, frames = self.config.width, prepared.grid, prepared.frames
        return MotionQuery(
            net=net,
            features=Lattice.of(prepared.motion[pair], grid),
            frames=None if frames is None else Lattice.of(frames[pair], grid, ENLARGEMENT),
            frame_weight=net.weight[:, -1 - FRAMES : -1],
            still=net.bias + t * net.weight[:, -1],
            hr_weight=net.weight[:, :width],
        )

    def _decoder(
        self,
        prepared: PublishedPrepared,
        net: Folded,
        pair: int,
        t: Tensor,
        *,
        hr: Tensor,
        grid: Grid,
    ) -> DecoderQuery:
        frames = prepared.frames
        rows, cols = (
            (
                Held.hr(axis),
                Held.lr(axis),
                *(() if frames is None else (Held.lr(axis, ENLARGEMENT),)),
            )
            for axis in (grid.rows, grid.cols)
        )
        return DecoderQuery(
            net=net,
            hr=hr.flatten(0, 1),
            features=prepared.decoder[pair].flatten(0, 2),
            frames=None if frames is None else frames[pair].flatten(0, 1),
            rows=rows,
            cols=cols,
            hr_weight=net.weight[:, : 2 * self.config.width],
            frame_weight=net.weight[:, -1 - 2 * FRAMES : -1],
            still=net.bias + t * net.weight[:, -1],
        )


def _enlarged(frames: Tensor) -> Tensor:
    """The frames x4 bilinearly, as a bordered table."""
    large = F.interpolate(frames, scale_factor=ENLARGEMENT, mode="bilinear", align_corners=False)
    return bordered(large.permute(0, 2, 3, 1))


def _wider(where: Tensor, grid: Grid) -> Grid:
    """The grid, wide enough for what the flows fetch from outside of a window."""
    if grid.shape == (grid.rows.hr, grid.cols.hr):
        return grid
    wider = replace(grid, rows=needed(where[0], grid.rows), cols=needed(where[1], grid.cols))
    return grid if wider == grid else wider


def _field(space: SpaceQuery, grid: Grid, motion: MotionQuery | None) -> tuple[Tensor, Tensor]:
    """HR features as a bordered table (h + 2, w + 2, width), and flows (h · w, 4).

    (h · w, 0) without `motion`.
    """
    height, width = grid.shape
    features, flows = _Rows(height, width), _Rows(height, width)

    def make(top: int, bottom: int) -> None:
        hr = space.rows(top, bottom)
        features.put(hr, top, bottom, border=1)
        flows.put(motion.rows(hr, top, bottom) if motion else hr[:, :0], top, bottom)

    in_bands(height, width, space.table.device, make)
    return features.value, flows.value.flatten(0, 1)


def _paint(decoder: DecoderQuery, where: Tensor) -> Tensor:
    """Colours (3, h, w) at the targets (2, h, w, 2)."""
    height, width = where.shape[1:3]
    colours = _Rows(height, width)

    def make(top: int, bottom: int) -> None:
        colours.put(decoder.colours(where[:, top:bottom].flatten(1, 2)), top, bottom)

    in_bands(height, width, where.device, make)
    return colours.value.permute(2, 0, 1)


class _Rows:
    """A picture of (h, w, C) put together from bands of rows, by any thread.

    Attributes:
        value: The picture, with its border of zeros.
    """

    value: Tensor

    def __init__(self, height: int, width: int) -> None:
        self._size = height, width
        self._lock = threading.Lock()
        self._begun = False

    def put(self, pixels: Tensor, top: int, bottom: int, border: int = 0) -> None:
        """Take over rows [top, bottom), (rows · w, C); the first band brings the number format."""
        height, width = self._size
        rows = pixels.view(bottom - top, width, -1)
        if rows.shape[0] == height:
            self.value = bordered(rows) if border else rows
            return
        with self._lock:
            if not self._begun:
                shape = height + 2 * border, width + 2 * border, rows.shape[2]
                self.value = rows.new_zeros(shape)
                self._begun = True
        self.value[border + top : border + bottom, border : border + width] = rows
