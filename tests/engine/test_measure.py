import pytest
import torch

from vinr_cli.engine.measure import NetworkTimes, measure_network, renders_with
from vinr_cli.model import ModelConfig
from vinr_cli.model.videoinr import Network
from vinr_cli.native.library import kernels


def test_rates_follow_from_a_pair_and_an_instant() -> None:
    """0.3 s a pair and 0.1 s an instant are two frames in half a second."""
    assert NetworkTimes(0.3, 0.1).rate(2) == pytest.approx(4)


def test_a_network_is_timed(network: Network) -> None:
    """An instant takes some time, and a pair none at the least."""
    times = measure_network(network, (16, 24), (32, 48), pairs=1)
    assert times.instant > 0
    assert times.pair >= 0


@pytest.mark.parametrize("config", [ModelConfig.compact(width=8), ModelConfig.published(width=8)])
def test_both_networks_render_by_the_kernels(config: ModelConfig) -> None:
    """Where the kernels are built, both networks' pixels come from them on a CPU."""
    found = kernels()

    with_them = "pytorch" if found is None else f"native {found.name}"

    assert renders_with(Network(config), torch.device("cpu")) == with_them
