"""What is chosen by the processor; the layers themselves are held to the published network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from vinr_cli.model import layers


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """The answer about this processor is forgotten before and after."""
    layers.slow_sines.cache_clear()
    yield
    layers.slow_sines.cache_clear()


@pytest.mark.parametrize(
    ("told", "listed", "slow"),
    [
        ("", "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\n", False),
        ("", "vendor_id\t: AuthenticAMD\n", True),
        ("Intel64 Family 6 Model 143 Stepping 8, GenuineIntel", None, False),
        ("arm", None, True),
    ],
)
def test_sines_go_by_the_processor(
    told: str, listed: str | None, slow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux lists the maker, other systems tell it; where nobody does, NumPy's sine is taken."""
    path = tmp_path / "cpuinfo"
    if listed is not None:
        path.write_text(listed, encoding="utf-8")
    monkeypatch.setattr(layers, "CPUINFO", path)
    monkeypatch.setattr("platform.processor", lambda: told)

    assert layers.slow_sines() is slow


@pytest.mark.parametrize("slow", [True, False])
@torch.inference_mode()
def test_both_sines_are_exact_and_in_place(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either library's sine stays within 2e-7 for arguments up to some hundreds of radians."""
    monkeypatch.setattr(layers, "slow_sines", lambda: slow)
    monkeypatch.setattr(layers, "NUMPY_THREADS", 1 << 10)
    x = torch.linspace(-300, 300, 10_001)
    exact = x.double().sin()

    y = layers.sine(x)

    assert y is x
    assert float((y.double() - exact).abs().max()) < 2e-7
