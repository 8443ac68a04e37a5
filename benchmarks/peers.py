"""vinr, other people's networks and the usual filters on the same clips, in one table.

Run it as ``python benchmarks/peers.py CLIPS --table peers.md --json peers.json`` (outside of CI).
It makes environments with pinned public wheels (`peer_envs.py`), downloads nothing else, and says
what cannot run and why. Every method gets the same frames at the same sizes on the same cores
(``taskset -c 0,1`` chooses them), and is measured as `vinr evaluate` measures.

Figures of pictures are means over clips, at the times that a task names. Speeds are output frames a
second in the long run, without starting and loading: a peer's from frames in memory to frames in
memory; a filter's likewise, but with ffmpeg's start; that of vinr by the program itself, PNG in and
x264 out (``--speed-frames``). "s" are seconds of processors a frame, which say more than the clock
where other programs run; x264's are not in vinr's.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from peer_envs import PEERS, CannotRunError, Environments
from peer_tasks import TASKS, Chain, Task
from vinr_cli.engine.measure import processor_seconds, processors, surroundings
from vinr_cli.evaluate.clips import enlarge, find_clips, read_clip, reduce_frames, write_frames
from vinr_cli.evaluate.compare import PROTOCOL, Settings, reduce_clip, score_clip
from vinr_cli.evaluate.methods import (
    Method,
    Reduced,
    blend,
    external,
    minterpolate,
    network_method,
    packaged_chooser,
)
from vinr_cli.evaluate.scores import Score, average
from vinr_cli.events import Event, FramesDone
from vinr_cli.jobs.file_job import run_upscale
from vinr_cli.media.base.ffmpeg import find_ffmpeg
from vinr_cli.media.measure.vmaf import has_vmaf
from vinr_cli.plan.job import EncodeOptions, JobSpec, RateRequest, SizeRequest

Frames = NDArray[np.uint8]
"""(T, H, W, 3), RGB."""

MODELS = ("clean", "video")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""What of the processor's flags the table names."""


@dataclass
class Clock:
    """Seconds of one kind of work: wall and processors."""

    wall: float = 0.0
    processors: float = 0.0

    def add(self, other: "Clock", times: float = 1.0) -> None:
        """Count other work, so many times."""
        self.wall += times * other.wall
        self.processors += times * other.processors

    def by(self, count: float) -> "Clock":
        """The work of one of so many."""
        return Clock(self.wall / count, self.processors / count)


@dataclass
class Bench:
    """Runs peers, and keeps what they made and how long a frame took.

    Attributes:
        environments: Where they run.
        scratch: Folder for what is exchanged.
        ffmpeg: For "lanczos".
        made: Frames that networks made of single frames or pairs, by peer and content.
        clocks: Of one frame made, by peer and input size.
        broken: Why a peer cannot run, by its name.
    """

    environments: Environments
    scratch: Path
    ffmpeg: Path
    made: dict[tuple[str, bytes], Frames] = field(default_factory=dict)
    clocks: dict[tuple[str, tuple[int, ...]], Clock] = field(default_factory=dict)
    broken: dict[str, CannotRunError] = field(default_factory=dict)

    def chain(self, chain: Chain, low: Frames, multiple: int) -> tuple[Frames, Clock]:
        """All frames of a chain, and its work for one output frame.

        Args:
            chain: What is done.
            low: (T, h, w, 3), uint8.
            multiple: 1, or 2; a chain without a step in time shows frames twice then.

        Returns:
            ((T - 1)·multiple + 1 frames, the work).

        Raises:
            CannotRunError: a peer cannot run here.
        """
        frames, work, each = low, Clock(), 1
        for step in chain.steps:
            if step == "lanczos":
                made, clock = self._lanczos(frames, 4)
            else:
                made, clock = self._peer(step, frames)
            work.add(clock, each)
            if step == "lanczos" or PEERS[step].scale > 1:
                frames = made
            else:
                frames, each = woven(frames, made), 2 * each
        if chain.share < 1:
            plain, clock = self._lanczos(low, PEERS[chain.steps[0]].scale)
            mixed = chain.share * frames.astype(np.float32) + (1 - chain.share) * plain
            frames = mixed.round().astype(np.uint8)
            work.add(clock)
        return (held(frames) if multiple > each else frames), work.by(each)

    def _peer(self, name: str, frames: Frames) -> tuple[Frames, Clock]:
        """What a peer makes of frames, and the work of one that it made."""
        if name in self.broken:
            raise self.broken[name]
        alone = PEERS[name].scale > 1
        keys = [(name, sha256(frame).digest()) for frame in frames]
        missing = [k for k, key in enumerate(keys) if key not in self.made] if alone else []
        measured = (name, frames.shape[1:3])
        if missing or not alone:
            try:
                made, clock = self._exchange(name, frames[missing] if alone else frames)
            except CannotRunError as reason:
                self.broken[name] = reason
                raise
            self.clocks[measured] = clock
            if not alone:
                return made, clock
            self.made.update({keys[k]: frame for k, frame in zip(missing, made, strict=True)})
        return np.stack([self.made[key] for key in keys]), self.clocks[measured]

    def _exchange(self, name: str, frames: Frames) -> tuple[Frames, Clock]:
        """Frames through a peer's own program; the first one does not count in the times."""
        sys.stderr.write(f"  {name}: {len(frames)} frames\n")
        np.save(self.scratch / "in.npy", frames)
        self.environments.run(name, self.scratch, processors())
        times = json.loads((self.scratch / "times.json").read_text(encoding="utf-8"))
        wall, used = (times[kind][1:] or times[kind] for kind in ("wall", "processors"))
        made: Frames = np.load(self.scratch / "out.npy")
        return made, Clock(fmean(wall), fmean(used))

    def _lanczos(self, frames: Frames, scale: int) -> tuple[Frames, Clock]:
        size = (frames.shape[1] * scale, frames.shape[2] * scale)
        lr = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
        return timed(minterpolate(self.ffmpeg, enlarge_first=True), Reduced(lr), 1, size)


