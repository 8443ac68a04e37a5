import pytest
import torch

from vinr_cli.engine.device import choose_device, choose_precision
from vinr_cli.errors import DeviceError, UsageError


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(2, True, "cuda:0"), (0, True, "mps"), (0, False, "cpu")],
)
def test_auto_takes_the_fastest_there_is(
    monkeypatch: pytest.MonkeyPatch,
    cuda: int,
    mps: bool,
    expected: str,
) -> None:
    """Auto means cuda, then mps, then cpu."""
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert str(choose_device("auto")) == expected


def test_a_named_device_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """cpu, cuda, cuda:<i> and mps mean what they say."""
    machine(monkeypatch, cuda=2, mps=True)
    names = ("cpu", "cuda", "cuda:1", "mps")
    assert [str(choose_device(n)) for n in names] == ["cpu", "cuda:0", "cuda:1", "mps"]


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_missing_device_is_never_replaced(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A device that is not there is a DeviceError, not another device."""
    machine(monkeypatch, cuda=0, mps=False)
    with pytest.raises(DeviceError, match="--device cpu"):
        choose_device(name)


def test_a_missing_index_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuda:2 of two devices is a DeviceError that says how many there are."""
    machine(monkeypatch, cuda=2, mps=False)
    with pytest.raises(DeviceError, match="there are 2 CUDA devices"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "mps:0", "", "cpu:0", "xpu"])
def test_an_unknown_device_is_refused(name: str) -> None:
    """A name that means no device is a UsageError."""
    with pytest.raises(UsageError, match="unknown device"):
        choose_device(name)


def test_precisions_have_their_types() -> None:
    """On a CPU auto and fp32 are plain float32; bf16 and fp16 autocast; others are refused."""
    cpu = torch.device("cpu")
    assert [choose_precision(n, cpu) for n in ("auto", "fp32", "bf16", "fp16")] == [
        None,
        None,
        torch.bfloat16,
        torch.float16,
    ]
    with pytest.raises(UsageError, match="unknown precision 'int8'"):
        choose_precision("int8", cpu)
