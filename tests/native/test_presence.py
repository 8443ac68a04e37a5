from pathlib import Path

import pytest

from vinr_cli.native import presence


@pytest.mark.parametrize(
    ("built", "switch", "there"),
    [(True, None, True), (True, "avx2", True), (True, "0", False), (False, None, False)],
)
def test_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: bool, switch: str | None, there: bool
) -> None:
    """Kernels are expected where their library is and they are not turned off."""
    library = tmp_path / "kernels.so"
    if built:
        library.touch()
    monkeypatch.setattr(presence, "LIBRARY", library)
    monkeypatch.delenv(presence.SWITCH, raising=False)
    if switch is not None:
        monkeypatch.setenv(presence.SWITCH, switch)

    assert presence.expected() is there
