"""The published network's space INR, time INR and decoder in native code, where that is possible.

The same functions as `space`, `motion` and `decoder`, which stay the reference: tests hold both
together. Here a block of 48 output pixels goes through all layers of a network before the next one
begins, and a sine is a polynomial on vectors.
"""

from ctypes import c_float

import torch
from torch import Tensor

from vinr_cli.model.config import PublishedConfig
from vinr_cli.model.grid import Grid
from vinr_cli.model.published.decoder import DecoderQuery
from vinr_cli.model.published.motion import Lattice, MotionQuery
from vinr_cli.model.published.sampling import Held
from vinr_cli.model.published.space import SpaceQuery
from vinr_cli.native import library as native

FLOWS = 4
"""Numbers per output pixel: x and y of both flows."""


def available(config: PublishedConfig, *tensors: Tensor) -> native.Kernels | None:
    """The kernels, if they can do this: float32 on a CPU, no gradients, bounded widths.

    Args:
        config: Of the network.
        tensors: What is worked on.
    """
    widths = (*config.hidden, *config.decoder_hidden)
    fits = (
        min(widths) >= native.LANE
        and max(widths) <= native.BROADEST
        and 2 * config.width + 2 * 6 <= native.BROADEST
        and max(len(config.hidden), len(config.decoder_hidden)) <= native.DEEPEST
    )
    return native.kernels_for(*tensors) if fits else None


def fused_field(
    kernels: native.Kernels, space: SpaceQuery, grid: Grid, motion: MotionQuery | None
) -> tuple[Tensor, Tensor]:
    """HR features and flows.

    Args:
        kernels: From `available`.
        space: The space INR on the grid.
        grid: What is wanted.
        motion: The time INR there; None if the flows are not wanted.

    Returns:
        A bordered table (h + 2, w + 2, width), and (h · w, 4), empty without `motion`.
    """
    height, width = grid.shape
    channels = space.net.rest[-1][0].shape[0]
    features = native.empty(height + 2, width + 2, channels)
    for line in (features[0], features[-1], features[:, 0], features[:, -1]):
        line.zero_()
    flow = native.empty(height * width if motion else 0, FLOWS)
    lines, columns = space.lines.int(), space.columns.int()
    kept: list[Tensor] = []  # what the job points to
    job = native.FieldJob(
        space=native.floats(space.table),
        lines=native.ints(lines),
        columns=native.ints(columns),
        down=native.floats(space.down),
        right=native.floats(space.right),
        space_net=native.SineNet.of(space.net.rest),
        held_columns=space.table.shape[1],
        height=height,
        width=width,
        out_line=width + 2,
        out=native.floats(features.view(-1)[(width + 3) * channels :]),
    )
    if motion is not None:
        job.features = _lattice(motion.features, kept)
        weight = motion.hr_weight
        if motion.frames is not None:
            job.frames = _lattice(motion.frames, kept)
            weight = torch.cat([weight, motion.frame_weight], 1)
        weight = weight.contiguous()
        job.first = native.Layer.of(weight, motion.still)
        job.motion_net = native.SineNet.of(motion.net.rest)
        job.flow = native.floats(flow)
    kernels.run(job)
    return features, flow


def _lattice(lattice: Lattice, kept: list[Tensor]) -> native.Lattice:
    (rows, row_share), (cols, col_shares) = lattice.lines, lattice.columns
    top, left = rows[:, 0].int().contiguous(), cols[:, 0].int().contiguous()
    row_share, col_share = row_share.contiguous(), col_shares[:, 1].contiguous()
    kept += [top, left, row_share, col_share]
    _, line, channels = lattice.table.shape
    return native.Lattice(
        table=native.floats(lattice.table),
        rows=native.ints(top),
        row_share=native.floats(row_share),
        cols=native.ints(left),
        col_share=native.floats(col_share),
        line=line,
        channels=channels,
    )


def fused_paint(kernels: native.Kernels, decoder: DecoderQuery, where: Tensor) -> Tensor:
    """Colours at the ends of flows.

    Args:
        kernels: From `available`.
        decoder: The decoder on the grid.
        where: (2, h, w, 2), from `decoder.targets`.

    Returns:
        (3, h, w) RGB.
    """
    height, width = where.shape[1:3]
    out = native.empty(3, height, width)
    weight, frames = decoder.hr_weight, native.Table()
    if decoder.frames is not None:
        frames = _table(decoder.frames, decoder.rows[2], decoder.cols[2])
        weight = torch.cat([weight, decoder.frame_weight], 1)
    weight, where = weight.contiguous(), where.contiguous()
    kernels.run(
        native.PaintJob(
            where=native.floats(where),
            hr=_table(decoder.hr, decoder.rows[0], decoder.cols[0]),
            features=_table(decoder.features, decoder.rows[1], decoder.cols[1]),
            second=decoder.features.numel() // 2,
            frames=frames,
            first=native.Layer.of(weight, decoder.still),
            net=native.SineNet.of(decoder.net.rest),
            pixels=height * width,
            out=native.floats(out),
        )
    )
    return out


def _table(table: Tensor, rows: Held, cols: Held) -> native.Table:
    axes = (rows, cols)
    two = c_float * 2
    return native.Table(
        data=native.floats(table),
        scale=two(*(axis.whole for axis in axes)),
        shift=two(*(0.5 - axis.offset for axis in axes)),
        least=two(*(axis.bounds()[0] for axis in axes)),
        most=two(*(axis.bounds()[1] for axis in axes)),
        line=cols.length + 2,
        channels=table.shape[-1],
    )
