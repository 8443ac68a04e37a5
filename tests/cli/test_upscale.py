import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.cli.app import main
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.timestamps import scan_timestamps
from vinr_cli.plan.job import (
    JobSpec,
    RateKind,
    RateRequest,
    SizeRequest,
)

from ..conftest import HANG_SECONDS

Vinr = Callable[..., "subprocess.CompletedProcess[str]"]


def test_only_the_input_is_needed(specs: list[JobSpec]) -> None:
    """`vinr upscale in.mp4` doubles size and rate and leaves all else to its default."""
    assert main(["upscale", "in.mp4"]) == 0
    double = SizeRequest(scale=Fraction(2)), RateRequest(RateKind.MULTIPLY, Fraction(2))
    assert specs == [JobSpec(Path("in.mp4"), size=double[0], rate=double[1])]


def test_options_of_one_field_work_together(specs: list[JobSpec]) -> None:
    """A threshold wins over --dedup, no detection over a threshold; auto is no strength."""
    options = "--dedup --dedup-threshold 2 --no-scene-detection --scene-threshold 9 --deblock auto"
    assert main(["upscale", "in.mp4", *options.split()]) == 0
    (spec,) = specs
    assert (spec.repeat_threshold, spec.scene_threshold, spec.deblock) == (2, None, None)


def test_ffmpeg_arguments_are_split_like_a_shell_does(specs: list[JobSpec]) -> None:
    """One quoted option carries several ffmpeg arguments, quotes included."""
    assert main(["upscale", "in.mp4", "--ffmpeg-args", "-tune film -metadata 'title=a b'"]) == 0
    assert specs[0].encode.extra == ("-tune", "film", "-metadata", "title=a b")


def test_odd_file_names_arrive_unchanged(specs: list[JobSpec]) -> None:
    """Names with spaces, percent signs, brackets, leading dashes and odd bytes are just names."""
    names = ["a b%20d.mp4", "[bold]x[/bold].mp4", "-dash.mp4", os.fsdecode(b"\xff\xfe.mp4")]
    assert main(["upscale", "--", *names]) == 0
    assert [str(spec.input) for spec in specs] == names


def test_a_real_job_says_its_steps_as_json(
    sample: Path, tiny: Path, tmp_path: Path, vinr: Vinr
) -> None:
    """--json gives planned, progress and finished objects, and a file that fits them."""
    odd = os.fsencode(tmp_path) + b"/-odd \xff%d.mp4"
    os.symlink(sample, odd)
    options = ["--fps", "30", "--end", "0.25", "--model", str(tiny), "--json", "-o", "new/"]
    done = vinr("upscale", *options, "--", b"-odd \xff%d.mp4")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    names = [e["event"] for e in events]
    assert (names[0], names[-1]) == ("planned", "finished")
    assert set(names) == {"planned", "progress", "finished"}
    planned, finished = events[0], events[-1]
    assert (planned["source_rate"], planned["output_rate"]) == ("24000/1001", "30")
    assert (planned["source_size"], planned["output_size"]) == ([160, 96], [160, 96])
    assert (planned["frames_in"], planned["frames_out"]) == (6, finished["frames"])
    last = [e for e in events if e["event"] == "progress"][-1]
    assert last["done"] == last["total"] == finished["frames"] == 8
    output = tmp_path / finished["output"]
    assert output.parent == tmp_path / "new"
    assert output.name == "-odd \udcff%d-30fps.mp4"
    assert len(scan_timestamps(output, probe(output).video).pts) == 8
    assert [track.kind for track in probe(output).tracks] == ["audio"]


def test_a_bad_file_does_not_stop_the_rest(
    sample: Path, tiny: Path, tmp_path: Path, vinr: Vinr
) -> None:
    """A batch goes on after a failure, tells it in one line, sums up, and exits with 1."""
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "good.mp4").symlink_to(sample)
    done = vinr(
        "upscale", "missing.mp4", "broken.mp4", "good.mp4",
        "--fps-mult", "1", "--end", "0.1", "--model", tiny,
    )  # fmt: skip

    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "vinr: error: missing.mp4: no such file"
    assert lines[1].startswith("vinr: error: broken.mp4: cannot be read as a video")
    assert lines[2] == "good.mp4: 160x96, 23.976 fps, 3 frames"
    assert lines[3].startswith("  to good-23.976fps.mp4: 160x96, 23.976 fps, 3 frames, ")
    assert lines[-2].startswith("good-23.976fps.mp4: 3 frames, 0.125 s; made in ")
    assert lines[-1] == "vinr: 1 of 3 done; failed: missing.mp4, broken.mp4"
    assert done.stdout == ""


