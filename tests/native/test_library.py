import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vinr_cli.native import library as native

ROOT = Path(__file__).parents[2]
compiled = pytest.mark.skipif(not native.LIBRARY.exists(), reason="no compiler was at hand")


def test_the_switch_turns_the_kernels_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """`VINR_NATIVE=0` leaves no kernels, and neither does a build that does not exist."""
    for wish in ("0", "avx1024"):
        monkeypatch.setenv(native.SWITCH, wish)
        assert native.kernels() is None


@compiled
def test_every_processor_has_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """The baseline runs everywhere, and without a wish the best build is taken."""
    monkeypatch.setenv(native.SWITCH, "baseline")
    assert native.kernels() is not None
    monkeypatch.delenv(native.SWITCH)
    best = native.kernels()
    assert best is not None
    assert best.name in {"amx", "avx512", "avx2", "baseline"}


@compiled
def test_tiles_are_asked_for_and_can_be_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are used where the processor has them, and never where another build is named."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text(encoding="utf-8").split()) if cpuinfo.exists() else set()
    monkeypatch.setenv(native.SWITCH, "amx")
    tiles = native.kernels()
    monkeypatch.setenv(native.SWITCH, "avx2")
    masked = native.kernels()

    assert tiles is None or {"amx_tile", "amx_bf16", "avx512_bf16"} <= flags
    if tiles is not None:
        rounding = tiles.rounding()
        assert rounding is not None
        assert (tiles.numbers, rounding.numbers) == (torch.float32, torch.bfloat16)
    if masked is not None:
        rounding = masked.rounding()
        assert rounding is not None
        assert rounding.numbers is torch.float32


@compiled
def test_the_baseline_never_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without conversions to float16 has no kernels that round."""
    monkeypatch.setenv(native.SWITCH, "baseline")
    kernels = native.kernels()
    assert kernels is not None
    assert kernels.rounding() is None


@pytest.mark.parametrize("content", [None, b"", b"no library"])
def test_a_library_that_does_not_load_is_none(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing, empty or broken library is no error: PyTorch does the work."""
    path = tmp_path / "lib.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(native, "LIBRARY", path)
    assert native._open() is None


@compiled
def test_a_library_of_another_version_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library left over from another version of the structures is not used."""
    monkeypatch.setattr(native, "ABI", native.ABI + 1)
    assert native._open() is None


@pytest.mark.parametrize(
    "x", [torch.zeros(2, dtype=torch.float64), torch.zeros(2, 3).t(), torch.zeros(2).int()]
)
def test_other_memory_is_refused(x: torch.Tensor) -> None:
    """A tensor that the kernels would misread is refused before they see it."""
    with pytest.raises(ValueError, match="contiguous float32"):
        native.floats(x)


def test_index_memory_is_checked() -> None:
    """Indices must be 32-bit integers."""
    with pytest.raises(ValueError, match="contiguous int32"):
        native.ints(torch.zeros(2, dtype=torch.int64))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_wheels_with_and_without_a_compiler(tmp_path: Path) -> None:
    """A wheel carries library and platform where a compiler is, and is pure Python elsewhere."""
    for folder, setting in (("native", ""), ("pure", "0")):
        environment = {"PATH": "/usr/bin:/bin", "VINR_NATIVE": setting}
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / folder],
            cwd=ROOT, env=environment, check=True, capture_output=True,
        )  # fmt: skip
    (with_library,) = (tmp_path / "native").iterdir()
    (pure,) = (tmp_path / "pure").iterdir()

    assert pure.name.endswith("-py3-none-any.whl")
    assert "-py3-none-" in with_library.name
    assert not with_library.name.endswith("-any.whl")
    shutil.unpack_archive(with_library, tmp_path / "unpacked", "zip")
    assert (tmp_path / "unpacked" / "vinr_cli" / "native" / native.LIBRARY.name).is_file()
    shutil.unpack_archive(pure, tmp_path / "unpacked-pure", "zip")
    assert not list((tmp_path / "unpacked-pure").rglob("*.so"))


def test_no_memory_is_said() -> None:
    """Memory that the system refuses is out of memory, which smaller tiles may mend."""
    with pytest.raises(MemoryError):
        native.empty(1 << 50)
