"""Write docs/cli.md from the program's own help, so that the two cannot differ.

Run it as ``python docs/generate_cli.py``.
"""

import os
import subprocess
import sys
from pathlib import Path

from vinr_cli.cli.app import COMMANDS, command_name
from vinr_cli.plan.numbers import NTSC_RATES

TARGET = Path(__file__).with_name("cli.md")

HEAD = """# The command line

What `vinr --help` says, written by `python docs/generate_cli.py`; a test fails where this page and
the program differ.
"""

TAIL = """
## Numbers

`--scale`, `--fps-mult` and `--slowmo` take `3`, `2.5` or `5/2`, exactly. `--fps` does too, and
reads these decimals as the NTSC rates that they stand for:

| written | means |
|---|---|
{rates}

Times are seconds (`83.5`) or `hh:mm:ss.mmm` (`0:01:23.5`), counted from the first frame. Memory is
`800M` or `6G`, in powers of 1024.

## Exit codes

| code | meaning |
|---|---|
| 0 | done: the output is complete and was checked |
| 1 | something failed; of several inputs, at least one; or a bug in vinr |
| 2 | usage: an option that cannot be, alone, with another, or for this input |
| 3 | input: missing, empty, broken, or no video |
| 4 | output: exists, is the input, cannot be written, or the disk is full |
| 5 | encoder: ffmpeg is missing, refuses the options, or died |
| 6 | weights: unknown, damaged, or of a wrong shape |
| 7 | device: not there, or too small even for one tile |
| 8 | verification: the finished file is not what was planned |
| 9 | incomplete: finished, but some source frames could not be decoded and were concealed |
| 130 | interrupted by Ctrl-C, SIGTERM or SIGHUP; the same command goes on where it was |
| 141 | whoever read stdout has gone |

## JSON

`vinr upscale --json` writes one object per line on stdout. Each has `event` and `input`; a mistake
in the options themselves ends the program before the first one, with its line on stderr.

| event | further fields |
|---|---|
| `planned` | `output`, `source_size`, `output_size`, `source_rate`, `output_rate`, \
`frames_in`, `frames_out`, `model`, `device`, `details` |
| `progress` | `done`, `total` (frames), `seconds` |
| `notice` | `text` |
| `finished` | `output`, `frames`, `duration`, `seconds`, `stage_seconds` |
| `failed` | `error`, `subject`, `cause`, `fix`, `exit_code` |

Sizes are `[width, height]` in pixels. Rates are exact fractions as text (`"24000/1001"`), null
where a rate varies. Durations and times are seconds.
"""

_COLOURS = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS")


def help_of(*command: str) -> str:
    """The help of a command as it looks on a terminal of 100 columns."""
    plain = {k: v for k, v in os.environ.items() if k not in _COLOURS}
    done = subprocess.run(
        [sys.executable, "-m", "vinr_cli", *command, "--help"],
        env={**plain, "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def page() -> str:
    """The whole page."""
    sections = [HEAD, f"```text\n{help_of()}\n```\n"]
    for command in COMMANDS:
        name = command_name(command)
        sections.append(f"## vinr {name}\n\n```text\n{help_of(name)}\n```\n")
    rates = "\n".join(f"| {float(k):g} | {v} |" for k, v in NTSC_RATES.items())
    return "\n".join(sections) + TAIL.format(rates=rates)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
