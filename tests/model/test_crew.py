import threading
from collections.abc import Iterator

import pytest
import torch

from vinr_cli.model.published.crew import divide
from vinr_cli.model.published.sampling import BAND, in_bands

CPU = torch.device("cpu")


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """PyTorch's number of threads, set back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 3], indirect=True)
def test_parts_are_divided_among_threads(threads: int) -> None:
    """Every part is done once, by no more threads than PyTorch has, each with one of OpenMP's."""
    seen: list[tuple[tuple[int, int], str, int]] = []
    meeting = threading.Barrier(threads)

    def work(first: int, last: int) -> None:
        if first < threads:
            meeting.wait(timeout=60)
        who = threading.current_thread().name
        assert torch.is_inference_mode_enabled()
        seen.append(((first, last), who, torch.get_num_threads()))

    parts = [(i, i + 1) for i in range(20)]
    with torch.inference_mode():
        divide(work, parts, CPU)

    assert sorted(part for part, _, _ in seen) == parts
    assert len({who for _, who, _ in seen}) == threads
    assert {count for _, _, count in seen} == {1}
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
def test_an_error_of_a_part_is_raised(threads: int) -> None:
    """What a part raises reaches the caller, and the threads work on afterwards."""

    def work(first: int, last: int) -> None:
        if first == 3:
            raise MemoryError("no room")
        done.append(last)

    done: list[int] = []
    for _ in range(threads):
        with pytest.raises(MemoryError, match="no room"):
            divide(work, [(i, i) for i in range(6)], CPU)
    done.clear()
    divide(work, [(0, 1), (1, 2)], CPU)
    assert sorted(done) == [1, 2]


@pytest.mark.parametrize("threads", [2], indirect=True)
@pytest.mark.parametrize(("count", "device"), [(1, "cpu"), (3, "meta")])
def test_one_part_and_other_devices_stay_with_the_caller(
    threads: int, count: int, device: str
) -> None:
    """A single part may need gradients, and another device has a queue: nothing is divided."""
    del threads
    seen: list[tuple[tuple[int, int], threading.Thread]] = []
    parts = [(i, i + 1) for i in range(count)]

    divide(
        lambda *part: seen.append((part, threading.current_thread())), parts, torch.device(device)
    )

    assert seen == [(part, threading.current_thread()) for part in parts]


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_bands_cover_the_rows(threads: int) -> None:
    """Bands lie side by side; with gradients there is one, made by the caller."""
    del threads
    width = BAND["cpu"] // 4
    bands: list[tuple[int, int]] = []

    def make(top: int, bottom: int) -> None:
        bands.append((top, bottom))

    with torch.inference_mode():
        in_bands(10, width, CPU, make)
    assert sorted(bands) == [(0, 4), (4, 8), (8, 10)]
    bands.clear()
    in_bands(10, width, CPU, make)
    assert bands == [(0, 10)]
