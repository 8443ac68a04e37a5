"""The packaged network's rendering as a Triton kernel; `triton_render` calls it.

Importing this module imports Triton, which PyTorch's CUDA builds bring along. One program makes
`BLOCK` output pixels of one instant: it reads the motion there, both canvases at the moved and at
the unmoved place, and runs the decoder, all in registers. Checked on a CPU with Triton's
interpreter (``TRITON_INTERPRET=1``); it has not run on a GPU.

Pixels are rows of matrices whose columns are `LANE` channels, those that a table lacks being zero.
"""

import triton
import triton.language as tl

LANE = tl.constexpr(16)
"""Channels of a pixel, padded: the least that a matrix product takes."""


@triton.jit
def _channel(values, index):
    """One column of (BLOCK, LANE)."""
    lane = tl.arange(0, LANE)[None, :]
    return tl.sum(tl.where(lane == index, values, 0.0), 1)


@triton.jit
def _taps(place, length):
    """Lower and upper index, and the upper one's share, of a place; borders are clamped.

    A place that is no number has the first index and a share that is no number either.
    """
    held = tl.where(place == place, place, 0.0)
    held = tl.minimum(tl.maximum(held, 0.0), (length - 1).to(tl.float32))
    low = held.to(tl.int32)
    share = tl.where(place == place, held - low.to(tl.float32), place)
    return low, tl.minimum(low + 1, length - 1), share


