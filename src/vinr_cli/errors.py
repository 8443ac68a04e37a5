"""Every exception that vinr raises on purpose, each with the exit code of the program.

::

    VinrError                    1    something failed
    ├── UsageError               2    an option that cannot be, alone or with another
    │   └── OptionError          2    and could not be for any other input
    ├── InputError               3    a file that is missing, empty, broken or no video
    ├── OutputError              4    a target that exists, cannot be written or is full
    │   ├── OutputExistsError    4    it exists: in a batch that is no failure
    │   └── ReaderGoneError    141    it is standard output, and nobody reads it any more
    ├── EncoderError             5    ffmpeg is missing, refuses the options or died
    ├── WeightsError             6    weights that are unknown, damaged or of a wrong shape
    ├── DeviceError              7    a device that is not there, or too small even for one tile
    ├── VerificationError        8    the finished file is not what was planned
    ├── IncompleteError          9    the file is finished, but some of the source was lost
    └── Interrupted            130    Ctrl-C or SIGTERM

A message is one line that names the subject (mostly a file), the cause and the fix. Errors of the
libraries below are translated once, at the border of the package that calls them, with ``from``.
"""

import os


class VinrError(Exception):
    """Base of all expected failures.

    Args:
        subject: What the failure is about: a path, an option, a model name.
        cause: What is wrong with it, with the offending value.
        fix: What the user can do next; empty when there is nothing to say.
    """

    exit_code = 1

    def __init__(self, subject: str | os.PathLike[str], cause: str, fix: str = "") -> None:
        self.subject = os.fspath(subject)
        self.cause = cause
        self.fix = fix
        super().__init__(self.subject, cause, fix)

    def __str__(self) -> str:
        """One line: subject, cause, fix. Newlines of a library's message are folded."""
        line = f"{self.subject}: {self.cause}"
        if self.fix:
            line = f"{line.rstrip('.')}. {self.fix}"
        return " ".join(line.split())


class UsageError(VinrError):
    """An option value, or a combination of options, that cannot be."""

    exit_code = 2


class OptionError(UsageError):
    """An option that cannot be for any input: it is said once, not once for each."""


class InputError(VinrError):
    """The input cannot be read as a video."""

    exit_code = 3


class OutputError(VinrError):
    """The output cannot be written."""

    exit_code = 4


class OutputExistsError(OutputError):
    """The output exists already, and overwriting it was not asked for."""


class ReaderGoneError(OutputError):
    """Whoever read standard output has closed it."""

    exit_code = 141


class EncoderError(VinrError):
    """ffmpeg cannot be found, refuses the options, or died."""

    exit_code = 5


class WeightsError(VinrError):
    """Weights that are unknown, damaged, or do not fit the network."""

    exit_code = 6


class DeviceError(VinrError):
    """The device is not there, or its memory is too small even for one tile."""

    exit_code = 7


class VerificationError(VinrError):
    """The finished file was opened again and is not what was planned."""

    exit_code = 8


class IncompleteError(VinrError):
    """The output is finished, but frames of the source could not be decoded and were concealed."""

    exit_code = 9


class Interrupted(VinrError):  # noqa: N818 - it is a request, not an error
    """The user, or the system, asked the program to stop."""

    exit_code = 130
