"""Folders of pictures as the target of a job, and as its source."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vinr_cli.errors import (
    InputError,
    OutputError,
    OutputExistsError,
    UsageError,
    VerificationError,
)
from vinr_cli.events import Event, Notice, PartDone, Planned
from vinr_cli.jobs import pictures as target
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.pictures import folder
from vinr_cli.media.pictures.webp import read_animation
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.stills import decode, look
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateKind, RateRequest, SizeRequest

ClipMaker = Callable[..., Path]
STEP = 512
MAKES: dict[str, Any] = {"rgb24": np.uint8, "rgb48le": np.uint16}


def samples(path: Path) -> NDArray[Any]:
    """(H, W, 3) of a picture, 8 or 16 bits."""
    frame = decode(path, look(path).codec).frame
    return frame.to_ndarray(format="rgb48le" if "48" in frame.format.name else "rgb24")


def make_pictures(where: Path, count: int, form: str = "rgb24", first: int = 1) -> Path:
    """Write noise as PNGs."""
    from av.codec import CodecContext
    from av.video.frame import VideoFrame

    where.mkdir()
    rng = np.random.default_rng(7)
    for number in range(first, first + count):
        top = np.iinfo(MAKES[form]).max
        picture = rng.integers(0, top, (32, 48, 3), MAKES[form], endpoint=True)
        codec: Any = CodecContext.create("png", "w")
        codec.width, codec.height, codec.framerate = 48, 32, Fraction(1)
        codec.pix_fmt = form.replace("le", "be")
        frame = VideoFrame.from_ndarray(picture, form).reformat(format=codec.pix_fmt)
        data = b"".join(bytes(p) for p in [*codec.encode(frame), *codec.encode(None)])
        (where / f"f{number}.png").write_bytes(data)
    return where


@pytest.fixture
def spec(tiny: Path, tmp_path: Path) -> JobSpec:
    return JobSpec(
        make_pictures(tmp_path / "in", 12),
        tmp_path / "out" / "%05d.png",
        input_rate=Fraction(24),
        model=str(tiny),
        device="cpu",
        part_frames=4,
    )


def found(output: Path | None) -> list[str]:
    assert output is not None
    return sorted(path.name for path in output.parent.iterdir())


def numbers(count: int) -> list[str]:
    return [f"{number:05}.png" for number in range(count)]


@pytest.mark.parametrize("form", ["rgb24", "rgb48le"])
def test_round_trip(spec: JobSpec, tmp_path: Path, form: str) -> None:
    """At scale 1 and t = 0, PNG in is PNG out to the last bit, of 8 and of 16 bits."""
    source = make_pictures(tmp_path / "deep", 11, form)
    job = JobSpec(
        source, spec.output, model=spec.model, device="cpu", part_frames=4,
        rate=RateRequest(RateKind.MULTIPLY, Fraction(2)),
    )  # fmt: skip
    done = run_upscale(job)
    assert (done.frames, done.duration) == (22, Fraction(11, 25))
    assert found(spec.output) == numbers(22)
    for k in range(11):
        before, after = (
            samples(source / f"f{k + 1}.png"),
            samples(tmp_path / "out" / f"{2 * k:05}.png"),
        )
        assert before.dtype == after.dtype == MAKES[form]
        np.testing.assert_array_equal(before, after)


def test_video_to_deep_pictures(clip: ClipMaker, spec: JobSpec, tmp_path: Path) -> None:
    """A 10-bit video becomes PNGs of 16 bits with a comment, and its sound is told to be lost."""
    source = clip(
        "in.mkv", range(0, 6 * STEP, STEP), codec="ffv1", pix_fmt="yuv422p10le",
        sound=Fraction(1, 4),
    )  # fmt: skip
    events: list[Event] = []
    run_upscale(
        JobSpec(
            source, spec.output, model=spec.model, device="cpu",
            size=SizeRequest(scale=Fraction(2)),
        ),
        events.append,
    )  # fmt: skip
    texts = [e.text for e in events if isinstance(e, Notice)]
    assert "audio stream 1 (aac) is not kept: a folder of pictures cannot hold it" in texts
    assert "png does not take 422 10 bit: rgb 16 bit is used" in texts
    assert found(spec.output) == numbers(6)
    first = tmp_path / "out" / "00000.png"
    assert samples(first).shape == (64, 96, 3)
    assert samples(first).dtype == np.uint16
    assert b"; size 96x64; multiply 1" in first.read_bytes()
    assert b"; 25 pictures a second" in first.read_bytes()


def test_asked_depth(spec: JobSpec) -> None:
    """--pix-fmt makes pictures of 16 bits out of such of 8."""
    run_upscale(
        JobSpec(
            spec.input, spec.output, model=spec.model, device="cpu",
            encode=EncodeOptions(pix_fmt="rgb48be"),
        )
    )  # fmt: skip
    assert spec.output is not None
    picture = samples(spec.output.with_name("00003.png"))
    np.testing.assert_array_equal(picture, samples(spec.input / "f4.png") * np.uint16(257))


def test_resume(spec: JobSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed run leaves its parts and no picture; the next one goes on and makes all."""

    def fail(event: Event) -> None:
        if isinstance(event, PartDone):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_upscale(spec, fail)
    assert found(spec.output) == ["%05d.png.vinr"]
    events: list[Event] = []
    run_upscale(spec, events.append)
    assert any(isinstance(e, Notice) and e.text.startswith("going on: ") for e in events)
    assert found(spec.output) == numbers(12)


