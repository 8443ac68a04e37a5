"""Write docs/cli.md from the program's own help, so that the two cannot differ.

Run it as ``python docs/generate_cli.py``.
"""

import os
import subprocess
import sys
from pathlib import Path

from vinr_cli.cli.app import COMMANDS, command_name
from vinr_cli.cli.topics import TOPICS

TARGET = Path(__file__).with_name("cli.md")

HEAD = """# The command line

What `vinr help` says, written by `python docs/generate_cli.py`; a test fails where this page and
the program differ.
"""

_COLOURS = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS")


def help_of(*command: str) -> str:
    """The help of a command as it looks on a terminal of 100 columns."""
    plain = {k: v for k, v in os.environ.items() if k not in _COLOURS}
    done = subprocess.run(
        [sys.executable, "-m", "vinr_cli", *(["help", *command] if command else ["--help"])],
        env={**plain, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
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
    for heading, text in TOPICS.values():
        sections.append(f"## {heading}\n\n{text}")
    return "\n".join(sections)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
