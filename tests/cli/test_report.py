import dataclasses
import io
import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from vinr_cli.cli import report
from vinr_cli.cli.console import Session
from vinr_cli.cli.pace import Batch, clock, eta, pace
from vinr_cli.cli.report import (
    BarReports,
    JsonReports,
    LineReports,
    QuietReports,
    Reports,
    open_reports,
    plan_lines,
)
from vinr_cli.errors import InputError
from vinr_cli.events import Event, Finished, FramesDone, Notice, Planned

PLANNED = Planned(
    input=Path("films/in[bold].mp4"),
    output=Path("out.mp4"),
    source_size=(160, 96),
    output_size=(320, 192),
    source_rate=Fraction(24000, 1001),
    output_rate=None,
    frames_in=1,
    frames_out=None,
    model="compact",
    device="cpu",
    details=(("encoder", "libx264"),),
)
FINISHED = Finished(Path("out.mp4"), 96, Fraction(1001, 500), 48.04, (("compute", 40.0),))
EVENTS: list[Event] = [
    PLANNED,
    Notice("untagged", "films/in[bold].mp4"),
    FramesDone(0, None, 0.5),
    FramesDone(48, 96, 24.0),
    FramesDone(96, 96, 48.0),
    FINISHED,
]


class Terminal(io.StringIO):
    """A stream that looks like a terminal."""

    def isatty(self) -> bool:
        return True


def play(reports: Reports) -> None:
    with reports:
        for event in EVENTS:
            reports(event)


def test_lines_come_at_most_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe there is a line for the plan, each note, some of the progress, and the end."""
    clock = iter([0.0, 1.0, 6.0, 7.0])
    monkeypatch.setattr("vinr_cli.cli.report.time.monotonic", lambda: next(clock))
    play(LineReports(Session(), verbose=False))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "in[bold].mp4: 160x96, 23.976 fps, 1 frame",
        "  to out.mp4: 320x192, variable rate, frames unknown, compact model on cpu",
        "in[bold].mp4: note: untagged",
        "in[bold].mp4: 48/96 frames, 2.00 frames/s, ETA 0:00:24",
        "out.mp4: 96 frames, 2.002 s; made in 48.0 s (2.00 frames/s)",
    ]


def test_verbose_adds_decisions_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    """--verbose says every detail of the plan and the seconds of each stage."""
    play(LineReports(Session(), verbose=True))
    lines = capsys.readouterr().err.splitlines()
    assert "  encoder: libx264" in lines
    assert "  compute: 40.0 s" in lines


def test_the_bar_shows_frames_pace_and_eta(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar shows frames done of all, frames/s and ETA, and is gone at the end."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    reports = open_reports(Session(), quiet=False, verbose=False, as_json=False)
    assert isinstance(reports, BarReports)
    play(reports)
    shown = stream.getvalue()
    assert "in[bold].mp4" in shown
    assert "96/96 2.00 frames/s ETA 0:00:00" in shown
    assert shown.endswith("made in 48.0 s (2.00 frames/s)\n")
    assert "\x1b[?25h" in shown  # the cursor is back


def test_a_failure_takes_the_bar_away_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of an error stands alone at the end, below no bar."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    reports = BarReports(Session(), verbose=False)
    reports(PLANNED)
    reports(FramesDone(1, 9, 1.0))
    assert reports.failed(Path("in.mp4"), InputError("in.mp4", "is torn")) == 3
    assert stream.getvalue().endswith("\x1b[2Kvinr: error: in.mp4: is torn\n")


def test_json_objects_are_one_per_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line is an object with its event's name; the last progress always comes."""
    monkeypatch.setattr("vinr_cli.cli.report.time.monotonic", lambda: 100.0)
    reports = JsonReports(Session())
    play(reports)
    assert reports.failed(Path("b.mp4"), InputError("b.mp4", "is torn", "Mend it.")) == 3
    assert reports.failed(Path("c.mp4"), ValueError("odd")) == 1
    out, err = capsys.readouterr()
    objects = [json.loads(line) for line in out.splitlines()]
    names = ["planned", "notice", "progress", "progress", "finished", "failed", "failed"]
    assert [o["event"] for o in objects] == names
    assert objects[0]["source_rate"] == "24000/1001"
    assert objects[0]["output_rate"] is None
    assert objects[0]["details"] == {"encoder": "libx264"}
    assert [o["done"] for o in objects[2:4]] == [0, 96]
    assert objects[4]["duration"] == 2.002
    assert objects[5] == {
        "event": "failed",
        "input": "b.mp4",
        "error": "InputError",
        "subject": "b.mp4",
        "cause": "is torn",
        "fix": "Mend it.",
        "exit_code": 3,
    }
    assert objects[6]["error"] == "ValueError"
    assert err.splitlines()[0] == "vinr: error: b.mp4: is torn. Mend it."


