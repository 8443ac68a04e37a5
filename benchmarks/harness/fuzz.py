"""Damaged copies of small videos, and what the program makes of each.

No run of the program may

- show a traceback, or an exception that was not foreseen, or die by a signal;
- take longer than the limit;
- end with exit code 0 and a file that is missing, is not as planned or cannot be decoded;
- fail and leave a file under the final name (code 9, finished with losses, leaves one).

A seed and a number name a case.
"""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from harness.tiny import make_weights

KINDS = {
    "h264.mp4": ("libx264", "yuv420p", {"preset": "ultrafast", "g": "5", "bf": "2"}),
    "h264.mkv": ("libx264", "yuv420p", {"preset": "ultrafast", "g": "5"}),
    "h264.ts": ("libx264", "yuv420p", {"preset": "ultrafast", "g": "5"}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
    "prores.mov": ("prores_ks", "yuv422p10le", {}),
    "ffv1.mkv": ("ffv1", "yuv444p", {}),
}
"""Name of a base file -> encoder, pixel format, its options."""
CODES = frozenset({0, 1, 2, 3, 4, 5, 8, 9})
"""Exit codes that a damaged file may have; 1 only for a failure that has a name."""
LIMIT_SECONDS = 60.0
_FRAMES, _SIZE = 10, (64, 48)


def write_base(folder: Path) -> list[Path]:
    """One small video of each kind, with sound where the container is MP4."""
    paths = []
    for name, (codec, pix_fmt, options) in KINDS.items():
        path = folder / name
        with av.open(path, "w") as container:
            video = cast(Any, container.add_stream(codec, rate=25, options=options))
            video.width, video.height, video.pix_fmt = *_SIZE, pix_fmt
            audio = cast(Any, container.add_stream("aac", rate=48000)) if "mp4" in name else None
            _write_frames(container, video, pix_fmt)
            if audio is not None:
                frame = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
                container.mux(audio.encode(frame))
                container.mux(audio.encode())
        paths.append(path)
    return paths


def _write_frames(container: Any, video: Any, pix_fmt: str) -> None:
    y, x = np.mgrid[: _SIZE[1], : _SIZE[0]]
    for i in range(_FRAMES):
        levels = ((x * 3 + y * 2 + i * 5) % 256).astype(np.uint8)
        picture = np.stack([levels, 255 - levels, levels // 2], -1)
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
        frame.pts, frame.time_base = i, Fraction(1, 25)
        container.mux(video.encode(frame))
    container.mux(video.encode())


def flip_bits(data: bytearray, dice: random.Random) -> None:
    """Turn 1 to 64 bits over, anywhere."""
    for _ in range(dice.choice((1, 4, 16, 64))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def truncate(data: bytearray, dice: random.Random) -> None:
    """End the file early."""
    del data[dice.randrange(1, len(data)) :]


def edit_header(data: bytearray, dice: random.Random) -> None:
    """Random bytes in the first 600, or in the last, where MP4 has its index."""
    start = 0 if dice.random() < 0.6 else max(0, len(data) - 900)
    for _ in range(dice.choice((1, 2, 8))):
        data[min(len(data) - 1, start + dice.randrange(600))] = dice.randrange(256)


def swap_pieces(data: bytearray, dice: random.Random) -> None:
    """Two pieces of one length change places, as packets would."""
    length = dice.randrange(16, max(17, min(2000, len(data) // 4)))
    a, b = sorted(dice.randrange(len(data) - length) for _ in range(2))
    b = max(b, a + length)
    if b + length <= len(data):
        data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]


def blank(data: bytearray, dice: random.Random) -> None:
    """A piece becomes zeros, as an unfinished download's would."""
    start = dice.randrange(len(data))
    stop = min(len(data), start + dice.choice((8, 200, 4000)))
    data[start:stop] = bytes(stop - start)


def insert(data: bytearray, dice: random.Random) -> None:
    """Random bytes in between."""
    data[(at := dice.randrange(len(data))) : at] = dice.randbytes(dice.choice((1, 30, 3000)))


def wrong_number(data: bytearray, dice: random.Random) -> None:
    """A four-byte number, perhaps a size or a count, becomes an extreme one."""
    at = dice.randrange(max(1, min(len(data), 4000) - 4))
    if dice.random() < 0.5:
        at = max(0, len(data) - 4 - at)
    data[at : at + 4] = dice.choice(
        (b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4), b"\x00\x01\x86\xa0")
    )


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits, truncate, edit_header, swap_pieces, blank, insert, wrong_number,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case.

    Attributes:
        name: Base file and damage.
        code: Exit code; negative for a signal.
        wrong: What is wrong with the program's behaviour; empty if nothing is.
        words: Its last line.
    """

    name: str
    code: int
    wrong: str
    words: str


def run_case(
    folder: Path, bases: list[Path], model: Path, *, seed: int, number: int, limit: float
) -> Result:
    """Damage a file, run the program on it in a forked process, and judge."""
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 - not for secrets
    base = bases[number % len(bases)]
    damage = DAMAGES[(number // len(bases)) % len(DAMAGES)]
    data = bytearray(base.read_bytes())
    damage(data, dice)
    place = folder / f"case-{number}"
    place.mkdir()
    source, output = place / f"in{base.suffix}", place / "out.mkv"
    source.write_bytes(data)
    command = ["upscale", str(source), "-o", str(output), "--fps-mult", "2", "--json"]
    command += ["--model", str(model), "--device", "cpu", "--codec", "ffv1", "--part-frames", "8"]
    code = _fork(command, place, limit)
    said = (place / "stderr").read_text(errors="replace")
    words = said.strip().rpartition("\n")[2]
    wrong = _judge(code, said, place / "stdout", output)
    return Result(f"{base.name} {damage.__name__}", code, wrong, words)


def _fork(command: list[str], place: Path, limit: float) -> int:
    """Run the program in a child of this process, which has loaded everything already."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            from vinr_cli.cli.app import main  # noqa: PLC0415

            for number, name in ((1, "stdout"), (2, "stderr")):
                target = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                os.dup2(target, number)
            code = main(command)
        finally:
            os._exit(code)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -signal.SIGALRM


def _judge(code: int, said: str, told: Path, output: Path) -> str:
    """What is wrong with how a case ended; empty if nothing is."""
    if code == -signal.SIGALRM:
        return "hangs"
    if code < 0:
        return f"dies by signal {-code}"
    if "Traceback" in said or "a bug in vinr" in said:
        return "an exception that nobody foresaw"
    if code not in CODES:
        return f"exit code {code}"
    if code in (0, 9):
        return _judge_output(told, output)
    return "left a file under the final name" if output.exists() else ""


def _judge_output(told: Path, output: Path) -> str:
    """Whether a file that is called finished is what was planned."""
    from vinr_cli.media.join.verification import decode_all  # noqa: PLC0415

    events = [json.loads(line) for line in told.read_text().splitlines()]
    planned = next(e["frames_out"] for e in events if e["event"] == "planned")
    finished = next(e["frames"] for e in events if e["event"] == "finished")
    decoded = decode_all(output)
    if not decoded or decoded != finished:
        return f"{decoded} frames can be decoded, {finished} were told"
    silent = not any(e["event"] == "notice" for e in events)
    return f"{decoded} frames of {planned} and no word" if decoded != planned and silent else ""


def run_all(folder: Path, numbers: range, seed: int, limit: float = LIMIT_SECONDS) -> list[Result]:
    """Run cases; the files of those that went wrong stay in `folder`."""
    import torch  # noqa: PLC0415

    import vinr_cli.jobs.render  # noqa: F401, PLC0415 - loaded once, before the forks

    torch.set_num_threads(1)  # a fork has none of this process's other threads
    bases = write_base(folder)
    model = make_weights(folder / "tiny.safetensors")
    results = []
    for number in numbers:
        result = run_case(folder, bases, model, seed=seed, number=number, limit=limit)
        results.append(result)
        if result.wrong:
            print(f"case {number}: {result.name}: {result.wrong}: {result.words}", flush=True)
        else:
            remove(folder / f"case-{number}")
    return results


def remove(folder: Path) -> None:
    """Delete a folder with all that is in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