def held(frames: Frames) -> Frames:
    """Each frame but the last shown twice: where only the input times count."""
    return woven(frames, frames[:-1])


def woven(even: Frames, odd: Frames) -> Frames:
    """Frames and those between them, in order."""
    out = np.empty((len(even) + len(odd), *even.shape[1:]), np.uint8)
    out[::2], out[1::2] = even, odd
    return out


def pixels(frames: Tensor) -> Frames:
    """(T, 3, H, W) in [0, 1] to (T, H, W, 3), uint8."""
    out: Frames = (frames.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return out


def timed(
    method: Method, low: Reduced, multiple: int, size: tuple[int, int]
) -> tuple[Frames, Clock]:
    """A method's frames, and the work of one."""
    wall, used = time.perf_counter(), processor_seconds()
    made = pixels(torch.cat(list(method(low, multiple, size))))
    clock = Clock(time.perf_counter() - wall, processor_seconds() - used)
    return made, clock.by(len(made))


def filters(ffmpeg: Path) -> dict[str, Method]:
    """What people use without a network, by the names of the tables."""
    lanczos = minterpolate(ffmpeg, enlarge_first=True)
    sharp = minterpolate(ffmpeg, enlarge_first=True, sharpen=True)

    def bicubic(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        yield from (enlarge(frame[None], size) for frame in low.frames)

    return {
        "bicubic": bicubic,
        "lanczos": lanczos,
        "lanczos,cas": sharp,
        "blend": blend,
        "minterpolate": lanczos,
        "bicubic+blend": blend,
        "lanczos>minterpolate": lanczos,
        "lanczos,cas>minterpolate": sharp,
    }


def vinr_clock(model: str, low: Tensor, settings: Settings, count: int, scratch: Path) -> Clock:
    """The work of `vinr upscale` for one output frame, from the first one on.

    Args:
        model: Name of the weights.
        low: (T, 3, h, w) in [0, 1], played forth and back.
        settings: Scale and frame-rate factor.
        count: Input frames.
        scratch: Folder for its files.
    """
    turn = [*range(len(low)), *range(len(low) - 2, 0, -1)]
    source = scratch / f"speed-{model}"
    write_frames(source, torch.stack([low[turn[k % len(turn)]] for k in range(count)]))
    seen: list[tuple[int, float, float]] = []

    def note(event: Event) -> None:
        if isinstance(event, FramesDone):
            seen.append((event.done, event.seconds, processor_seconds()))

    spec = JobSpec(
        source,
        scratch / f"speed-{model}.mkv",
        size=SizeRequest(scale=settings.scale),
        rate=RateRequest(value=Fraction(settings.multiple)),
        input_rate=Fraction(10),
        model=model,
        scene_threshold=None,
        overwrite=True,
        restart=True,
    )
    run_upscale(spec, note)
    (begun, *first), (done, *last) = seen[0], seen[-1]
    return Clock(last[0] - first[0], last[1] - first[1]).by(done - begun)


@dataclass
class Row:
    """One method in one task.

    Attributes:
        scores: One a clip.
        clocks: One a clip; none where speed was not measured.
    """

    scores: list[Score] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)


class Runner:
    """Everything for one clip after the other.

    Args:
        bench: The peers.
        scratch: Folder for clips and results.
        ffmpeg: For filters and VMAF.
        options: Of the command line.
    """

    def __init__(
        self, bench: Bench, scratch: Path, ffmpeg: Path, options: argparse.Namespace
    ) -> None:
        self._bench = bench
        self._scratch = scratch
        self._ffmpeg = ffmpeg
        self._options = options
        self._choosers = {name: packaged_chooser(name) for name in MODELS}
        self.notes: dict[str, str] = {}

    def clip(self, path: Path, name: str, rows: dict[str, Row]) -> None:
        """Add every method's figures on a clip in a task."""
        task = TASKS[name]
        vmaf = self._ffmpeg if has_vmaf(self._ffmpeg) else None
        settings = replace(task.settings, frames=self._options.frames, vmaf=vmaf)
        truth, low = reduce_clip(path, settings)
        size = (truth.shape[2], truth.shape[3])
        table: dict[str, Method] = {}
        for label, frames, clock in self._methods(task, low, settings, size):
            folder = self._scratch / name / slug(label)
            write_frames(folder / path.stem, torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)
            table[label] = external(folder)
            row = rows.setdefault(label, Row())
            row.clocks += [clock] if clock else []
        for score in score_clip(path, table, settings):
            if score.times == task.times:
                rows.setdefault(score.method, Row()).scores.append(score)

    def forget(self) -> None:
        """Drop the frames of the clips so far."""
        self._bench.made.clear()

    def _methods(
        self, task: Task, low: Reduced, settings: Settings, size: tuple[int, int]
    ) -> Iterator[tuple[str, Frames, Clock | None]]:
        """Name, frames and work of everything; peers that cannot run become notes."""
        shown = 1 if task.times == "input" else settings.multiple
        for model, choose in self._choosers.items():
            made, _ = timed(network_method(choose), low, settings.multiple, size)
            yield (
                f"vinr {model}",
                made,
                self._own_clock(model, low, replace(settings, multiple=shown)),
            )
        given = pixels(low.frames)
        for label, chain in task.chains.items():
            try:
                yield label, *self._bench.chain(chain, given, settings.multiple)
            except CannotRunError as reason:
                self.notes[label] = str(reason)
        known = filters(self._ffmpeg)
        for label in task.filters:
            made, clock = timed(known[label], low, shown, size)
            yield label, (held(made) if settings.multiple > shown else made), clock

    def _own_clock(self, model: str, low: Reduced, settings: Settings) -> Clock | None:
        count = self._options.speed_frames
        if not count:
            return None
        return vinr_clock(model, low.frames, settings, count, self._bench.scratch)


def slug(label: str) -> str:
    """A label as a folder's name."""
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-")


HEAD = (
    "| method | frames/s | s | PSNR-Y | SSIM-Y | VMAF | VMAF-NEG | GMSD | sharpness |\n"
    + "|---" * 9
    + "|"
)


def table_of(task: Task, rows: dict[str, Row], notes: dict[str, str]) -> str:
    """A task as Markdown."""
    lines = [f"## {task.title}", "", HEAD]
    for label, row in rows.items():
        means = [s for s in average(row.scores) or row.scores if s.times == task.times]
        if means:
            lines.append(f"| {label} | {speed(row.clocks)} | {figures(means[0])} |")
    missing = [f"{label}: {why}" for label, why in notes.items() if label in task.chains]
    return "\n".join([*lines, *(f"\nCould not run: {why}" for why in missing), ""])


def figures(score: Score) -> str:
    """The figures of pictures, as cells."""
    seen = ["-" if v is None else f"{v:.1f}" for v in (score.vmaf, score.vmaf_neg)]
    cells = [f"{score.psnr_y:.2f}", f"{score.ssim_y:.4f}", *seen]
    return " | ".join([*cells, f"{score.gmsd:.4f}", f"{score.sharpness:.2f}"])


def speed(clocks: Sequence[Clock]) -> str:
    """Output frames a second, and seconds of processors a frame, as two cells."""
    if not clocks:
        return "- | -"
    wall, used = fmean(c.wall for c in clocks), fmean(c.processors for c in clocks)
    return f"{1 / wall:.3g} | {used:.3g}"


def machine() -> str:
    """What the figures depend on, in one line."""
    facts = surroundings(torch.device("cpu"))
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        flags = []
    has = [name for name in INSTRUCTIONS if name in flags] or ["unknown"]
    return f"{facts['device']}, {', '.join(has)}; {processors()} cores, torch {facts['torch']}."


def prepared(paths: Sequence[Path], width: int, frames: int, folder: Path) -> list[Path]:
    """Clips as they are, or reduced to a width as folders of PNGs."""
    clips = find_clips(list(paths))
    if not width:
        return clips
    out = []
    for clip in clips:
        whole = read_clip(clip, frames, 1)
        if whole.shape[3] > width:
            height = round(whole.shape[2] * width / whole.shape[3] / 4) * 4
            write_frames(folder / clip.stem, reduce_frames(whole, (height, width)))
            out.append(folder / clip.stem)
        else:
            out.append(clip)
    return out


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, nargs="+", help="videos or folders of them")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--frames", type=int, default=9, help="of each clip (default 9)")
    parser.add_argument("--width", type=int, default=0, help="reduce clips to this width first")
    parser.add_argument(
        "--envs", type=Path, default=Path(tempfile.gettempdir()) / "vinr-peers",
        help="folder of the environments, about 2 GB; used again",
    )  # fmt: skip
    parser.add_argument("--table", type=Path, help="write the tables here, not to the terminal")
    parser.add_argument("--json", type=Path, help="write every clip's figures here")
    parser.add_argument("--keep", type=Path, help="keep the pictures here, TASK/METHOD/CLIP")
    parser.add_argument(
        "--speed-frames", type=int, default=24,
        help="input frames on which vinr's speed is measured; 0 does not (default 24)",
    )  # fmt: skip
    return parser.parse_args()


