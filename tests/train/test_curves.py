from pathlib import Path

import numpy as np
import pytest

from vinr_cli.errors import InputError
from vinr_cli.evaluate.clips import read_rgb
from vinr_cli.train.curves import draw_curves, read_log

LOG = "step,seconds,total,psnr_y\n10,60,0.05,28.0\n20,120,0.04,29.5\n"


def test_columns_of_a_log(tmp_path: Path) -> None:
    """A log is read by columns; nonsense is refused."""
    log = tmp_path / "log.csv"
    log.write_text(LOG)

    assert read_log(log)["psnr_y"] == [28.0, 29.5]
    log.write_text("step,total\n1,abc\n")
    with pytest.raises(InputError, match="is no training log"):
        read_log(log)
    with pytest.raises(InputError, match="is no training log"):
        read_log(tmp_path / "none.csv")


def test_curves_are_drawn(tmp_path: Path) -> None:
    """The picture shows lines, and other figures give another picture."""
    pytest.importorskip("matplotlib")
    log, picture = tmp_path / "log.csv", tmp_path / "curves.png"
    log.write_text(LOG)
    draw_curves(log, picture)
    first = next(iter(read_rgb(picture)))
    log.write_text(LOG.replace("28.0", "20.0"))
    draw_curves(log, picture)
    second = next(iter(read_rgb(picture)))

    assert first.shape == (800, 800, 3)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 10
    assert not np.array_equal(first, second)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "log.csv"]
