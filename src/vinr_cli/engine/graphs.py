"""CUDA graphs: a network's step recorded once for a shape, and then started with one call.

The search of motion is hundreds of small kernels; at small sizes starting them takes the host
longer than the device needs for them. A recording has its tensors at fixed addresses, so inputs are
copied in and outputs are copied out, which costs what their bytes cost.

``VINR_CUDA_GRAPHS=1`` turns this on, on CUDA devices alone. It is off because whether it pays has
not been measured: nothing here has run on a GPU. ``benchmarks/gpu.py`` measures it. A recording is
compared with what the step gave without it, and not used where it differs or could not be made.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor

from vinr_cli.engine.memory import is_out_of_memory

SWITCH = "VINR_CUDA_GRAPHS"
"""Environment variable; 1 turns graphs on."""

SHAPES = 4
"""Shapes that a step is recorded for; a frame's tiles have few. Others run as they are."""

WARM_UP = 2
"""Runs before a recording, in which libraries choose their algorithms."""

CLOSE = 1e-2
"""Largest difference, relative to the largest value, of a recording from what it records. Libraries
may choose another algorithm; half precision is rounded elsewhere then."""

V = TypeVar("V")


class Recorder(Protocol):
    """What can record work on a device."""

    def record(
        self, work: Callable[[], Sequence[Tensor]]
    ) -> tuple[list[Tensor], Callable[[], Any]]:
        """Record work whose inputs stay where they are.

        Args:
            work: Gives its results, new each time.

        Returns:
            Tensors that hold the results after each call of the second, which repeats the work.

        Raises:
            RuntimeError: the work cannot be recorded.
        """


class CudaRecorder:
    """Records CUDA graphs; they share their memory, because one is read before the next begins.

    Not run on a GPU yet.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def record(
        self, work: Callable[[], Sequence[Tensor]]
    ) -> tuple[list[Tensor], Callable[[], Any]]:
        """See `Recorder.record`."""
        with torch.cuda.device(self._device):  # graphs are made on the current one
            return self._record(work)

    def _record(
        self, work: Callable[[], Sequence[Tensor]]
    ) -> tuple[list[Tensor], Callable[[], Any]]:
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                work()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads go on copying frames meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            results = list(work())
        return results, graph.replay


def recorder_for(device: torch.device) -> Recorder | None:
    """What records steps on a device; None where nothing is to be recorded."""
    if device.type != "cuda" or os.environ.get(SWITCH) != "1":
        return None
    return CudaRecorder(device)


@dataclass(frozen=True, eq=False)
class _Recording:
    """A step for one shape.

    Attributes:
        inputs: Where its tensors are expected.
        arguments: What the step was recorded with.
        value: What it returned.
        results: The new tensors of `value`, in order.
        replay: Repeats it.
    """

    inputs: list[Tensor]
    arguments: tuple[Any, ...]
    value: Any
    results: list[Tensor]
    replay: Callable[[], Any]


class Recorded(Generic[V]):
    """A function of feature dataclasses, tensors and tuples of them, recorded for each shape.

    What it returns is its own: nothing is overwritten by the next call. Parts of the arguments
    that the function returns as they are come back as those that were given.

    Args:
        function: Reads nothing but its arguments and weights, and decides by shapes alone.
        recorder: Of the device.
    """

    def __init__(self, function: Callable[..., V], recorder: Recorder) -> None:
        self._function = function
        self._recorder = recorder
        self._known: dict[tuple[Any, ...], _Recording | None] = {}

    def forget(self) -> None:
        """Give all recordings' memory back, and record nothing any more."""
        self._known = dict.fromkeys(self._known)
        self._recorder = _Nothing()

    def __call__(self, *args: Any) -> V:
        """Call the function."""
        tensors = list(_tensors(args))
        key = tuple((t.shape, t.stride(), t.dtype) for t in tensors)
        if key not in self._known:
            value = self._function(*args)
            self._known[key] = self._recorded(args, tensors, value)
            return value
        recording = self._known[key]
        if recording is None:
            return self._function(*args)
        return cast(V, _repeat(recording, args, tensors))

    def _recorded(
        self, args: tuple[Any, ...], tensors: Sequence[Tensor], exact: Any
    ) -> _Recording | None:
        """A recording that gives what the function gave, or None."""
        if sum(known is not None for known in self._known.values()) >= SHAPES:
            return None
        copies = {id(t): t.clone() for t in tensors}
        inputs = [copies[id(t)] for t in tensors]
        arguments = cast(tuple[Any, ...], _swapped(args, copies, {}))
        given = {id(part) for part in _parts(arguments)}
        value: list[Any] = []

        def work() -> list[Tensor]:
            value[:] = [self._function(*arguments)]
            return list(_tensors(value, given))

        try:
            results, replay = self._recorder.record(work)
            recording = _Recording(inputs, arguments, value[0], results, replay)
            same = _close(_repeat(recording, args, tensors), exact)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            return None
        return recording if same else None


class _Nothing:
    """A recorder that records nothing."""

    def record(
        self, work: Callable[[], Sequence[Tensor]]
    ) -> tuple[list[Tensor], Callable[[], Any]]:
        raise RuntimeError("nothing is recorded any more")


def _repeat(recording: _Recording, args: tuple[Any, ...], tensors: Sequence[Tensor]) -> Any:
    """Fill the inputs, replay, and copy the results out."""
    for place, tensor in zip(recording.inputs, tensors, strict=True):
        place.copy_(tensor)
    recording.replay()
    copies = {id(result): result.clone() for result in recording.results}
    given = dict(zip(map(id, _parts(recording.arguments)), _parts(args), strict=True))
    return _swapped(recording.value, copies, given)


def _children(value: object) -> list[object] | None:
    """What a value is made of; None if it is no container."""
    if isinstance(value, tuple | list):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, f.name) for f in dataclasses.fields(value)]
    return None


def _parts(value: object) -> Iterator[object]:
    """A value and everything in it that can be recognised: containers and tensors."""
    children = _children(value)
    if children is not None or isinstance(value, Tensor):
        yield value
    for child in children or ():
        yield from _parts(child)


def _tensors(value: object, without: set[int] | None = None) -> Iterator[Tensor]:
    """The tensors in a value, each once, in order; parts in `without` are left out by identity."""
    seen = set(without or ())

    def walk(part: object) -> Iterator[Tensor]:
        if id(part) in seen:
            return
        if isinstance(part, Tensor):
            seen.add(id(part))
            yield part
        for child in _children(part) or ():
            yield from walk(child)

    return walk(value)


def _swapped(value: object, tensors: dict[int, Tensor], parts: dict[int, object]) -> object:
    """A value with tensors and whole parts replaced, found by identity."""
    if id(value) in parts:
        return parts[id(value)]
    if isinstance(value, Tensor):
        return tensors[id(value)]
    children = _children(value)
    if children is None:
        return value
    new = [_swapped(child, tensors, parts) for child in children]
    if isinstance(value, list):
        return new
    if isinstance(value, tuple):
        return tuple(new)
    fields = dataclasses.fields(cast(Any, value))
    names = (f.name for f in fields)
    return dataclasses.replace(cast(Any, value), **dict(zip(names, new, strict=True)))


def _close(ours: object, exact: object) -> bool:
    """Whether two values of one structure hold nearly the same numbers."""
    pairs = [(a.float(), b.float()) for a, b in zip(_tensors(ours), _tensors(exact), strict=True)]
    return all(
        a.shape == b.shape and bool((a - b).abs().max() <= CLOSE * b.abs().max().clamp(min=1e-6))
        for a, b in pairs
        if b.numel()
    )
