import os
import threading
import time
from collections.abc import Iterator

import pytest

from vinr_cli.errors import InputError, ReaderGoneError
from vinr_cli.media.base import pipe
from vinr_cli.media.base.pipe import Inlet, Outlet


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A pipe: (read from, written to)."""
    source, sink = os.pipe()
    yield source, sink
    for end in (source, sink):
        try:
            os.close(end)
        except OSError:
            continue


def test_the_beginning_is_read_twice(ends: tuple[int, int]) -> None:
    """After a rewind the same bytes come again, then what follows them."""
    inlet = Inlet(ends[0])
    assert not inlet.seen
    os.write(ends[1], b"abcdef")
    assert inlet.read(2) + inlet.read(2) == b"abcd"
    inlet.rewind()
    assert inlet.read(3) + inlet.read(3) + inlet.read(3) == b"abcdef"
    os.write(ends[1], b"gh")
    os.close(ends[1])
    assert inlet.read() == b"gh"
    assert inlet.read() == b""
    assert inlet.seen


def test_what_is_remembered_is_bounded(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that shows no picture is given up instead of filling the memory."""
    monkeypatch.setattr(pipe, "_MOST_HELD", 4)
    inlet = Inlet(ends[0])
    os.write(ends[1], b"abcdef")
    with pytest.raises(InputError, match="shows no picture in its first 6 bytes"):
        inlet.read()


def test_cancel_ends_a_waiting_read(ends: tuple[int, int]) -> None:
    """A thread that waits for input comes back when the inlet is cancelled."""
    inlet, got = Inlet(ends[0]), [b"?"]
    thread = threading.Thread(target=lambda: got.append(inlet.read(10)))
    thread.start()
    inlet.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert got[-1] == b""


def test_halt_ends_a_waiting_read(ends: tuple[int, int]) -> None:
    """A request to stop is the end of a stream of which nothing comes."""
    assert Inlet(ends[0], lambda: True).read() == b""


def test_a_slow_reader_gets_everything(ends: tuple[int, int]) -> None:
    """More than a pipe holds is written as it is taken."""
    outlet, data = Outlet(ends[1]), bytes(range(256)) * 1024
    thread = threading.Thread(target=lambda: outlet.write(data))
    thread.start()
    got = b""
    while len(got) < len(data):
        got += os.read(ends[0], 10_000)
    thread.join()
    assert got == data
    assert (outlet.written, outlet.gone) == (len(data), False)


def test_a_reader_that_has_gone(ends: tuple[int, int]) -> None:
    """Writing where nobody reads is an error of its own, with the exit code of SIGPIPE."""
    outlet = Outlet(ends[1])
    os.close(ends[0])
    with pytest.raises(ReaderGoneError) as caught:
        outlet.write(b"x")
    assert outlet.gone
    assert caught.value.exit_code == 141


def test_cancel_ends_a_waiting_write(ends: tuple[int, int]) -> None:
    """A thread that waits for a reader comes back when the outlet is cancelled."""
    outlet, caught = Outlet(ends[1]), []

    def write() -> None:
        try:
            outlet.write(bytes(1 << 20))
        except ReaderGoneError as error:
            caught.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.05)
    outlet.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert len(caught) == 1
    outlet.close()
    outlet.close()
