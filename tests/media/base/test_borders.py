"""Library errors become errors of vinr."""

import errno
import os
from pathlib import Path

import av.error
import pytest

from vinr_cli.errors import InputError, OutputError
from vinr_cli.media.base.borders import reading, require_file, url, words_of, writing


@pytest.mark.parametrize(
    "error",
    [
        av.error.InvalidDataError(1, "Invalid data", "x"),
        OSError(errno.EIO, "Input/output error"),
        ValueError("negative size"),
    ],
)
def test_library_errors_are_translated_with_their_words(error: Exception) -> None:
    """Reading gives InputError and writing OutputError, each with path, words and cause."""
    for border, kind in ((reading, InputError), (writing, OutputError)):
        with pytest.raises(kind, match=words_of(error)) as caught, border(Path("a.mp4")):
            raise error
        assert caught.value.subject == "a.mp4"
        assert caught.value.__cause__ is error


def test_other_errors_pass() -> None:
    """What is not the library's, such as an interrupt or our own errors, is not touched."""
    for error in (KeyboardInterrupt(), KeyError("bug"), InputError("x", "y")):
        with pytest.raises(type(error)), writing(Path("a.mp4")):
            raise error


def test_an_error_without_words_is_named() -> None:
    """An error without any text is told by its type, and errno's numbers are left out."""
    assert words_of(ValueError()) == "ValueError"
    assert words_of(OSError(errno.ENOENT, "No such file")) == "No such file"


def test_a_name_is_only_a_name() -> None:
    """Colons and dashes at the start of a name cannot select a protocol or an option."""
    assert url(Path("http://x")).startswith("file:")
    assert url(Path("-y")) == "file:-y"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_a_file_is_a_file(tmp_path: Path) -> None:
    """Folders, pipes, devices and empty files are called what they are, and none is waited for."""
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    os.symlink("nowhere", tmp_path / "link")
    for name, words in (
        (".", "is a folder"),
        ("empty", "the file is empty"),
        ("pipe", "is a pipe.*vinr upscale - -o OUTPUT <"),
        (os.devnull, "is a device"),
        ("link", "no such file"),
    ):
        with pytest.raises(InputError, match=words):
            require_file(tmp_path / name)
