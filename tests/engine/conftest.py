import pytest
import torch

from vinr_cli.model.config import CompactConfig
from vinr_cli.model.videoinr import Network


@pytest.fixture(scope="session")
def network(tiny_config: CompactConfig) -> Network:
    """A tiny network of the packaged family whose every part does something."""
    torch.manual_seed(0)
    network = Network(tiny_config).eval().requires_grad_(requires_grad=False)
    for parameter in network.parameters():  # layers that start at zero would hide mistakes
        if parameter.ndim > 1:
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network
