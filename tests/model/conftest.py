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
