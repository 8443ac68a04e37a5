"""What models are called: names of a user's choice, and names of the Hub."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from vinr_cli.errors import UsageError, WeightsError
from vinr_cli.untrusted import is_entry

HUB = "hf:"
"""What the names of models of the Hub begin with."""

_OWN = re.compile(r"\w[\w.-]{0,99}")
_OF_HUB = re.compile(r"(?:hf:)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
_LONGEST = 96
"""Characters of a Hub's repository, as the Hub itself limits them, and of a revision."""


@dataclass(frozen=True, slots=True)
class HubName:
    """A model of the Hub.

    Attributes:
        repository: "org/name".
        revision: A branch, a tag or a commit.

    Raises:
        WeightsError: a word of it is empty, ".", ".." or too long.
    """

    repository: str
    revision: str = "main"

    def __post_init__(self) -> None:
        words = [*self.repository.split("/"), *self.revision.split("/")]
        short = max(len(self.repository), len(self.revision)) <= _LONGEST
        if not short or not all(map(is_entry, (*words, folder_name(str(self))))):
            raise _not_of_hub(f"{self.repository}@{self.revision}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "hf:org/name@revision"; "hf:" and the revision may be missing.

        Raises:
            WeightsError: it is no such name.
        """
        said = _OF_HUB.fullmatch(text)
        if said is None:
            raise _not_of_hub(text)
        return cls(said[1], said[2] or "main")

    def __str__(self) -> str:
        """What `--model` calls it, the revision included."""
        return f"{HUB}{self.repository}@{self.revision}"


def folder_name(name: str) -> str:
    """What the folder of a set is called; names of the Hub have slashes, a file name has not."""
    return quote(name, safe=" @:=").replace(":", "=")


def require_name(name: str) -> str:
    """The full name of a model that a user names, before it becomes the name of a folder.

    Args:
        name: Of the user's choice, or of the Hub; the latter get their revision.

    Raises:
        UsageError: not a name of letters, digits, dots and hyphens.
        WeightsError: not a name of the Hub, though it begins like one.
    """
    if name.startswith(HUB):
        return str(HubName.parse(name))
    if not _OWN.fullmatch(name) or not is_entry(folder_name(name)):
        fix = "Use letters, digits, dots and hyphens, at most 100."
        raise UsageError(f"model {name}", "is not a name of a model", fix)
    return name


def _not_of_hub(text: str) -> WeightsError:
    fix = "Write hf:org/name or hf:org/name@rev."
    return WeightsError(f"model {text}", "is not a name of the Hub", fix)