@triton.jit
def _cell(table, row, col, width, FY: tl.constexpr, FX: tl.constexpr, CHANNELS: tl.constexpr):
    """A sample of every pixel from a table (H, W, FY, FX, CHANNELS), float32 (BLOCK, LANE)."""
    cell = (row // FY) * width + col // FX
    sample = (cell * FY + row % FY) * FX + col % FX
    lane = tl.arange(0, LANE)[None, :]
    where = table + sample[:, None] * CHANNELS + lane
    return tl.load(where, mask=lane < CHANNELS, other=0.0).to(tl.float32)


@triton.jit
def _sample(table, y, x, height, width, FY: tl.constexpr, FX: tl.constexpr, CHANNELS: tl.constexpr):
    """Bilinear samples at places in the table's own samples, (BLOCK,) each."""
    top, bottom, down = _taps(y, height * FY)
    left, right, across = _taps(x, width * FX)
    across, down = across[:, None], down[:, None]
    a = _cell(table, top, left, width, FY, FX, CHANNELS)
    b = _cell(table, top, right, width, FY, FX, CHANNELS)
    upper = a + (b - a) * across
    a = _cell(table, bottom, left, width, FY, FX, CHANNELS)
    b = _cell(table, bottom, right, width, FY, FX, CHANNELS)
    lower = a + (b - a) * across
    return upper + (lower - upper) * down


@triton.jit
def _product(values, weights, INPUTS: tl.constexpr, OUTPUTS: tl.constexpr):
    """(BLOCK, INPUTS) times (INPUTS, OUTPUTS) in memory, in the latter's format; float32 sums."""
    i, o = tl.arange(0, INPUTS)[:, None], tl.arange(0, OUTPUTS)[None, :]
    matrix = tl.load(weights + i * OUTPUTS + o)
    return tl.dot(values.to(matrix.dtype), matrix, input_precision="ieee")


@triton.jit(do_not_specialize=["still_logit", "pixels", "line", "height", "width"])
def render(
    out,
    motion,
    first,
    second,
    rows,
    cols,
    times,
    shift,
    weights_first,
    weights_middle,
    bias_middle,
    weights_last,
    bias_last,
    still_logit,
    pixels,
    line,
    height,
    width,
    FY: tl.constexpr,
    FX: tl.constexpr,
    CHANNELS: tl.constexpr,
    MOTION: tl.constexpr,
    HIDDEN: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Colours of `BLOCK` pixels of one instant.

    Args:
        out: (instants, 3, pixels), written.
        motion: (instants, height, width, MOTION): two flows (x, y), two logits, features.
        first: (height, width, FY, FX, CHANNELS), the earlier canvas.
        second: The later canvas.
        rows: LR positions of the output rows.
        cols: LR positions of the output columns, `line` of them.
        times: (instants, 3): t, log(1 - t) and log(t), both clamped.
        shift: (instants, HIDDEN), the first layer's bias with what the time adds.
        weights_first: (5, LANE, HIDDEN): for the first and second moved canvas, the unmoved
            colour, its change, and the motion.
        weights_middle: (HIDDEN, HIDDEN).
        bias_middle: (HIDDEN,).
        weights_last: (HIDDEN, LANE): three colours, two logits, zeros.
        bias_last: (LANE,).
        still_logit: Added to the unmoved colour's logit.
        pixels: Output pixels.
        line: Output pixels a row.
        height: LR rows of the tables.
        width: LR columns of the tables.
        FY: Canvas samples per LR pixel, vertically.
        FX: The same horizontally.
        CHANNELS: Of a canvas.
        MOTION: Channels of `motion`.
        HIDDEN: Width of the decoder, padded.
        BLOCK: Pixels a program.
    """
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    instant = tl.program_id(1)
    row = tl.load(rows + pixel // line, mask=inside, other=0.0)
    col = tl.load(cols + pixel % line, mask=inside, other=0.0)
    t = tl.load(times + instant * 3)
    motion += instant.to(tl.int64) * height * width * MOTION

    moves = _sample(motion, row, col, height, width, 1, 1, MOTION)
    y, x = (row + _channel(moves, 1) + 0.5) * FY - 0.5, (col + _channel(moves, 0) + 0.5) * FX - 0.5
    moved = _sample(first, y, x, height, width, FY, FX, CHANNELS)
    y, x = (row + _channel(moves, 3) + 0.5) * FY - 0.5, (col + _channel(moves, 2) + 0.5) * FX - 0.5
    other = _sample(second, y, x, height, width, FY, FX, CHANNELS)
    y, x = (row + 0.5) * FY - 0.5, (col + 0.5) * FX - 0.5
    still = _sample(first, y, x, height, width, FY, FX, CHANNELS)
    later = _sample(second, y, x, height, width, FY, FX, CHANNELS)
    stays = still + (later - still) * t

    step: tl.constexpr = LANE * HIDDEN
    neuron = tl.arange(0, HIDDEN)
    hidden = _product(moved, weights_first, LANE, HIDDEN)
    hidden += _product(other, weights_first + step, LANE, HIDDEN)
    hidden += _product(stays, weights_first + 2 * step, LANE, HIDDEN)
    hidden += _product(still - later, weights_first + 3 * step, LANE, HIDDEN)
    told = tl.where(tl.arange(0, LANE)[None, :] < 4, 0.0, moves)  # without the flows
    hidden += _product(told, weights_first + 4 * step, LANE, HIDDEN)
    hidden += tl.load(shift + instant * HIDDEN + neuron)[None, :]
    hidden = _product(tl.where(hidden < 0.0, 0.0, hidden), weights_middle, HIDDEN, HIDDEN)
    hidden += tl.load(bias_middle + neuron)[None, :]
    found = _product(tl.where(hidden < 0.0, 0.0, hidden), weights_last, HIDDEN, LANE)
    lane = tl.arange(0, LANE)
    found += tl.load(bias_last + lane)[None, :]

    from_first = _channel(moves, 4) + _channel(found, 3) + tl.load(times + instant * 3 + 1)
    from_second = tl.load(times + instant * 3 + 2)
    from_still = _channel(moves, 5) + _channel(found, 4) + still_logit
    most = tl.maximum(tl.maximum(from_first, from_second), from_still)
    a, b, c = tl.exp(from_first - most), tl.exp(from_second - most), tl.exp(from_still - most)
    total = a + b + c
    colour = (moved * a[:, None] + other * b[:, None] + stays * c[:, None]) / total[:, None] + found
    where = out + (instant.to(tl.int64) * 3 + lane[None, :]) * pixels + pixel[:, None]
    tl.store(where, colour, mask=inside[:, None] & (lane < 3)[None, :])