def test_the_streams_decide_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON and quiet win over the terminal; a pipe or a dumb terminal gets plain lines."""
    options = {"quiet": False, "verbose": False, "as_json": False}
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert type(open_reports(Session(), **options)) is LineReports
    monkeypatch.setenv("TERM", "xterm")
    assert type(open_reports(Session(), **options)) is BarReports
    assert type(open_reports(Session(), **options | {"quiet": True})) is QuietReports
    assert type(open_reports(Session(), **options | {"as_json": True})) is JsonReports
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert type(open_reports(Session(), **options)) is LineReports


def test_pace_and_eta_of_a_beginning() -> None:
    """Before the first frame, and without a total, there is a dash and no division by zero."""
    assert pace(FramesDone(0, 10, 0.0)) == "-"
    assert eta(FramesDone(0, 10, 1.0)) == "-"
    assert eta(FramesDone(5, None, 1.0)) == "-"
    assert eta(FramesDone(1, 3601, 1.0)) == "1:00:00"


def test_a_plan_before_the_device_is_known_names_none() -> None:
    """Where the device is still auto, the plan does not claim one."""
    event = Planned(**{f: getattr(PLANNED, f) for f in PLANNED.__slots__} | {"device": "auto"})
    assert "auto" not in " ".join(plan_lines(event, verbose=False))
    assert report.LINE_SECONDS > 1


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("vinr_cli.cli.pace.time.monotonic", lambda: self.now)


def test_the_time_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is left is told by the work of each job, at the pace of what was done so far."""
    time = Clock(monkeypatch)
    batch = Batch([100.0, 300.0, 0.0])  # an unknown job counts as the mean of the others, 200
    batch.begin(0)
    assert str(batch) == "1 of 3"
    time.now += 50
    assert batch.left(FramesDone(0, 10, 0.0)) == "-"
    assert batch.left(FramesDone(5, 10, 50.0)) == clock(550)
    time.now += 50
    assert batch.left(FramesDone(10, 10, 100.0)) == clock(500)
    batch.begin(1)
    assert str(batch) == "2 of 3"
    time.now += 100
    assert batch.left(FramesDone(10, 30, 100.0)) == clock(400)


def test_a_job_that_was_done_before_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped jobs take no part in the pace, nor do frames of an earlier run."""
    time = Clock(monkeypatch)
    batch = Batch([100.0, 100.0, 100.0])
    batch.begin(0)
    time.now += 7
    batch.begin(1)
    time.now += 10
    assert batch.left(FramesDone(60, 100, 10.0, earlier=50)) == clock(140)


def test_one_job_is_no_batch() -> None:
    """A single job has no place and no time but its own."""
    batch = Batch([5.0])
    batch.begin(0)
    assert str(batch) == ""
    assert batch.left(FramesDone(5, 10, 5.0)) == ""


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_the_bar_of_a_batch_fits(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any width the bar is one line, with the place in the batch and the time of all."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    reports = BarReports(Session(), verbose=False)
    reports.batch = Batch([1.0] * 12)
    reports.batch.begin(2)
    reports(dataclasses.replace(PLANNED, input=Path("a long name of a film of somebody's.mp4")))
    reports(FramesDone(480, 9600, 24.0))
    reports.close()
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()).replace("\r", "\n").split("\n")
    bar = next(line for line in lines if " all " in line)
    assert len(bar.rstrip()) <= columns
    assert ("3/12 " in bar) is (columns < 72)
    assert ("3 of 12: a long" in bar) is (columns >= 72)
    assert ("480/9600" if columns >= 72 else "  5% ") in bar
    assert max(map(len, lines)) <= columns


def test_lines_of_a_batch_say_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe, plan and progress say which job of how many it is, and the time of all."""
    monkeypatch.setattr(report, "LINE_SECONDS", 0.0)
    reports = LineReports(Session(), verbose=False)
    reports.batch = Batch([1.0, 1.0])
    reports.batch.begin(0)
    play(reports)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1 of 2: in[bold].mp4: 160x96, 23.976 fps, 1 frame"
    pattern = r"1 of 2: in\[bold\].mp4: 48/96 frames, 2.00 frames/s, ETA 0:00:24, all \d:\d\d:\d\d"
    assert any(re.fullmatch(pattern, line) for line in lines)
