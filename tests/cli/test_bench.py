import json

import pytest

from vinr_cli.cli.app import main
from vinr_cli.engine.stream import STAGES, THREADS

SMALL = ["bench", "--clip", "32x24", "--frames", "3", "--scale", "2", "--device", "cpu"]


def test_bench_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`vinr bench --json` prints one object: sizes, frame count, rates, stages and versions."""
    assert main([*SMALL, "--json"]) == 0

    seen = json.loads(capsys.readouterr().out)
    assert (seen["source"], seen["output"], seen["frames"]) == ([32, 24], [64, 48], 6)
    assert seen["frames_per_second"] == pytest.approx(6 / seen["seconds"])
    assert list(seen["stage_seconds"]) == list(STAGES)
    assert seen["slowest"] in THREADS
    busy = sum(seen["stage_seconds"][stage] for stage in THREADS[seen["slowest"]])
    assert seen["wall_to_slowest"] == pytest.approx(seen["pass_seconds"] / busy)
    assert 0 < seen["pass_seconds"] < seen["seconds"]
    assert 0 < seen["processors_busy"] < 2 * int(seen["surroundings"]["processors"])
    assert min(seen["instant_seconds"], seen["network_frames_per_second"]) > 0
    assert {"device", "threads", "torch", "pyav"} <= seen["surroundings"].keys()
    assert seen["surroundings"]["encoder"].startswith("ffmpeg version")
    assert seen["peak_bytes"] is None or seen["peak_bytes"] > 50 << 20


def test_bench_says_which_code_renders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the kernels turned off, the table says that PyTorch renders."""
    monkeypatch.setenv("VINR_NATIVE", "0")

    assert main(SMALL) == 0

    assert "rendered by pytorch" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--clip", "big"], ["--frames", "1"], ["--device", "tpu"]])
def test_bench_refuses_nonsense(words: list[str]) -> None:
    """A size, length or device that is none ends with code 2."""
    assert main(["bench", *words]) == 2
