"""Damage real files and see what the program makes of them.

``python benchmarks/fuzz.py --cases 500 --seed 1`` makes small videos in several containers, damages
them (flipped bits, truncation, edited headers, swapped and blanked pieces, wrong sizes), runs
``vinr upscale`` on each in a process of its own, and fails if any of them

- shows a traceback, or an exception that was not foreseen, or dies by a signal;
- takes longer than the limit;
- ends with exit code 0 and a file that is missing, is not as planned or cannot be decoded;
- fails and leaves a file under the final name (code 9, finished with losses, leaves one).

A seed and a number name a case; ``--case N`` runs one of them again.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness.fuzz import LIMIT_SECONDS, remove, run_all


def main() -> int:
    """Run the cases and print how they ended; 1 if any went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="run this one alone")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds a case")
    parser.add_argument("--keep", type=Path, help="folder for the files of cases that go wrong")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="vinr-fuzz-"))
    folder.mkdir(exist_ok=True)
    numbers = range(given.cases) if given.case is None else range(given.case, given.case + 1)
    start = time.monotonic()
    results = run_all(folder, numbers, given.seed, given.limit)
    codes = Counter(result.code for result in results)
    wrong = [result for result in results if result.wrong]
    print(f"{len(results)} cases in {time.monotonic() - start:.0f} s; seed {given.seed}")
    for code, count in sorted(codes.items()):
        print(f"  exit code {code}: {count}")
    print(f"{len(wrong)} wrong{f'; their files: {folder}' if wrong else ''}")
    if not wrong and given.keep is None:
        remove(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
