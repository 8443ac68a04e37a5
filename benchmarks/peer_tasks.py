"""What `peers.py` measures: the tasks, and who takes part in each."""

from dataclasses import dataclass
from fractions import Fraction

from vinr_cli.evaluate.compare import Settings
from vinr_cli.media.measure.degradation import parse


@dataclass(frozen=True)
class Chain:
    """Peers one after the other.

    Attributes:
        steps: Names of `PEERS`, or "lanczos" for an enlargement by ffmpeg.
        share: How much of the result is the steps'; the rest is Lanczos. Only for one step.
    """

    steps: tuple[str, ...]
    share: float = 1.0


@dataclass(frozen=True)
class Task:
    """One table.

    Attributes:
        title: What it is about.
        settings: What is asked of every method.
        times: Which frames count.
        chains: Peers by the name in the table.
        filters: Names of `peers.filters`.
    """

    title: str
    settings: Settings
    times: str
    chains: dict[str, Chain]
    filters: tuple[str, ...]


def coded(codec: str, title: str) -> Task:
    """Twice the size of what a codec left, each frame on its own."""
    chains = {
        "SPAN x2": Chain(("span-x2",)),
        "animevideov3 x2": Chain(("animevideov3-x2",)),
        "Lanczos + 0.45 animevideov3 x2": Chain(("animevideov3-x2",), 0.45),
    }
    settings = Settings(Fraction(2), 1, degradation=parse(codec))
    return Task(title, settings, "input", chains, ("bicubic", "lanczos", "lanczos,cas"))


FOUR = Settings(Fraction(4), 2)
TASKS = {
    "time2": Task(
        "Frame rate x2, size kept: middle frames",
        Settings(Fraction(1), 2),
        "inner",
        {
            "RIFE HDv3": Chain(("rife-hdv3",)),
            "RIFE 4.0": Chain(("rife-4.0",)),
            "mvtools": Chain(("mvtools",)),
        },
        ("blend", "minterpolate"),
    ),
    "x4": Task(
        "x4 on clean input: input frames",
        FOUR,
        "input",
        {
            "SPAN x4": Chain(("span-x4",)),
            "ClearReality x4": Chain(("clearreality-x4",)),
            "animevideov3 x4": Chain(("animevideov3-x4",)),
        },
        ("bicubic", "lanczos", "lanczos,cas"),
    ),
    "x4time2": Task(
        "x4 and x2 in time: middle frames",
        FOUR,
        "inner",
        {
            "SPAN x4, then RIFE HDv3": Chain(("span-x4", "rife-hdv3")),
            "SPAN x4, then RIFE 4.0": Chain(("span-x4", "rife-4.0")),
            "RIFE HDv3, then SPAN x4": Chain(("rife-hdv3", "span-x4")),
            "animevideov3 x4, then RIFE 4.0": Chain(("animevideov3-x4", "rife-4.0")),
            "Lanczos, then mvtools": Chain(("lanczos", "mvtools")),
        },
        ("bicubic+blend", "lanczos>minterpolate", "lanczos,cas>minterpolate"),
    ),
    "h264": coded("h264:crf=28", "x2 on H.264 at CRF 28: input frames"),
    "mpeg2": coded("mpeg2:q=6", "x2 on MPEG-2 at quantiser 6: input frames"),
}
"""Every task by its name."""
