"""How strongly traces of codecs should be taken out, by what the codec's decoder tells.

Run it as ``python benchmarks/deblock.py CLIPS`` (``--only h264``). Clips are reduced, coded at
several qualities and brought back by networks on the line from the packaged set without such
traces to `video`, and beyond. A row a quality: the mean quantizer, PSNR of Y at input times against
strength 1, and the steps between the codec's blocks, relative to the truth's, of the strength that
`weights.deblock.strength_for` chooses and of a bicubic enlargement. `weights.deblock` has its spans
from here.
"""

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from statistics import fmean

from vinr_cli.evaluate.clips import find_clips
from vinr_cli.evaluate.compare import Settings, score_clip
from vinr_cli.evaluate.methods import Chooser, Method, blend, network_method
from vinr_cli.evaluate.scores import average
from vinr_cli.media.measure.degradation import parse
from vinr_cli.media.read.quantizers import Coarseness
from vinr_cli.model.videoinr import Network
from vinr_cli.weights.deblock import plain_of, strength_for
from vinr_cli.weights.load import load_model, move_along

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
QUALITIES = {
    "h264:crf": (16, 20, 24, 28, 32, 36, 40),
    "vp9:crf": (16, 24, 32, 40, 48, 56),
    "mpeg2:q": (2, 3, 4, 6, 9, 14),
    "mpeg4:q": (2, 4, 6, 10),
}
MODEL = "video"


def networks() -> dict[float, Network]:
    """The network at each strength."""
    start = load_model(plain_of(MODEL) or MODEL)
    made: dict[float, Network] = {}
    for strength in STRENGTHS:
        made[strength] = load_model(MODEL)
        move_along(made[strength], start, strength)
    return made


class Listener:
    """Ways to enlarge a clip, one a strength, which also note what its decoder tells."""

    def __init__(self, made: dict[float, Network]) -> None:
        self.told: list[Coarseness] = []
        self.ways: dict[str, Method] = {
            f"{s:g}": network_method(self._choose(network)) for s, network in made.items()
        }
        self.ways["bicubic"] = blend

    def _choose(self, network: Network) -> Chooser:
        def choose(coarseness: Coarseness | None, _: bool) -> Network:
            if coarseness is not None:
                self.told.append(coarseness)
            return network

        return choose


def line(listener: Listener, clips: Sequence[Path], quality: str, settings: Settings) -> str:
    """The row of one quality."""
    listener.told.clear()
    means = average([s for clip in clips for s in score_clip(clip, listener.ways, settings)])
    found = {score.method: score for score in means if score.times == "input"}
    quantizers = [told.quantizer for told in listener.told]
    chosen = fmean(strength_for(told.codec, told.quantizer) for told in listener.told)
    nearest = min(STRENGTHS, key=lambda s: abs(s - chosen))
    gains = (f"{found[f'{s:g}'].psnr_y - found['1'].psnr_y:+.3f}" for s in STRENGTHS)
    blocks = (found[name].blockiness for name in ("1", f"{nearest:g}", "bicubic"))
    cells = [
        quality,
        f"{fmean(quantizers):.1f} ({min(quantizers):.1f} to {max(quantizers):.1f})",
        f"{found['1'].psnr_y:.2f}",
        *gains,
        f"{chosen:.2f}",
        *(f"{value:.3f}" for value in blocks),
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path, nargs="+", help="videos or folders, not for validation")
    parser.add_argument("--scale", type=Fraction, default=Fraction(4))
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--only", choices=[name.partition(":")[0] for name in QUALITIES])
    options = parser.parse_args()
    clips, listener = find_clips(options.clips), Listener(networks())
    say = sys.stdout.write
    say(f"x{options.scale}, {options.frames} frames, {len(clips)} clips\n\n| quality | quantizer |")
    say(f" PSNR-Y at 1 | {' | '.join(f'{s:g}' for s in STRENGTHS)} | chosen |")
    say(" blocks at 1 | chosen | bicubic |\n" + "|---" * (len(STRENGTHS) + 7) + "|\n")
    for knob, values in QUALITIES.items():
        if options.only not in (None, knob.partition(":")[0]):
            continue
        for value in values:
            quality = f"{knob}={value}"
            settings = Settings(options.scale, 2, options.frames, parse(quality))
            say(line(listener, clips, quality, settings))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
