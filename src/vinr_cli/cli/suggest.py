"""What was meant: the nearest command, option or file to one that is not there."""

import os
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

from vinr_cli.cli.rows import Option

NEAR = 0.7
"""Least likeness of two names, from 0 to 1, that lets one be meant by the other."""

OTHER_WORDS = {
    "upscale": "enhance enlarge upsample interpolate smooth convert run process",
    "probe": "info inspect show analyse analyze identify mediainfo ffprobe",
    "models": "model weights list list-models",
    "download-weights": "download fetch install pull",
    "convert-weights": "import",
    "evaluate": "eval compare measure score metrics",
    "bench": "benchmark speed test time",
}
"""Other words for commands, of which some program uses each."""


def did_you_mean(names: Iterable[str]) -> str:
    """A question, as the end of a message; empty without names."""
    known = list(dict.fromkeys(names))
    return f"Did you mean {' or '.join(known)}?" if known else ""


def near_command(word: str, commands: Iterable[str]) -> str:
    """The command that a word stands for or resembles, as a question; empty if none does."""
    meant = {also: name for name in commands for also in (*OTHER_WORDS.get(name, "").split(), name)}
    near = get_close_matches(word.lower(), meant, n=1, cutoff=NEAR)
    return did_you_mean(f"vinr {meant[name]}" for name in near)


def near_option(word: str, rows: Iterable[Option[object]], commands: Iterable[str] = ()) -> str:
    """The options that a name stands for or resembles, as a question; empty if none does.

    Args:
        word: What was typed, with its dashes.
        rows: The options of the command.
        commands: Names that are commands: `vinr preview`, not `--preview`.
    """
    name = word.lstrip("-").replace("_", "-")
    if name in commands:
        return did_you_mean([f"vinr {name}"])
    named = {row.names[0].lstrip("-").partition("/")[0]: row for row in rows if row.is_option}
    folded = name.lower() if len(name) > 1 else name
    if folded in named:
        return did_you_mean([f"--{folded}"])
    meant = [f"--{key}" for key, row in named.items() if folded in row.also.split()]
    near = get_close_matches(folded, named, n=1, cutoff=NEAR) if len(folded) > 2 else []
    return did_you_mean(meant or [f"--{key}" for key in near])


def near_file(path: Path) -> str:
    """A file or folder whose name resembles that of one that is missing, as a question.

    Of two with one likeness, the one with the same stem, or the same suffix, is meant.
    """
    folder = path.parent
    if not folder.is_dir():
        return near_file(folder) if folder.name else ""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        return ""
    best = max(names, key=lambda name: _likeness(path, name), default="")
    if not best or _likeness(path, best) < NEAR:
        return ""
    return did_you_mean([str(folder / best)])


def _likeness(path: Path, name: str) -> float:
    """From 0 to 1; the suffix counts little, so `clip.mp4` is near to `clip.mkv`."""
    other = Path(name)
    stems = SequenceMatcher(None, path.stem.casefold(), other.stem.casefold()).ratio()
    same = path.suffix.casefold() == other.suffix.casefold()
    return 0.95 * stems + (0.05 if same else 0.0)