def test_quiet_says_nothing(sample: Path, tiny: Path, tmp_path: Path, vinr: Vinr) -> None:
    """With --quiet a job that works leaves its file and not a word."""
    out = tmp_path / "out.mkv"
    done = vinr(
        "upscale", sample, "-q", "-o", out, "--scale", "1", "--end", "0.1", "--no-audio",
        "--model", tiny,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert probe(out).tracks == ()


def test_a_dry_run_writes_nothing(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny: Path
) -> None:
    """--dry-run prints the plan on stdout, and the folder stays empty."""
    source = tmp_path / "in.mp4"
    source.symlink_to(sample)
    arguments = ["upscale", str(source), "--scale", "3.5", "--fps-mult", "4", "--model", str(tiny)]
    assert main([*arguments, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"to {tmp_path}/in-3.5x-95.904fps.mp4: 560x336, 95.904 fps, 192 frames" in out
    assert "encoder: libx264 yuv420p" in out
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]
    assert main([*arguments, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["frames_out"] == 192


def test_a_dry_run_refuses_what_the_run_would(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny: Path
) -> None:
    """--dry-run fails for an output that exists; a folder that is missing is not created."""
    taken = tmp_path / "taken.mp4"
    taken.touch()
    common = ["upscale", str(sample), "--dry-run", "--model", str(tiny)]
    assert main([*common, "-o", str(taken)]) == 4
    assert "exists already" in capsys.readouterr().err
    assert main([*common, "-o", f"{tmp_path}/new/"]) == 0
    assert f"to {tmp_path}/new/{sample.stem}-2x-47.952fps.mp4: 320x192" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


def test_an_unknown_model_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong model name fails before the first input, not once for each."""
    assert main(["upscale", "a.mp4", "b.mp4", "c.mp4", "--model", "nix"]) == 6
    err = capsys.readouterr().err
    assert err.startswith("vinr: error: model nix: is not known.")
    assert err.count("\n") == 1


def test_a_strength_that_the_model_lacks_is_told_once(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What no input could satisfy ends the batch at its first input, in one line."""
    inputs = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in inputs:
        path.symlink_to(sample)
    assert main(["upscale", *map(str, inputs), "--model", "clean", "--deblock", "1"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("vinr: error: --deblock: means nothing to the model clean.")
    assert err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_terminated_job_keeps_what_is_made(
    sample: Path, tiny: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """SIGTERM in the middle of a job says how to go on, gives 130, and leaves finished parts."""
    (tmp_path / "in.mp4").symlink_to(sample)
    command = [sys.executable, "-m", "vinr_cli", "upscale", "in.mp4", "--scale", "8", "--json"]
    with subprocess.Popen(
        [*command, "--model", str(tiny), "--fps-mult", "8"],
        env=environment, cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while json.loads(process.stdout.readline()).get("done", 0) < 1:
            pass
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    stopping, told, last = err.splitlines()
    assert "once more ends it at once" in stopping
    assert "frames are finished and kept in" in told
    assert "Give the same command again to go on." in told
    assert last == "vinr: interrupted"
    work = tmp_path / "in-8x-191.808fps.mp4.vinr"
    assert set(tmp_path.iterdir()) == {tmp_path / "in.mp4", work}
    assert not [p for p in work.iterdir() if ".part" in p.name]
    assert [p for p in work.iterdir() if p.suffix == ".mp4"]


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_reader_that_goes_away_does_not_end_the_job(
    sample: Path, tiny: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Nobody reading the JSON any more, the video is finished all the same."""
    job = f"upscale '{sample}' -o out.mp4 --fps-mult 1 --end 0.1 --json --model '{tiny}'"
    script = f"{sys.executable} -m vinr_cli {job} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=HANG_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert probe(tmp_path / "out.mp4").video.width == 160
