import pytest
import torch

from vinr_cli.model.compact import CompactVideoINR
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.videoinr import VideoINR


@pytest.fixture(scope="session")
def network() -> VideoINR:
    """A tiny network of the packaged family whose every part does something."""
    torch.manual_seed(0)
    config = ModelConfig.compact(
        width=8,
        blocks=1,
        canvas=6,
        pyramid=(8, 8, 8),
        key=8,
        radius=(2, 1, 1),
        fine=4,
        hidden=8,
        decoder_hidden=8,
    )
    network = CompactVideoINR(config).eval().requires_grad_(requires_grad=False)
    for parameter in network.parameters():  # layers that start at zero would hide mistakes
        if parameter.ndim > 1:
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network