def measured(
    runner: Runner, clips: Sequence[Path], options: argparse.Namespace
) -> dict[str, dict[str, Row]]:
    """Every task's rows; a peer's frames are forgotten with their clip."""
    tasks: dict[str, dict[str, Row]] = {name: {} for name in options.tasks}
    for clip in clips:
        for name, rows in tasks.items():
            sys.stderr.write(f"{clip.stem}: {name}\n")
            runner.clip(clip, name, rows)
        runner.forget()
    return tasks


def main() -> int:
    """Measure and write."""
    if "OMP_WAIT_POLICY" not in os.environ:
        # As vinr runs: waiting threads sleep, here and in the peers. PyTorch has read it by now.
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - this program
    options = arguments()
    options.envs.mkdir(parents=True, exist_ok=True)
    ffmpeg = find_ffmpeg(EncodeOptions())
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vinr-peers-")))
        kept = options.keep or scratch / "results"
        runner = Runner(Bench(Environments(options.envs), scratch, ffmpeg), kept, ffmpeg, options)
        clips = prepared(options.clips, options.width, options.frames, kept / "clips")
        tasks = measured(runner, clips, options)
    names = ", ".join(clip.stem for clip in clips)
    parts = ["# vinr and other programs", f"{machine()} Clips: {names}; {options.frames} frames."]
    parts += [PROTOCOL, *(table_of(TASKS[name], tasks[name], runner.notes) for name in tasks)]
    text = "\n\n".join(parts)
    if options.table:
        options.table.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    if options.json:
        options.json.write_text(as_json(tasks, runner.notes), encoding="utf-8")
    return 0


def as_json(tasks: dict[str, dict[str, Row]], notes: dict[str, str]) -> str:
    """Every figure of every clip, and what could not run."""
    return json.dumps(
        {
            "machine": machine(),
            "tasks": {
                name: {label: asdict(row) for label, row in rows.items()}
                for name, rows in tasks.items()
            },
            "could_not_run": notes,
        },
        indent=1,
    )


if __name__ == "__main__":
    sys.exit(main())
