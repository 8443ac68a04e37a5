import pytest

from vinr_cli.native import library as native


@pytest.fixture(params=("avx512", "avx2", "baseline"))
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One build of the kernels, chosen; skips where the processor or the library lacks it."""
    name = str(request.param)
    monkeypatch.setenv(native.SWITCH, name)
    if native.kernels() is None:
        pytest.skip(f"no {name} kernels here")
    return name


@pytest.fixture(params=("amx", "avx512", "avx2"))
def rounding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> native.Kernels:
    """The kernels of one build that may round; skips where there are none."""
    name = str(request.param)
    monkeypatch.setenv(native.SWITCH, name)
    found = native.kernels()
    kernels = None if found is None else found.rounding()
    if kernels is None:
        pytest.skip(f"no {name} kernels here")
    return kernels
