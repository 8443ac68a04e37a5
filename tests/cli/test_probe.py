import json
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.cli.app import main
from vinr_cli.cli.describe import plain
from vinr_cli.errors import EncoderError, UsageError


def test_probe_shows_streams_times_colours_and_the_plan(
    sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text names both streams, the rate, the interval, the matrix, and the output's name."""
    assert main(["probe", str(sample), "--scale", "3.5", "--fps", "60"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "video 0: h264, yuv420p, 160x96, 23.976 fps on average (24000/1001), 48 frames" in out
    assert "times: constant rate, ticks of 1/24000 s" in out
    assert "interval 41.708/41.708/41.708 ms" in out
    assert "colour: matrix smpte170m, primaries smpte170m, transfer smpte170m, studio" in out
    assert "audio 1: aac, 44100 Hz, 1 channel" in out
    assert f"to {sample.with_name('sample-3.5x-60fps.mp4')}: 560x336, 60 fps, 121 frames" in out


def test_probe_as_json_is_one_exact_object(
    sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json gives one object with exact rates, statistics of the times, and the plan."""
    assert main(["probe", str(sample), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["video"]["rate"] == "24000/1001"
    assert record["timestamps"]["count"] == 48
    assert record["timestamps"]["median"] == 1001
    assert record["timestamps"]["variable"] is False
    assert record["tracks"][0]["sample_rate"] == 44100
    assert record["planned"]["output_size"] == [320, 192]
    assert record["planned"]["output_rate"] == "48000/1001"


def test_probe_of_a_missing_file_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there gives one line and exit code 3."""
    assert main(["probe", "nix.mp4"]) == 3
    assert capsys.readouterr().err == "vinr: error: nix.mp4: no such file\n"


@pytest.mark.parametrize(
    "refusal", [UsageError("--fps-mult", "2 is too much"), EncoderError("ffmpeg", "is missing")]
)
def test_probe_shows_a_file_even_where_the_defaults_are_refused(
    refusal: UsageError,
    sample: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without asked options a refused plan is a note; with them it is the error."""

    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr("vinr_cli.jobs.planning.plan_upscale", refuse)
    assert main(["probe", str(sample)]) == 0
    out = capsys.readouterr().out
    assert "video 0: h264" in out
    assert out.endswith(f"  note: {refusal}\n")
    assert main(["probe", str(sample), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["planned"] is None
    assert main(["probe", str(sample), "--fps-mult", "2"]) == refusal.exit_code


def test_plain_values_are_what_json_takes() -> None:
    """Fractions become exact text, durations seconds, and everything else its text."""
    value = {
        "rate": Fraction(30000, 1001),
        "duration": Fraction(3, 2),
        "path": Path("a"),
        "x": (1,),
    }
    assert plain(value) == {"rate": "30000/1001", "duration": 1.5, "path": "a", "x": [1]}
