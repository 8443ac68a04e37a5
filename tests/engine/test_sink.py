from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vinr_cli.engine.frames import FinishedFrame, PartBoundary
from vinr_cli.engine.host_copies import PendingDownload
from vinr_cli.engine.progress import Progress
from vinr_cli.engine.sink import EncoderSink
from vinr_cli.errors import VinrError
from vinr_cli.events import Event, FramesDone


class Parts:
    """A writer of parts that keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def write(self, planes: list[NDArray[Any]], pts: int) -> None:
        self.given.append((planes, pts))

    def turn(self, stop: int) -> None:
        self.given.append(stop)

    def abort(self) -> None:
        raise AssertionError("nothing fails here")


def downloaded(plane: torch.Tensor, *, finite: bool = True) -> FinishedFrame:
    download = PendingDownload([plane], torch.tensor(finite), None)
    return FinishedFrame(7, 512, download.planes, download)


def test_frames_and_boundaries_arrive_in_order() -> None:
    """A frame is written with its time, a boundary ends the part; frames alone are counted."""
    events: list[Event] = []
    writer, progress = Parts(), Progress(events.append)
    sink = EncoderSink(writer, 8, progress)
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    sink.take(FinishedFrame(0, 100, [plane], None))
    sink.take(PartBoundary(4))
    sink.take(downloaded(torch.from_numpy(plane)))
    progress.finish()

    (first, pts), stop, (last, later) = writer.given
    assert (pts, stop, later) == (100, 4, 512)
    assert np.array_equal(first[0], plane)
    assert np.array_equal(last[0], plane)
    assert [event.done for event in events if isinstance(event, FramesDone)] == [2]


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint16])
def test_deep_planes_arrive_as_unsigned_16_bits(kind: Any) -> None:
    """However the device held them: as 16 bits without a sign, or wider."""
    codes = np.array([[0, 1023, 40_000, 65_535]])
    given = codes.astype(np.uint16).view(np.int16) if kind is np.int16 else codes.astype(kind)
    writer = Parts()
    plane = given if kind is np.uint16 else torch.from_numpy(given)
    EncoderSink(writer, 10, Progress(lambda _: None)).take(FinishedFrame(0, 0, [plane], None))
    ((planes, _),) = writer.given
    assert planes[0].dtype == np.uint16
    assert planes[0].flags.c_contiguous
    assert np.array_equal(planes[0], codes)


def test_values_that_are_not_finite_are_never_written() -> None:
    """A NaN that left the device with a frame is an error that names the frame."""
    writer = Parts()
    sink = EncoderSink(writer, 8, Progress(lambda _: None))
    with pytest.raises(VinrError, match="output frame 7"):
        sink.take(downloaded(torch.zeros(2, 2, dtype=torch.uint8), finite=False))
    assert writer.given == []
