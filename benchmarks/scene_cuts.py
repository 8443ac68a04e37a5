"""How many cuts are found, over real clips joined at known places.

Run it as ``python benchmarks/scene_cuts.py CLIPS [CLIPS ...]`` with videos or folders of them: a
part of every clip is taken, the parts are joined in several orders, coded once more, and decoded as
`vinr upscale` does it. Printed are precision and recall at some thresholds, and where something
else than a joint was taken for a cut, so that a person can look whether it is one.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.plan.scenes import DEFAULT_THRESHOLD, is_cut

SIZE = (320, 180)
"""(width, height) of the joined video."""
RATE = 25
THRESHOLDS = (4.0, 6.0, DEFAULT_THRESHOLD, 10.0, 14.0)


@dataclass(frozen=True, slots=True)
class Joined:
    """A video of parts.

    Attributes:
        path: Where it is.
        parts: (clip, first frame in the video) of each part, in order.
    """

    path: Path
    parts: tuple[tuple[str, int], ...]

    def joints(self) -> set[int]:
        """Frames that begin a part, the first one not counted."""
        return {start for _, start in self.parts[1:]}

    def clip_at(self, frame: int) -> str:
        """Name of the clip that a frame is of."""
        return next(name for name, start in reversed(self.parts) if start <= frame)


def clips_in(places: Sequence[Path]) -> list[Path]:
    """Every video of the folders and files."""
    found = [p for place in places for p in (place.iterdir() if place.is_dir() else [place])]
    return sorted(p for p in found if p.is_file() and not p.name.startswith("."))


def part_of(path: Path, length: int, start: int) -> Iterator[VideoFrame]:
    """Some frames of a clip, all of one size."""
    with av.open(path) as container:
        for k, frame in enumerate(container.decode(video=0)):
            if start <= k < start + length:
                yield frame.reformat(*SIZE, format="yuv420p")
            elif k >= start + length:
                return


def join(clips: Sequence[Path], target: Path, length: int, chance: random.Random) -> Joined:
    """Parts of the clips in a random order, as one H.264 file."""
    order = list(clips)
    chance.shuffle(order)
    parts: list[tuple[str, int]] = []
    count = 0
    with av.open(target, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for path in order:
            begun = count
            for frame in part_of(path, length, chance.randrange(0, 20)):
                frame.pts, frame.time_base = count, Fraction(1, RATE)
                container.mux(stream.encode(frame))
                count += 1
            if count > begun:
                parts.append((path.name, begun))
        container.mux(stream.encode(None))
    return Joined(target, tuple(parts))


def changes(path: Path) -> list[float | None]:
    """Every frame's score, as the program measures it."""
    with FrameReader(path, probe(path).video, score_changes=True) as reader:
        return [frame.change for frame in reader]


def main() -> int:
    """Join, decode, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path, nargs="+", help="videos, or folders of them")
    parser.add_argument("--orders", type=int, default=5, help="how often all are joined")
    parser.add_argument("--length", type=int, default=24, help="frames of a part")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    clips, chance = clips_in(arguments.clips), random.Random(arguments.seed)  # noqa: S311
    results: list[tuple[Joined, list[float | None]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(arguments.orders):
            joined = join(clips, Path(folder) / f"{k}.mkv", arguments.length, chance)
            results.append((joined, changes(joined.path)))
    total = sum(len(joined.joints()) for joined, _ in results)
    print(f"{len(clips)} clips, {total} joints\n")
    print("| threshold | found | wrong | precision | recall |\n" + "|---" * 5 + "|")
    for threshold in THRESHOLDS:
        found = [(j, k) for j, c in results for k, x in enumerate(c) if is_cut(x, threshold)]
        right = sum(k in joined.joints() for joined, k in found)
        precision = right / len(found) if found else 1.0
        row = f"{threshold:g} | {right} | {len(found) - right} | {precision:.3f}"
        print(f"| {row} | {right / total if total else 1.0:.3f} |")
    print(f"\nOther places at {DEFAULT_THRESHOLD:g}:")
    for joined, scores in results:
        for k, score in enumerate(scores):
            if is_cut(score, DEFAULT_THRESHOLD) and k not in joined.joints():
                print(f"- {joined.clip_at(k)}, frame {k}: {score:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
