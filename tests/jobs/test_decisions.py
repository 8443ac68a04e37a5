"""What is decided is told: before the work by the plan, and afterwards by the result itself."""

import dataclasses
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vinr_cli import __version__
from vinr_cli.events import Event, Planned
from vinr_cli.jobs.decisions import decisions, details, tags
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.jobs.plan import Worker
from vinr_cli.jobs.planning import plan_upscale
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.read.describe import probe
from vinr_cli.plan.job import (
    EncodeOptions,
    Fit,
    JobSpec,
    RateKind,
    RateRequest,
    SizeRequest,
    SlowAudio,
)
from vinr_cli.plan.sizes import read_size

Made = Callable[[str], Path]

MOVING = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
TAGGED = ("-vf", "setparams=colorspace=bt709:range=tv")
CHAPTERS = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=300\ntitle=a\n"
SOURCES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*MOVING, *TAGGED, *X264),
    "untagged.mp4": (*MOVING, *X264),
    "full.mp4": (*MOVING, "-vf", "scale=out_range=pc,setparams=range=pc:colorspace=bt709", *X264),
    "deep.mkv": (*MOVING, *TAGGED, "-c:v", "libx265", "-pix_fmt", "yuv420p10le",
                 "-x265-params", "log-level=error"),
    "hdr.mkv": (*MOVING, "-vf", "setparams=color_primaries=bt2020:color_trc=smpte2084:"
                "colorspace=bt2020nc", "-c:v", "libx265", "-pix_fmt", "yuv420p10le",
                "-x265-params", "log-level=error:max-cll=1000,400"),
    "rgb.mkv": (*MOVING, "-c:v", "ffv1", "-pix_fmt", "gbrp"),
    "odd.mkv": ("-f", "lavfi", "-i", "testsrc=s=65x49:r=25:d=0.4", "-c:v", "ffv1",
                "-pix_fmt", "yuv420p"),
    "interlaced.mkv": (*MOVING, "-vf", "tinterlace=interleave_top,setfield=tff", *X264,
                       "-flags", "+ildct+ilme"),
    "alpha.mkv": (*MOVING, "-vf", "format=yuva420p,lutyuv=a=128", "-c:v",
                  "libvpx-vp9", "-deadline", "realtime"),
    "wide.mp4": (*MOVING, "-vf", "setsar=4/3", *X264),
    "sound.mkv": (*MOVING, "-f", "lavfi", "-i", "sine=d=0.4", "-i", "TEXT", "-i", "CHAPTERS",
                  "-map", "0", "-map", "1", "-map", "2", "-map_chapters", "3", *X264,
                  "-c:a", "libvorbis"),
    "two.mkv": (*MOVING, "-f", "lavfi", "-i", "testsrc=s=32x32:r=25:d=0.4", "-map", "1",
                "-map", "0", *X264, "-disposition:v:0", "0", "-disposition:v:1", "default"),
    "timecode.mov": (*MOVING, *X264, "-timecode", "01:00:00:10"),
    "rounded.mkv": ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=30000/1001:d=0.4", *X264),
    "gap.mp4": (*MOVING, "-vf", "setpts=PTS+gte(N\\,5)*2/TB", *X264),
    "twos.mp4": ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=12.5:d=1", "-r", "25", *X264),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A source by its name, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "text.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nA\n")
    (folder / "chapters.txt").write_text(CHAPTERS)
    files = {"TEXT": folder / "text.srt", "CHAPTERS": folder / "chapters.txt"}

    def make(name: str) -> Path:
        path = folder / name
        if name == "turned.mp4":
            command = ["-display_rotation", "90", "-i", str(make("plain.mp4")), "-c", "copy"]
        else:
            command = [str(files.get(word, word)) for word in SOURCES[name]]
        if not path.exists():
            ffmpeg = str(find_ffmpeg(EncodeOptions()))
            done = subprocess.run(
                [ffmpeg, "-y", "-nostdin", "-loglevel", "error", *command, str(path)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        return path

    return make


def scaled(value: Fraction | str) -> SizeRequest:
    return SizeRequest(scale=Fraction(value))


SLOW = RateRequest(RateKind.SLOW_MOTION, Fraction(2))

CHANGES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("size", "plain.mp4", {}, {"size": scaled("3/2")}),
    ("rate", "plain.mp4", {}, {"rate": RateRequest(RateKind.TARGET, Fraction(60))}),
    ("start", "plain.mp4", {}, {"start": Fraction(1, 10)}),
    ("end", "plain.mp4", {}, {"end": Fraction(3, 10)}),
    ("model", "plain.mp4", {}, {"model": "clean"}),
    ("deblock", "plain.mp4", {}, {"deblock": 0.5}),
    ("precision", "plain.mp4", {}, {"precision": "bf16"}),
    ("slow_audio", "sound.mkv", {"rate": SLOW}, {"rate": SLOW, "slow_audio": SlowAudio.DROP}),
    ("scene_threshold", "plain.mp4", {}, {"scene_threshold": None}),
    ("repeat_threshold", "twos.mp4", {}, {"repeat_threshold": 4.0}),
    ("deinterlace", "interlaced.mkv", {}, {"deinterlace": False}),
    ("audio", "sound.mkv", {}, {"audio": False}),
    ("subtitles", "sound.mkv", {}, {"subtitles": False}),
    ("alpha", "alpha.mkv", {}, {"alpha": False}),
    ("output", "plain.mp4", {}, {"output": Path("out.mkv")}),
    ("container", "plain.mp4", {"output": Path("-")}, {"output": Path("-"), "container": "webm"}),
    ("encode.codec", "plain.mp4", {}, {"encode": EncodeOptions(codec="h265")}),
    ("encode.crf", "plain.mp4", {}, {"encode": EncodeOptions(crf=11)}),
    ("encode.preset", "plain.mp4", {}, {"encode": EncodeOptions(preset="fast")}),
    ("encode.pix_fmt", "plain.mp4", {}, {"encode": EncodeOptions(pix_fmt="yuv444p")}),
    ("encode.extra", "plain.mp4", {}, {"encode": EncodeOptions(extra=("-g", "7"))}),
    ("encode.lossless", "plain.mp4", {}, {"encode": EncodeOptions(lossless=True)}),
]  # fmt: skip
"""Fields of a job: a source, and two jobs that differ in that field alone."""

NOTHING = {
    "input": "it is what everything else speaks of",
    "input_rate": "see test_pictures_say_at_what_rate",
    "device": "see test_what_works_is_told: `auto` is settled when torch is there",
    "encode": "its fields are",
    "encode.ffmpeg": "another binary makes the same pictures",
    "overwrite": "changes no result",
    "memory_limit": "see test_what_works_is_told, by the tiles",
    "tile": "likewise",
    "strict": "in the plan alone: a result exists only where it was not needed",
    "restart": "changes no result",
    "work_dir": "changes no result",
    "part_frames": "changes no picture",
}
"""Fields that no comment needs to tell, and why."""


def told(spec: JobSpec) -> tuple[dict[str, str], str]:
    """The plan's details, and the comment."""
    plan = plan_upscale(spec)
    return dict(details(plan)), tags(plan)["comment"]


@pytest.mark.parametrize(("field", "source", "before", "after"), CHANGES, ids=lambda v: str(v)[:24])
def test_every_option_that_counts_is_told(
    made: Made, field: str, source: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Two jobs that differ in one field differ in their plan and in their result's comment."""
    first, second = (told(JobSpec(made(source), **options)) for options in (before, after))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_no_option_is_forgotten() -> None:
    """Every field of a job is tried above, or has a reason why not."""
    fields = {field.name for field in dataclasses.fields(JobSpec)}
    fields |= {f"encode.{field.name}" for field in dataclasses.fields(EncodeOptions)}
    tried = {row[0] for row in CHANGES}
    assert tried | set(NOTHING) == fields
    assert not tried & set(NOTHING)


def test_what_happens_to_damage_is_planned(made: Made) -> None:
    """Whether a damaged frame is concealed or ends the job stands in the plan."""
    texts = [told(JobSpec(made("plain.mp4"), strict=strict))[0] for strict in (False, True)]
    assert texts[0]["damage"].endswith("is concealed by the frame before")
    assert texts[1]["damage"].endswith("ends the job")


FOUND: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("untagged.mp4", {}, "colour", "bt601 (untagged, fewer than 720 lines)",
     "colour bt601 (untagged, fewer than 720 lines)"),
    ("plain.mp4", {}, "output colour", "tagged bt709/bt709/bt709", "colour as it was"),
    ("full.mp4", {"encode": EncodeOptions("ffv1"), "output": Path("o.avi")}, "output colour",
     "studio range", "range full to studio"),
    ("deep.mkv", {"encode": EncodeOptions("h264", pix_fmt="yuv420p")}, "output colour", "8 bit",
     "bits 10 to 8"),
    ("plain.mp4", {"output": Path("o.gif")}, "output colour", "256 colours", "256 colours"),
    ("plain.mp4", {"output": Path("o.webp")}, "output colour", "bt601",
     "matrix bt709 to bt601, chroma left to center"),
    ("rgb.mkv", {"output": Path("o.mp4")}, "output colour", "yuv444p", "layout rgb to 444"),
    ("hdr.mkv", {}, "mastering and light levels", "kept", ""),
    ("hdr.mkv", {"encode": EncodeOptions("ffv1")}, "mastering and light levels", "not kept",
     "light levels not kept"),
    ("odd.mkv", {"size": scaled("3/2"), "output": Path("o.mp4")}, "size",
     "65x49 times 1.508x1.51 is 98x74 (97.5x73.5 rounded to even sides)",
     "scale 1.508x1.51; size 98x74 (97.5x73.5 rounded to even sides)"),
    ("interlaced.mkv", {}, "interlaced", "bwdif", "deinterlaced by bwdif"),
    ("alpha.mkv", {}, "alpha", "kept", "alpha kept"),
    ("wide.mp4", {}, "pixel aspect", "4/3 as it is", "pixel aspect 4/3"),
    ("wide.mp4", {"output": Path("o.webp")}, "pixel aspect", "4/3, which webp cannot say", "4/3"),
    ("wide.mp4", {"size": SizeRequest(width=86, height=48)}, "pixel aspect", "4/3 to 1",
     "pixel aspect 4/3 to 1"),
    ("turned.mp4", {}, "rotation", "270 degrees, which players turn by",
     "to be turned by 270 degrees"),
    ("turned.mp4", {"output": Path("o.avi")}, "rotation", "turned by 270 degrees, pixel for pixel",
     "turned by 270 degrees, pixel for pixel"),
    ("sound.mkv", {}, "audio stream 1 (vorbis)", "copied", ""),
    ("sound.mkv", {"output": Path("o.mp4")}, "audio stream 1 (vorbis)",
     "does not fit into mp4: converted to aac",
     "audio stream 1 (vorbis) does not fit into mp4: converted to aac"),
    ("sound.mkv", {"output": Path("o.mp4")}, "subtitle stream 2",
     "does not fit into mp4: converted to mov_text", "converted to mov_text"),
    ("sound.mkv", {"output": Path("o.mp4")}, "chapters", "copied", ""),
    ("sound.mkv", {"output": Path("o.avi")}, "chapters", "not kept: avi has none",
     "chapters not kept: avi has none"),
    ("sound.mkv", {"audio": False}, "audio stream 1 (vorbis)", "left out",
     "audio stream 1 (vorbis) left out"),
    ("sound.mkv", {"rate": SLOW}, "audio stream 1 (vorbis)", "stretched: converted to aac",
     "audio stream 1 (vorbis) stretched"),
    ("two.mkv", {}, "video", "stream 1, one of 2", "video stream 1, one of 2"),
    ("timecode.mov", {}, "data stream 1", "counted on at the new rate", "counted on"),
    ("rounded.mkv", {}, "frame times",
     "rounded in the source: those of its constant rate are used", "rounded in the source"),
    ("gap.mp4", {}, "rate", "variable as it is (multiply 1)", "multiply 1: variable as it is"),
    ("gap.mp4", {"rate": RateRequest(RateKind.TARGET, Fraction(50))}, "rate",
     "variable to constant 50 fps (target 50)", "target 50: variable to constant 50 fps"),
    ("twos.mp4", {"repeat_threshold": 4.0}, "repeats", "interpolated across",
     "repeats interpolated across"),
    ("plain.mp4", {"start": Fraction(1, 5), "end": Fraction(3, 10)}, "range",
     "from 0.2 s until 0.3 s", "the source from 0.2 s until 0.3 s"),
    ("plain.mp4", {"output": Path("o.webp")}, "encoder", "libwebp at quality 90 (parts: ffv1",
     "encoder libwebp at quality 90"),
    ("plain.mp4", {"output": Path("o.gif")}, "container", "gif, times rounded to 10 ms",
     "times rounded to 10 ms"),
    ("plain.mp4", {"output": Path("o.y4m")}, "comment", "none: y4m has no place", ""),
    ("plain.mp4", {"output": Path("o/%05d.png")}, "pictures", "from 0 on, 25 a second",
     "25 pictures a second"),
]  # fmt: skip
"""A source, options, and what plan and comment say of a decision; an empty tag: nothing."""


@pytest.mark.parametrize("row", FOUND, ids=lambda row: f"{row[0]}: {row[2]}")
def test_every_decision_is_told(made: Made, row: tuple[str, dict[str, Any], str, str, str]) -> None:
    """Plan and comment say what is decided, and nothing where a decision changes nothing."""
    source, options, name, text, tag = row
    plan = plan_upscale(JobSpec(made(source), **options))
    found = [d for d in decisions(plan) if d.name.startswith(name)]
    assert text in found[0].text
    if tag:
        assert tag in tags(plan)["comment"]
    else:
        assert found[0].tag == ""
    assert len(dict(details(plan))) == len(details(plan))


def test_what_works_is_told(made: Made) -> None:
    """Device, number format and tiles are told as soon as they are known."""
    plan = plan_upscale(JobSpec(made("plain.mp4")))
    assert "precision" in dict(details(plan))
    plan = dataclasses.replace(plan, worker=Worker("cuda:0", "fp16", 4))
    assert dict(details(plan))["tiles"] == "4"
    assert "precision fp16 on cuda:0; 4 tiles a frame" in tags(plan)["comment"]


def test_folders_are_nobodys_business(made: Made) -> None:
    """Of files that the encoder is given, the comment says the name alone."""
    extra = ("-x264-params", "stats=/home/me/a.log", "-aspect", "4/3")
    plan = plan_upscale(JobSpec(made("plain.mp4"), encode=EncodeOptions(extra=extra)))
    assert "stats=/home/me/a.log" in dict(details(plan))["encoder"]
    assert "-x264-params stats=a.log -aspect 4/3" in tags(plan)["comment"]


def test_pictures_say_at_what_rate(made: Made, tmp_path: Path) -> None:
    """The rate that pictures are taken at is told, and whether it was guessed."""
    ffmpeg = str(find_ffmpeg(EncodeOptions()))
    command = [ffmpeg, "-loglevel", "error", "-i", str(made("plain.mp4"))]
    subprocess.run([*command, str(tmp_path / "%03d.png")], check=True)
    for rate, text in ((None, "25 fps: no rate was given"), (Fraction(24), "24 fps: --input-fps")):
        spec = JobSpec(tmp_path, tmp_path / "o.mp4", input_rate=rate)
        found, comment = told(spec)
        assert found["pictures in"] == text
        assert f"pictures taken at {rate or 25} fps" in comment


def test_the_result_says_what_was_planned(made: Made, tiny: Path, tmp_path: Path) -> None:
    """The comment in the file holds every tag of the plan that was reported."""
    events: list[Event] = []
    spec = JobSpec(made("sound.mkv"), tmp_path / "o.mp4", scaled("2"), model=str(tiny))

    run_upscale(spec, events.append)

    planned = next(event for event in events if isinstance(event, Planned))
    precision = dict(planned.details)["precision"]
    assert precision in ("fp32", "bf16")  # the latter where the kernels round
    worker = Worker(planned.device, precision, 1)
    plan = dataclasses.replace(
        plan_upscale(dataclasses.replace(spec, overwrite=True)), worker=worker
    )
    comment = dict(probe(spec.output or Path()).metadata)["comment"]
    assert comment == tags(plan)["comment"]
    assert comment.startswith(f"vinr {__version__}; model tiny.safetensors; scale 2x2; size 128x96")
    assert tuple(planned.details) == details(plan)


def test_pixels_that_are_no_squares(made: Made, tiny: Path, tmp_path: Path) -> None:
    """A picture keeps its shape at any size; where only squares are shown, a size is named."""
    webp = plan_upscale(JobSpec(made("wide.mp4"), Path("o.webp"), scaled("2")))
    assert "webp shows pixels as squares, and these are 4/3: --size 171x96 looks right" in (
        webp.notices
    )
    squares = SizeRequest(width=171, height=96)
    assert not any("squares" in note for note in plan_upscale(
        JobSpec(made("wide.mp4"), Path("o.webp"), squares)
    ).notices)  # fmt: skip
    for request, size, aspect in (
        (SizeRequest(width=86, height=48), (86, 48), 1),
        (SizeRequest(width=64, height=96), (64, 36), 1),
        (SizeRequest(width=64, height=96, fit=Fit.STRETCH), (64, 96), 1),
        (SizeRequest(height=96), (128, 96), Fraction(4, 3)),
    ):
        spec = JobSpec(made("wide.mp4"), tmp_path / "o.mp4", request, model=str(tiny))
        run_upscale(dataclasses.replace(spec, overwrite=True))
        video = probe(tmp_path / "o.mp4").video
        assert ((video.width, video.height), video.sample_aspect) == (size, aspect)


def test_a_picture_that_does_not_fill_the_size_is_told(made: Made) -> None:
    """A size of another shape is kept inside, and how to fill it is said; 1080p needs no word."""
    square = SizeRequest(width=96, height=96)
    plan = plan_upscale(JobSpec(made("plain.mp4"), size=square))
    assert plan.size == (96, 72)
    note = "it keeps its shape inside of 96x96: --fit stretch fills that, out of shape"
    assert note in plan.notices
    assert ("size", "64x48 times 1.5x1.5 is 96x72 (inside of 96x96)") in details(plan)
    for other in (
        dataclasses.replace(square, fit=Fit.STRETCH),
        SizeRequest(width=96, height=72),
        read_size("144p", "--size"),
    ):
        assert not any("shape" in text for text in plan_upscale(
            JobSpec(made("plain.mp4"), size=other)
        ).notices)  # fmt: skip
