"""Whether the kernels that round agree with float32, tried once before they are used.

What rounding does depends on the weights and on the processor's instructions, so both are tried:
the network itself renders a small drawn pair with these kernels and with the float32 ones, and the
pictures must be as close as half precision has to be anywhere (`engine.precision`).
"""

import math
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vinr_cli.model.grid import Grid
from vinr_cli.model.videoinr import Network
from vinr_cli.native import library as native

LEAST_PSNR = 50.0
"""In dB, over pictures cut to [0, 1]."""

SIZE = (48, 64)
"""(height, width) of the frames that are tried."""

MOVE = (3, 2)
"""LR pixels by which the second frame is moved."""

SCALE, TIME = 2, 0.4

_tried: WeakKeyDictionary[Network, dict[native.Kernels, bool]] = WeakKeyDictionary()


def agrees(model: Network, kernels: native.Kernels) -> bool:
    """Whether a network may be rendered by kernels that round.

    Args:
        model: In evaluation mode, on the CPU.
        kernels: With `half`.
    """
    known = _tried.setdefault(model, {})
    if kernels not in known:
        known[kernels] = psnr_of(model) >= LEAST_PSNR
    return known[kernels]


def psnr_of(model: Network) -> float:
    """PSNR of a drawn pair between rounding and float32 kernels, in dB; -inf with a NaN."""
    first, second = drawn()
    grid = Grid.full(SIZE, (SCALE * SIZE[0], SCALE * SIZE[1]))
    pictures = []
    with torch.inference_mode():
        for rounds in (True, False):
            with torch.autocast("cpu", torch.bfloat16, enabled=rounds):
                pair = model.encode_pair(model.encode_frame(first), model.encode_frame(second))
                picture = model.render(model.prepare(pair, grid), torch.tensor([TIME]))
            pictures.append(picture.clamp(0, 1).double())
    error = float((pictures[0] - pictures[1]).square().mean())
    if math.isnan(error):
        return -math.inf
    return math.inf if error == 0 else -10 * math.log10(error)


def drawn() -> tuple[Tensor, Tensor]:
    """Two frames (1, 3, H, W): waves of every length, lines, and a square that stays."""
    height, width = SIZE
    y, x = torch.meshgrid(
        torch.arange(height + MOVE[0], dtype=torch.float32),
        torch.arange(width + MOVE[1], dtype=torch.float32),
        indexing="ij",
    )
    planes = [
        0.5 + 0.4 * torch.sin((0.02 + 0.004 * k) * x * y / 4 + 0.3 * k) * torch.cos(0.11 * x + k)
        for k in range(3)
    ]
    picture = torch.stack(planes)
    picture[:, ::9] = 0.9
    frames = []
    for dy, dx in ((0, 0), MOVE):
        frame = picture[:, dy : dy + height, dx : dx + width].clone()
        frame[:, 16:32, 24:40] = torch.tensor([0.9, 0.1, 0.2]).view(3, 1, 1)
        frames.append(frame[None])
    return frames[0], frames[1]
