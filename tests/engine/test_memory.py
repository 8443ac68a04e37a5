import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch

from vinr_cli.engine import memory
from vinr_cli.model import ModelConfig, Network

CPU = torch.device("cpu")

LIBC = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
"""


def printed(code: str) -> list[str]:
    """The words that a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_the_free_memory_of_this_machine_is_plausible() -> None:
    """Between 16 MiB and 64 TiB."""
    assert 1 << 24 < memory.free_bytes(CPU) < 1 << 46


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the container may still use wins where it is less than what the machine has."""
    limit, use = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(memory, "_CGROUPS", ((str(limit), str(use)),))
    everything = memory.free_bytes(CPU)
    use.write_text("1000000\n")
    limit.write_text("3000000\n")
    assert memory.free_bytes(CPU) == 2_000_000
    limit.write_text("500\n")
    assert memory.free_bytes(CPU) == 0
    limit.write_text("max\n")
    assert memory.free_bytes(CPU) > everything // 2


def test_a_system_that_does_not_say_has_a_fallback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without /proc, sysconf and a container, two GiB are taken for free."""

    def unknown(_: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_CGROUPS", ())
    assert memory.free_bytes(CPU) > 1 << 24  # sysconf knows
    monkeypatch.setattr("os.sysconf", unknown)
    assert memory.free_bytes(CPU) == memory.UNKNOWN_FREE


def test_a_budget_is_the_users_or_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit counts as given; without one, half of what is free on a CPU."""
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1000)
    assert memory.budget_of(CPU, 77) == 77
    assert memory.budget_of(CPU, None) == 500


def test_a_gpus_free_memory_counts_what_pytorch_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free is what the driver calls free, and cached blocks that nothing lives in."""
    asked = []

    def told(device: torch.device) -> tuple[int, int]:
        asked.append(device)
        return 10 << 30, 16 << 30

    monkeypatch.setattr(torch.cuda, "mem_get_info", told)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 5 << 30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 3 << 30)
    device = torch.device("cuda", 1)
    assert memory.free_bytes(device) == 12 << 30
    assert asked == [device]
    assert memory.budget_of(device, None) == int(0.85 * (12 << 30)) - memory.WORKSPACE["cuda"]
    assert memory.budget_of(device, 77) == 77


def test_a_full_gpu_leaves_nothing_and_not_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where less than the libraries' workspaces is free, the budget is 0: the smallest tile."""
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1 << 29)
    assert memory.budget_of(torch.device("cuda", 0), None) == 0


def test_a_gpus_cached_blocks_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before smaller tiles are tried on CUDA the cache is emptied; on a CPU there is none."""
    emptied = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    memory.release(CPU)
    assert emptied == []
    memory.release(torch.device("cuda", 0))
    assert emptied == [1]


def test_every_network_states_its_figures() -> None:
    """Both families state halo, alignment and bytes; the published one is the dearer."""
    compact = Network(ModelConfig.compact(octaves=1))
    published = Network(ModelConfig.published(width=8, front_blocks=1, back_blocks=1))

    assert (compact.halo, compact.alignment) == (80, 16)
    assert (published.halo, published.alignment) == (64, 4)
    assert published.pair_bytes > compact.pair_bytes


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("whatever"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9"), True),
        (RuntimeError("could not create a primitive"), True),  # oneDNN
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error: BaseException, expected: bool) -> None:
    """The devices' own words for it are known, and nothing else is mistaken for it."""
    assert memory.is_out_of_memory(error) is expected


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/statm")
def test_the_limit_of_the_process_counts() -> None:
    """Under `ulimit -v` what is free is what the process may still map."""
    code = (
        "import resource, torch\n"
        "from vinr_cli.engine.memory import free_bytes\n"
        "mapped = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (mapped + (300 << 20), resource.RLIM_INFINITY))\n"
        "print(free_bytes(torch.device('cpu')))\n"
    )
    assert 200 << 20 < int(printed(code)[0]) <= 300 << 20


def test_a_real_allocation_failure_is_recognised() -> None:
    """What torch raises on this machine for an absurd tensor counts as out of memory."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert memory.is_out_of_memory(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_freed_memory_is_kept() -> None:
    """Afterwards a large block that is freed and taken again costs no new pages."""
    code = (
        f"{LIBC}from vinr_cli.engine.memory import keep_freed_memory\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    block = libc.malloc(256 << 20)\n"
        "    ctypes.memset(block, 1, 256 << 20)\n"
        "    libc.free(block)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "took = keep_freed_memory()\n"
        "faults()\n"
        "print(took, faults())\n"
    )
    took, faults = printed(code)
    if took == "True":
        assert int(faults) < 100


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_a_freed_block_below_a_living_one_is_given_back_once_memory_ran_out() -> None:
    """Kept, it stays the process's address space; after `release` it does not."""
    code = (
        f"{LIBC}import torch\n"
        "from vinr_cli.engine.memory import keep_freed_memory, release\n"
        "def mapped():\n"
        "    return int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "def left_behind():\n"
        "    before = mapped()\n"
        "    block, living = libc.malloc(256 << 20), libc.malloc(2 << 20)\n"
        "    libc.free(block)\n"
        "    return mapped() - before\n"
        "took = keep_freed_memory()\n"
        "print(took, left_behind())\n"
        "release(torch.device('cpu'))\n"
        "block = libc.malloc(250 << 20)\n"  # what was kept before is still used first
        "print(left_behind())\n"
    )
    took, kept, given_back = printed(code)
    if took == "True":
        assert int(kept) >= 256 << 20
        assert int(given_back) < 16 << 20


def test_what_a_failed_computation_held_is_given_back() -> None:
    """A tensor in a cycle, as an error's traceback makes them, is gone after `release`."""

    class Held:
        pass

    tensor, holder = torch.zeros(1), Held()
    vars(holder).update(itself=holder, tensor=tensor)
    gone = weakref.ref(tensor)
    del tensor, holder
    memory.release(CPU)
    assert gone() is None


STARVED = """
import itertools, resource, sys, torch
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.engine.memory import keep_freed_memory
from vinr_cli.model import ModelConfig, Network

keep_freed_memory()
torch.manual_seed(0)
torch.set_num_threads(2)
network = Network(ModelConfig.compact()).eval()
lr, hr = (360, 640), (540, 960)
frames = [torch.rand(3, *lr) for _ in range(4)]
pairs = list(itertools.pairwise(frames))
told = []

def outputs(**options):
    renderer = PairRenderer(network, lr, hr, **options)
    with renderer.looking_ahead():
        for i, pair in enumerate(pairs):
            renderer.pair(*pair)
            renderer.expect(pairs[i + 1 : i + 3])
            yield from renderer.render_all([0.0, 0.5])

wanted = [output.half() for output in outputs(tile=96, budget=1 << 26)]
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = mapped + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
made = list(outputs(budget=8 << 30, notify=told.append))
assert len(made) == len(wanted) == 6
assert told, "memory never ran out"
worst = max(float((a - b.float()).abs().max()) for a, b in zip(made, wanted))
assert worst < 1.5 / 255, worst
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
@pytest.mark.parametrize("megabytes", [150, 300])
def test_a_process_that_may_map_little_makes_every_frame(megabytes: int) -> None:
    """Told that memory is plenty, under a real limit it runs out, goes on, and loses nothing."""
    done = subprocess.run(
        [sys.executable, "-c", STARVED, str(megabytes)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
