"""The published network against its formulas written down literally, on the same cores.

Run it as ``python benchmarks/published.py`` (``--threads 1``). Both have the same seeded weights.
Ours works in plain PyTorch and with the native kernels. Each kind has a process of its own, which
does the same several times; the middle one counts. Ours keeps freed memory and lets waiting threads
sleep, as the program does; the literal one (the tests' oracle) leaves both as they are, as a plain
script would. Then each works once on larger frames, and its peak memory is printed. A "further"
pair shares its first frame with the pair before, as all but the first one of a video do; the
literal one encodes both frames.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import timeit
from collections.abc import Callable
from statistics import median
from unittest.mock import patch

import torch
from torch import Tensor

from harness import oracle, seeding
from vinr_cli.cli.app import SPINS
from vinr_cli.engine.memory import keep_freed_memory
from vinr_cli.model import Grid, ModelConfig, layers
from vinr_cli.model.published import deform
from vinr_cli.model.published.encoder import PublishedFeatures, PublishedFrame
from vinr_cli.model.published.network import PublishedVideoINR

SMALL, LARGE, SCALE = (64, 112), (180, 320), 4
"""(height, width) of the LR frames for time and for memory."""

KINDS = {"literal": "0", "PyTorch": "0", "native": "1"}
"""What does the work, and its setting of VINR_NATIVE."""

Work = Callable[[], object]


def published() -> PublishedVideoINR:
    """The published configuration with the tests' seeded weights."""
    network = PublishedVideoINR(ModelConfig.published()).eval()
    seeding.seed_weights(network)
    return network


def enlarged(frames: Tensor) -> tuple[int, int]:
    """(height, width) of the output."""
    return SCALE * frames.shape[-2], SCALE * frames.shape[-1]


def encode(kind: str, network: PublishedVideoINR, frames: Tensor) -> PublishedFeatures | Tensor:
    """A pair's features; the literal ones alone."""
    if kind != "literal":
        return network.encode_pair(*(network.encode_frame(frames[:, i]) for i in (0, 1)))
    plain = patch.object(layers, "usable", lambda *_: False)  # a convolution is a conv2d
    with plain, patch.object(deform, "deform_conv", oracle.deform_conv):
        return oracle.encode(network, frames)


def encode_further(
    kind: str, network: PublishedVideoINR, frames: Tensor, first: PublishedFrame
) -> PublishedFeatures | Tensor:
    """The same of a pair whose first frame was the second one of the pair before."""
    if kind == "literal":
        return encode(kind, network, frames)
    return network.encode_pair(first, network.encode_frame(frames[:, 1]))


def decode(
    network: PublishedVideoINR, features: PublishedFeatures | Tensor, frames: Tensor, count: int
) -> None:
    """The colours at some times between two frames, the first frame's own among them.

    Ours does once what needs no time.
    """
    times, size = [torch.tensor([k / count]) for k in range(count)], enlarged(frames)
    if isinstance(features, Tensor):
        for t in times:
            oracle.decode(network, features, frames, t, size)
        return
    prepared = network.prepare(features, Grid.full((frames.shape[-2], frames.shape[-1]), size))
    for t in times:
        network.render(prepared, t)


def works(kind: str) -> dict[str, Work]:
    """What is timed, by name."""
    network, frames = published(), seeding.frames(*SMALL)
    features, before = encode(kind, network, frames), network.encode_frame(frames[:, 0])

    def further(count: int) -> None:
        decode(network, encode_further(kind, network, frames, before), frames, count)

    return {
        "encoder": lambda: encode(kind, network, frames),
        "encoder, a further pair": lambda: encode_further(kind, network, frames, before),
        "decoder, 2 times": lambda: decode(network, features, frames, 2),
        "a further pair, 2 times": lambda: further(2),
        "a further pair, 8 times": lambda: further(8),
    }


def measure(kind: str, repeats: int) -> None:
    """Print the middle seconds of each work, and by how many MiB the peak rises on large frames."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if kind != "literal":
        keep_freed_memory()
    found: dict[str, float] = {}
    with torch.inference_mode():
        if repeats == 0:
            network, frames = published(), seeding.frames(*LARGE)
            before = peak()
            decode(network, encode(kind, network, frames), frames, 1)
            found["memory"] = peak() - before
        else:
            for name, work in works(kind).items():
                found[name] = median(timeit.repeat(work, number=1, repeat=repeats))
    print(json.dumps(found))


def peak() -> float:
    """The process's peak so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(kind: str, threads: int, repeats: int) -> dict[str, float]:
    """What `measure` finds in a process of its own."""
    command = [sys.executable, __file__, "--kind", kind, "--repeats", str(repeats)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "VINR_NATIVE": KINDS[kind]}
    if kind != "literal":
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    if kind == "PyTorch":
        environment["GOMP_SPINCOUNT"] = SPINS
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        measure(arguments.kind, arguments.repeats)
        return 0
    found = {k: apart(k, arguments.threads, arguments.repeats) for k in KINDS}
    print(f"LR {SMALL[0]}x{SMALL[1]}, x{SCALE}, {arguments.threads} threads\n")
    print("| |" + "|".join(f" {kind} " for kind in KINDS) + "|\n|---|" + "---|" * len(KINDS))
    for name, slow in found["literal"].items():
        times = (f"{f[name] * 1e3:.0f} ms ({slow / f[name]:.1f} x)" for f in found.values())
        print(f"| {name} | {' | '.join(times)} |")
    memory = {k: apart(k, arguments.threads, 0)["memory"] for k in KINDS}
    shares = (f"{m:.0f} MiB ({100 * m / memory['literal']:.0f} %)" for m in memory.values())
    print(f"| peak memory at LR {LARGE[0]}x{LARGE[1]}, one time | {' | '.join(shares)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
