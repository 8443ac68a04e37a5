from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vinr_cli.color.convert import from_picture
from vinr_cli.color.spec import ColorSpec
from vinr_cli.engine import conversion
from vinr_cli.engine.conversion import Colours, Converter
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.errors import DeviceError
from vinr_cli.model.videoinr import Network

from .stand_ins import Frame

SIZE = (16, 24)


def frame() -> Frame:
    rng = np.random.default_rng(0)
    planes = (SIZE, (8, 12), (8, 12))
    return Frame(0, tuple(rng.integers(16, 235, s).astype(np.uint8) for s in planes))


def failing(monkeypatch: pytest.MonkeyPatch, name: str, times: int, error: Exception) -> list[int]:
    """Let a conversion fail so many times; returns a list with an entry a call."""
    convert: Callable[..., Any] = getattr(conversion, name)
    calls: list[int] = []

    def call(*args: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return convert(*args)

    monkeypatch.setattr(conversion, name, call)
    return calls


def test_colours_are_converted_once_and_only_when_they_are_needed(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that serves two pairs is the same tensor in both."""
    calls = failing(monkeypatch, "to_picture", 0, MemoryError())
    converter = Converter(Colours(ColorSpec(), ColorSpec()), PairRenderer(network, SIZE, SIZE))
    a, b, c = (converter.source(frame()) for _ in range(3))
    assert calls == []
    (first,), (second,) = converter.to_rgb([(a, b)]), converter.to_rgb([(b, b)])
    assert first[1] is second[0] is second[1]
    assert len(calls) == 2
    assert c.planes[0].shape == SIZE


@pytest.mark.parametrize("name", ["to_picture", "from_picture"])
def test_where_memory_runs_out_the_renderer_makes_room(
    network: Network, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Smaller tiles are taken, and the conversion is repeated with the same result."""
    failing(monkeypatch, name, 2, torch.OutOfMemoryError("out of memory"))
    renderer = PairRenderer(network, (64, 64), (64, 64))
    converter = Converter(Colours(ColorSpec(), ColorSpec(depth=10)), renderer)
    ((rgb, _),) = converter.to_rgb([(source := converter.source(frame()), source)])
    download = converter.to_planes(rgb)
    assert download.wait()
    assert not renderer.layout.whole
    wanted = from_picture(rgb, ColorSpec(depth=10))
    assert all(torch.equal(a, b) for a, b in zip(download.planes, wanted, strict=True))
    assert converter.seconds > 0


def test_no_room_left_is_a_device_error(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the renderer can do with no less, the error names the device."""
    failing(monkeypatch, "to_picture", 1, torch.OutOfMemoryError("out of memory"))
    converter = Converter(
        Colours(ColorSpec(), ColorSpec()), PairRenderer(network, SIZE, SIZE, tile=0)
    )
    with pytest.raises(DeviceError, match="cpu: out of memory"):
        converter.to_rgb([(source := converter.source(frame()), source)])


def test_other_errors_are_raised_as_they_are(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not a shortage of memory is not repeated."""
    calls = failing(monkeypatch, "to_picture", 1, RuntimeError("wrong shape"))
    converter = Converter(Colours(ColorSpec(), ColorSpec()), PairRenderer(network, SIZE, SIZE))
    with pytest.raises(RuntimeError, match="wrong shape"):
        converter.to_rgb([(source := converter.source(frame()), source)])
    assert len(calls) == 1