def test_interrupted_placing(spec: JobSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends while pictures get their names leaves a file that says so, and resumes."""
    place, count = folder._place, 0

    def fail(*arguments: Any) -> None:
        nonlocal count
        count += 1
        if count > 5:
            raise ZeroDivisionError
        place(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_place", fail)
        with pytest.raises(ZeroDivisionError):
            run_upscale(spec)
    left = found(spec.output)
    assert left == ["%05d.png.unfinished", "%05d.png.vinr", *numbers(5)]
    run_upscale(spec)
    assert found(spec.output) == numbers(12)


def test_changed_input(spec: JobSpec) -> None:
    """A run does not go on if a picture of the input was replaced meanwhile."""

    def fail(event: Event) -> None:
        if isinstance(event, PartDone):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_upscale(spec, fail)
    (spec.input / "f5.png").write_bytes((spec.input / "f6.png").read_bytes())
    with pytest.raises(OutputError, match="input names, sizes and times"):
        run_upscale(spec)


def test_existing_pictures(spec: JobSpec, tmp_path: Path) -> None:
    """Existing pictures are refused; --overwrite replaces them and removes those beyond the end."""
    run_upscale(spec)
    with pytest.raises(OutputExistsError, match=r"00000\.png: exists already, and 11 more"):
        run_upscale(spec)
    (tmp_path / "out" / "note.txt").touch()
    short = JobSpec(
        spec.input, spec.output, model=spec.model, device="cpu", end=Fraction(1, 5), overwrite=True
    )
    run_upscale(short)
    assert found(spec.output) == [*numbers(5), "note.txt"]


def test_source_is_safe(spec: JobSpec) -> None:
    """The input's pictures are not replaced, and its folder takes no others, --overwrite or not."""
    job = JobSpec(
        spec.input, spec.input / "%05d.png", model=spec.model, device="cpu", overwrite=True
    )
    with pytest.raises(OutputError, match="is the folder of the input"):
        run_upscale(job)
    job = JobSpec(
        spec.input / "f%d.png", spec.input / "f%d.png", model=spec.model, device="cpu",
        overwrite=True,
    )  # fmt: skip
    with pytest.raises(OutputError, match=r"f1\.png: is of the input itself"):
        run_upscale(job)


def test_no_folder(spec: JobSpec, tmp_path: Path) -> None:
    """A file where the folder should be is refused before anything is computed."""
    (tmp_path / "file").touch()
    job = JobSpec(spec.input, tmp_path / "file" / "%05d.png", model=spec.model, device="cpu")
    with pytest.raises(OutputError, match="is no folder"):
        run_upscale(job)


def test_one_picture(spec: JobSpec, tmp_path: Path) -> None:
    """A PNG without a number in its name is refused."""
    job = JobSpec(spec.input, tmp_path / "a.png", model=spec.model, device="cpu")
    with pytest.raises(UsageError, match="names one picture"):
        run_upscale(job)


def test_count_is_verified(spec: JobSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost picture is found, and the folder keeps saying that it is not complete."""
    monkeypatch.setattr(target, "write_pictures", lambda *_, **__: 11)
    with pytest.raises(VerificationError, match="11 pictures were written, planned were 12"):
        run_upscale(spec)
    assert "%05d.png.unfinished" in found(spec.output)


def test_damaged_picture(spec: JobSpec, tmp_path: Path) -> None:
    """A damaged picture is concealed and told by name; under --strict it is an error."""
    data = (spec.input / "f5.png").read_bytes()
    (spec.input / "f5.png").write_bytes(data[: len(data) // 2])
    done = run_upscale(spec)
    assert len(done.losses) == 1
    assert "f5.png" in done.losses[0]
    assert found(spec.output) == numbers(12)
    shown = samples(tmp_path / "out" / "00004.png")
    np.testing.assert_array_equal(shown, samples(spec.input / "f4.png"))
    job = JobSpec(
        spec.input, tmp_path / "b" / "%d.png", model=spec.model, device="cpu", strict=True
    )
    with pytest.raises(InputError, match=r"f5\.png"):
        run_upscale(job)


def test_video_of_pictures(spec: JobSpec, tmp_path: Path) -> None:
    """Pictures become a video of the asked rate, without a second file to open."""
    out = tmp_path / "out.mp4"
    done = run_upscale(
        JobSpec(
            spec.input / "f%d.png", out, input_rate=Fraction(24000, 1001), model=spec.model,
            device="cpu",
        )
    )  # fmt: skip
    assert (done.frames, done.duration) == (12, Fraction(12 * 1001, 24000))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned(clip: ClipMaker, spec: JobSpec, tmp_path: Path, degrees: int) -> None:
    """Pictures of a film that players turn are turned themselves, and no sample changes by it."""
    plain = clip("plain.mp4", range(0, 3 * STEP, STEP))
    turned = tmp_path / "turned.mp4"
    command = [str(find_ffmpeg(EncodeOptions())), "-v", "error", "-display_rotation"]
    command += [str(-degrees), "-i", str(plain), "-c", "copy", str(turned)]
    subprocess.run(command, check=True)
    for source in (plain, turned):
        run_upscale(
            JobSpec(source, tmp_path / source.stem / "%d.png", model=spec.model, device="cpu")
        )
    for number in range(3):
        before = samples(tmp_path / "plain" / f"{number}.png")
        after = samples(tmp_path / "turned" / f"{number}.png")
        np.testing.assert_array_equal(np.rot90(before, -degrees // 90), after)


@pytest.mark.parametrize("suffix", [".gif", ".y4m", ".ts", ".avi", ".webp"])
def test_turned_file(clip: ClipMaker, spec: JobSpec, tmp_path: Path, suffix: str) -> None:
    """A format that cannot ask players to turn a film has turned pictures, and a checked size."""
    plain = clip("plain.mp4", range(0, 5 * STEP, STEP))
    turned, out = tmp_path / "turned.mp4", tmp_path / f"out{suffix}"
    command = [str(find_ffmpeg(EncodeOptions())), "-v", "error", "-display_rotation", "-90"]
    subprocess.run([*command, "-i", str(plain), "-c", "copy", str(turned)], check=True)
    events: list[Event] = []
    run_upscale(JobSpec(turned, out, model=spec.model, device="cpu"), events.append)
    planned = next(e for e in events if isinstance(e, Planned))
    assert planned.output_size == (32, 48)
    assert ("rotation", "turned by 90 degrees, pixel for pixel") in planned.details
    if suffix == ".webp":
        assert read_animation(out).size == (32, 48)
        return
    video = probe(out).video
    assert (video.width, video.height, video.rotation) == (32, 48, 0)
