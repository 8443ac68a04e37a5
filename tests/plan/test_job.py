"""A job cannot hold what no input could satisfy."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import LIMITS, JobSpec, RateKind, RateRequest, SizeRequest

HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start": Fraction(-1)}, "--start -1: must be at least 0"),
        ({"start": Fraction(2), "end": Fraction(2)}, "--end: 2 s is not after --start 2 s"),
        ({"end": Fraction(0)}, "--end: 0 s is not after --start 0 s"),
        ({"input_rate": Fraction(0)}, "--input-fps: 0 is not positive"),
        ({"scene_threshold": 100.5}, "--scene-threshold 100.5: must be from 0 to 100"),
        ({"repeat_threshold": float("nan")}, "--dedup-threshold nan: must be from 0 to 100"),
        ({"memory_limit": 0}, "--memory 0: must be at least 1"),
        ({"tile": -1}, "--tile -1: must be at least 0"),
        ({"part_frames": -5}, "--part-frames -5: must be at least 0"),
        ({"precision": "fp8"}, "--precision fp8: is not known. Use one of auto, fp32"),
        ({"device": "cuda:"}, "--device cuda:: is not known"),
    ],
)
def test_a_job_refuses_what_cannot_be(fields: dict[str, Any], words: str) -> None:
    """Each field that is wrong for every input is refused where the job is made, by its option."""
    with pytest.raises(UsageError) as caught:
        JobSpec(Path("in.mp4"), **fields)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("name", [name for name in LIMITS if "." not in name])
def test_limits_are_themselves_allowed(name: str) -> None:
    """The least and the greatest number of a limit may be used, unless other fields forbid it."""
    limit = LIMITS[name]
    ends = [limit.least or (HALF if name == "end" else 0), limit.most]
    for value in ends:
        if value is not None:
            fields: dict[str, Any] = {name: value}
            assert getattr(JobSpec(Path("in.mp4"), **fields), name) == value


@pytest.mark.parametrize("kind", RateKind)
@pytest.mark.parametrize("value", [Fraction(0), Fraction(-25)])
def test_a_rate_is_positive(kind: RateKind, value: Fraction) -> None:
    """A rate of zero or less is refused by the name of the option that asks for it."""
    with pytest.raises(UsageError, match=rf"{kind.option}: {value} is not positive"):
        RateRequest(kind, value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"width": 0}, "--width 0: must be at least 1"),
        ({"height": -3}, "--height -3: must be at least 1"),
        ({"scale": Fraction(2), "width": 640}, "--scale: cannot be combined"),
        ({"scale": Fraction(2), "height": 360}, "--scale: cannot be combined"),
    ],
)
def test_a_size_is_one(fields: dict[str, Any], words: str) -> None:
    """Sides without a pixel, and a scale with a side, are refused."""
    with pytest.raises(UsageError) as caught:
        SizeRequest(**fields)
    assert str(caught.value).startswith(words)
