"""What `vinr help TOPIC` says about more than one command; `docs/cli.md` has the same."""

from vinr_cli.plan.numbers import NTSC_RATES

_RATES = "\n".join(f"| {float(written):g} | {rate} |" for written, rate in NTSC_RATES.items())

TOPICS: dict[str, tuple[str, str]] = {
    "sizes": (
        "Sizes",
        """\
`--size` (`-s`) takes `1920x1080`, a name, or a factor as `--scale` does: `2x`, or `2`.

| name | frame |
|---|---|
| `720p`, `hd` | 1280x720 |
| `1080p`, `fullhd` | 1920x1080 |
| `1440p`, `qhd` | 2560x1440 |
| `2160p`, `4k`, `uhd` | 3840x2160 |
| `4320p`, `8k` | 7680x4320 |

Any other number of lines goes too, such as `480p`. A name's frame stands upright for an upright
picture. The picture keeps its shape and fits inside of a frame, with square pixels: a film of
1280x536 becomes 1920x804 for `1080p`. `--fit stretch` fills the frame, out of shape. With `--width`
or `--height` alone, the other side follows.
""",
    ),
    "numbers": (
        "Numbers",
        f"""\
`--scale`, `--fps-mult` and `--slowmo` take `3`, `2.5`, `2.5x` or `5/2`, exactly. `--fps` takes
numbers too, and reads these decimals as the NTSC rates that they stand for:

| written | means |
|---|---|
{_RATES}

Times are seconds (`83.5`) or `hh:mm:ss.mmm` (`0:01:23.5`), counted from the first frame. Memory is
`800M` or `6G`, in powers of 1024.
""",
    ),
    "exit-codes": (
        "Exit codes",
        """\
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
""",
    ),
    "json": (
        "JSON",
        """\
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
""",
    ),
}
"""Sections of `docs/cli.md`: heading and text, in Markdown."""
