import time

import pytest

from vinr_cli.engine.progress import REPORT_SECONDS, Progress
from vinr_cli.events import Event, FramesDone


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which stands still until it is changed."""
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    return clock


def test_reports_do_not_come_too_often(now: list[float]) -> None:
    """Between two updates that report lie `REPORT_SECONDS`; the last report comes in any case."""
    events: list[Event] = []
    progress = Progress(events.append, total=9)
    now[0] += 50
    progress.start()
    for _ in range(4):
        progress.count()
        progress.update()
        now[0] += 0.6 * REPORT_SECONDS
    progress.finish()
    done = [(e.done, e.seconds) for e in events if isinstance(e, FramesDone)]
    assert [frames for frames, _ in done] == [3, 4]
    assert done[0][1] == pytest.approx(1.2 * REPORT_SECONDS)
    assert progress.seconds == pytest.approx(2.4 * REPORT_SECONDS)


def test_frames_of_earlier_passes_are_counted() -> None:
    """What was finished before belongs to the total, and is named."""
    events: list[Event] = []
    progress = Progress(events.append, total=30, earlier=20)
    progress.count()
    progress.finish()
    (event,) = events
    assert isinstance(event, FramesDone)
    assert (event.done, event.total, event.earlier) == (21, 30, 20)
