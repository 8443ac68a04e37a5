"""Inject faults into a running program and write down what became of it.

``python benchmarks/faults.py`` prints a table: the fault, the last thing that the program said, its
exit code, and what was lost, judged by giving the same command again without the fault and by
opening and decoding the output. A row that is not as promised is marked, and then the exit code is
1. ``--write`` makes docs/faults.md of the table.
"""

import argparse
import os
import re
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from harness.clips import write_clip
from harness.job import FRAMES, Bench, Row
from harness.rows import all_rows
from harness.tiny import make_weights

DOCUMENT = Path(__file__).parents[1] / "docs" / "faults.md"
HEAD = """# Faults

What happens when something goes wrong, written by `python benchmarks/faults.py --write`. Each row
is a fault in a running `vinr`. After a failure the same command is given again without the fault;
then the output is opened and every frame and all sound decoded. "Nothing" means that the finished
file has all of it; frames that are kept were not made again. A row that is not so is marked.
{where}
| fault | what the program says | exit code | what is lost |
|---|---|---|---|
"""


def line_of(row: Row, place: str) -> str:
    """A row as Markdown, without what is of this machine or this run."""
    words = row.words.replace(f"{place}/", "").replace(place, "")
    words = words.replace(socket.gethostname(), "HOST").replace(sys.executable, "python")
    for pattern, plain in (
        (r"process \d+", "process N"), (r"127\.0\.0\.1:\d+", "SERVER"), (r"(^|\s)\d+/", r"\1"),
        (r"was [\w-]+ ns, is \w+ ns", "was T, is U"), (r"; made in .*", ""),
        (r"[0-9a-f]{40,}", "…"), (r"\|", "/"), (r"\s+", " "),
    ):  # fmt: skip
        words = re.sub(pattern, plain, words)
    mark = f" **{row.wrong.replace('|', '/')}**" if row.wrong else ""
    code = "killed" if row.code == -signal.SIGKILL else str(row.code)
    words = "" if row.code == -signal.SIGKILL else words.encode("utf-8", "replace").decode()
    return f"| {row.fault} | {words or '(nothing)'} | {code} | {row.lost}{mark} |"


def main() -> int:
    """Print the table; 1 if a row is not as promised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--share", default="1/1", help="i/n: every n-th row, from the i-th on")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name} too")
    given = parser.parse_args()
    first, step = (int(number) for number in given.share.split("/"))
    import torch  # noqa: PLC0415

    import vinr_cli.cli.app  # noqa: PLC0415
    import vinr_cli.jobs.render  # noqa: F401, PLC0415 - loaded once, before the forks

    torch.set_num_threads(1)  # a fork has none of this process's other threads
    os.environ["OMP_NUM_THREADS"] = "1"
    lines, bad, begin = [], 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vinr-faults-") as name:
        folder = Path(name)
        source = write_clip(folder / "source.mp4", FRAMES)
        model = make_weights(folder / "tiny.safetensors")
        print("| fault | what the program says | exit code | what is lost |\n|---|---|---|---|")
        for number, (title, run) in enumerate(all_rows().items()):
            if given.only not in title or number % step != first - 1:
                continue
            place = folder / str(number)
            place.mkdir()
            row = run(Bench(place, source, model))
            bad += bool(row.wrong)
            lines.append(line_of(row, name))
            print(lines[-1], flush=True)
    end = f"{len(lines)} faults, {bad} not as promised"
    print(f"\n{end}")
    if given.write:
        where = f"\nThis table: {end}; {time.monotonic() - begin:.0f} s.\n"
        DOCUMENT.write_text(HEAD.format(where=where) + "\n".join(lines) + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
