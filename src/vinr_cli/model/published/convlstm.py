"""Bidirectional deformable ConvLSTM (Xiang et al. 2020, section 3.3).

Both states are aligned to the step's input before the cell sees them. The two directions share
their weights and a direction starts from zeros, so the first step depends on one frame alone: it
serves as the first step of both pairs that the frame belongs to, forwards in one and backwards in
the other.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vinr_cli.model.layers import conv
from vinr_cli.model.published.align import AlignedFusion, Levels

State = tuple[Tensor, Tensor]
"""Hidden state and memory, both (B, width, H, W)."""


@dataclass(frozen=True, eq=False)
class StepInput:
    """A feature map as a step of the ConvLSTM wants it.

    Attributes:
        value: (B, width, H, W).
        for_hidden: Its levels, for the alignment of the hidden state.
        for_memory: Its levels, for the alignment of the memory.
    """

    value: Tensor
    for_hidden: Levels
    for_memory: Levels


class Cell(nn.Module):
    """The gates of a ConvLSTM.

    Args:
        width: Channels of the input and of the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = conv(2 * width, 4 * width)

    def forward(self, x: Tensor, state: State) -> State:
        """One step; all maps are (B, width, H, W)."""
        hidden, memory = state
        keep_new, keep_old, show, new = self.conv.run(x, hidden).chunk(4, 1)
        memory = torch.sigmoid(keep_old) * memory + torch.sigmoid(keep_new) * torch.tanh(new)
        return torch.sigmoid(show) * torch.tanh(memory), memory


class DeformableLSTM(nn.Module):
    """One direction, step by step.

    Args:
        width: Channels of the input and of the states.
        groups: Groups of the deformable convolutions.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.cell_list = nn.ModuleList([Cell(width)])
        self.pcd_h = AlignedFusion(width, groups)
        self.pcd_c = AlignedFusion(width, groups)

    def take(self, value: Tensor) -> StepInput:
        """Make a feature map ready for `step`."""
        return StepInput(value, self.pcd_h.levels(value), self.pcd_c.levels(value))

    def step(self, x: StepInput, state: State | None) -> State:
        """The states after an input; `state` None are the zeros at the beginning."""
        if state is None:
            hidden = self.pcd_h.levels_of_zeros(x.value)
            memory = self.pcd_c.levels_of_zeros(x.value)
        else:
            hidden, memory = self.pcd_h.levels(state[0]), self.pcd_c.levels(state[1])
        aligned = self.pcd_h(x.for_hidden, hidden), self.pcd_c(x.for_memory, memory)
        after: State = self.cell_list[0](x.value, aligned)
        return after


class BidirectionalLSTM(nn.Module):
    """First frame, middle, second frame: each sees what both directions gathered.

    Args:
        width: Channels.
        groups: Groups of the deformable convolutions.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.forward_net = DeformableLSTM(width, groups)
        self.conv_1x1 = conv(2 * width, width, kernel=1)

    def start(self, value: Tensor) -> tuple[StepInput, State]:
        """What depends on one frame: its input and the state after it as the first step."""
        x = self.forward_net.take(value)
        return x, self.forward_net.step(x, None)

    def forward(
        self, first: tuple[StepInput, State], middle: Tensor, second: tuple[StepInput, State]
    ) -> list[Tensor]:
        """Run both directions.

        Args:
            first: From `start`, of the first frame.
            middle: (B, width, H, W).
            second: From `start`, of the second frame.

        Returns:
            Three maps (B, width, H, W), in the order of time.
        """
        net = self.forward_net
        between = net.take(middle)
        ahead = [first[1], net.step(between, first[1])]
        ahead.append(net.step(second[0], ahead[1]))
        back = [second[1], net.step(between, second[1])]
        back.append(net.step(first[0], back[1]))
        maps = [torch.cat([a[0], b[0]], 1) for a, b in zip(ahead, reversed(back), strict=True)]
        return [self.conv_1x1(m) for m in maps]
