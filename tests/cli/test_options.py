"""The rows: each reaches its field of the job, and each field has its row."""

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import vinr_cli.cli.options as o
from vinr_cli.cli.app import main
from vinr_cli.cli.rows import Option, as_switch
from vinr_cli.plan.job import Fit, JobSpec, RateKind, RateRequest, SizeRequest, SlowAudio

GIVEN: dict[str, tuple[str, Any]] = {
    "--output": ("out.mkv", Path("out.mkv")),
    "--format": (".MKV", "mkv"),
    "--no-audio": ("", False),
    "--no-subs": ("", False),
    "--no-alpha": ("", False),
    "--overwrite": ("", True),
    "--restart": ("", True),
    "--strict": ("", True),
    "--work-dir": ("parts", Path("parts")),
    "--part-frames": ("96", 96),
    "--scale": ("7/2", Fraction(7, 2)),
    "--size": ("640x360", SizeRequest(width=640, height=360)),
    "--fit": ("stretch --size 8x8", Fit.STRETCH),
    "--width": ("1280", 1280),
    "--height": ("720", 720),
    "--fps-mult": ("2.5", RateRequest(RateKind.MULTIPLY, Fraction(5, 2))),
    "--fps": ("59.94", RateRequest(RateKind.TARGET, Fraction(60000, 1001))),
    "--slowmo": ("4", RateRequest(RateKind.SLOW_MOTION, Fraction(4))),
    "--slowmo-audio": ("drop --slowmo 4", SlowAudio.DROP),
    "--input-fps": ("23.976", Fraction(24000, 1001)),
    "--start": ("1:02.5", Fraction(125, 2)),
    "--end": ("90", Fraction(90)),
    "--scene-threshold": ("12.5", 12.5),
    "--no-scene-detection": ("", None),
    "--dedup": ("", 4.0),
    "--dedup-threshold": ("2.5", 2.5),
    "--deinterlace": ("off", False),
    "--model": ("m.safetensors", "m.safetensors"),
    "--deblock": ("1.25", 1.25),
    "--device": ("cuda:3", "cuda:3"),
    "--precision": ("bf16", "bf16"),
    "--tile": ("0", 0),
    "--memory": ("2G", 2 << 30),
    "--codec": ("av1", "av1"),
    "--crf": ("30.5", 30.5),
    "--lossless": ("", True),
    "--preset": ("8", "8"),
    "--pix-fmt": ("yuv420p10le", "yuv420p10le"),
    "--ffmpeg-args": ("-tune", ("-tune",)),
    "--ffmpeg": ("ff", Path("ff")),
}
"""What is typed behind each option, and what its field then holds."""

FIELDLESS = {
    "--input": "names inputs, as INPUT does",
    "--from-list": "names inputs, as INPUT does",
    "--recursive": "says which inputs a folder gives",
    "--include-results": "says which inputs are taken",
    "--allow-network": "inputs are fetched before there is a job",
    "--dry-run": "chooses what is done with the job",
    "--quiet": "about messages",
    "--verbose": "about messages",
    "--json": "about messages",
    "--debug": "about messages",
}
ROWLESS = {"input": "INPUT makes a job for each"}


def name_of(row: Option[object]) -> str:
    return row.names[0]


def held(record: object, path: str) -> object:
    """What a record holds at a path of field names."""
    for name in path.split("."):
        record = getattr(record, name)
    return record


def fields_of(record: object, prefix: str = "") -> set[str]:
    """The paths of all fields of a record, and of the records in it."""
    found: set[str] = set()
    for field in dataclasses.fields(record):  # type: ignore[arg-type]
        inner = getattr(record, field.name)
        path = f"{prefix}{field.name}"
        found |= fields_of(inner, f"{path}.") if dataclasses.is_dataclass(inner) else {path}
    return found


@pytest.mark.parametrize("row", [row for row in o.UPSCALE[1:] if row.field], ids=name_of)
def test_an_option_reaches_its_field(row: Option[object], specs: list[JobSpec]) -> None:
    """Each option changes the field of the job that its row names, to the exact value."""
    words, value = GIVEN[name_of(row)]
    assert main(["upscale", "in.mp4"]) == 0
    assert main(["upscale", "in.mp4", name_of(row), *words.split()]) == 0
    before, after = (held(spec, row.field) for spec in specs)
    assert after == value
    assert before != value


def test_every_option_of_the_job_is_accounted_for() -> None:
    """An option fills a field that is tried above, or has a reason why it fills none."""
    with_field = {name_of(row) for row in o.UPSCALE[1:] if row.field}
    without = {name_of(row) for row in o.UPSCALE[1:] if not row.field}
    assert with_field == set(GIVEN)
    assert without == set(FIELDLESS)


def test_every_field_of_the_job_has_an_option() -> None:
    """A field of a job, and of the records in it, is filled by an option, or has a reason."""
    filled = {row.field for row in o.UPSCALE} - {"input"}
    for path in fields_of(JobSpec(Path("in.mp4"))) - set(ROWLESS):
        assert path in filled or path.split(".")[0] in filled, path


@pytest.mark.parametrize("row", [row for row in o.UPSCALE[1:] if row.field], ids=name_of)
def test_defaults_are_those_of_the_job(row: Option[object]) -> None:
    """What an option is taken for where it is not given is what its field then holds."""
    if row.default is not None and row.reader is not as_switch:
        assert row.default == held(JobSpec(Path("in.mp4")), row.field)


def test_names_are_given_once() -> None:
    """No two options of the job share a name, long or short."""
    names = [name for row in o.UPSCALE for name in row.names]
    assert len(names) == len(set(names))
