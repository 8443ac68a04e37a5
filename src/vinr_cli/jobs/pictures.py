"""Targets that are folders of pictures: when they may be written, and how they are filled."""

from contextlib import suppress
from pathlib import Path

from vinr_cli.errors import OutputError, OutputExistsError, VerificationError
from vinr_cli.files import sync_folder
from vinr_cli.media.base import Pattern, is_listing, list_pictures, parse_pattern
from vinr_cli.media.pictures import numbered, write_pictures

_MARK = ".unfinished"
"""What the name of the file adds to the pattern that says so while pictures are put in place."""
_TEXT = "vinr has not put all pictures in place: the same command again goes on.\n"


def pattern_of(output: Path) -> Pattern:
    """The names of a job's pictures.

    Raises:
        ValueError: The output is no pattern.
    """
    pattern = parse_pattern(output)
    if pattern is None:
        raise ValueError(f"{output} is no pattern")
    return pattern


def require_pictures(output: Path, source: Path, *, overwrite: bool) -> None:
    """Refuse a folder of pictures that cannot or must not be written.

    Pictures that an earlier run was putting in place are no obstacle.

    Args:
        output: A pattern; its folder may be missing.
        source: The input.
        overwrite: Whether existing pictures may be replaced.

    Raises:
        OutputError: The folder cannot be made or is the input's, or there are such pictures.
    """
    folder = output.parent
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise OutputError(there, "is no folder", "Choose another one with -o.")
    _refuse_source(output, source)
    found = numbered(pattern_of(output))
    if found and not overwrite and not mark_of(output).exists():
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise OutputExistsError(
            found[0][1], f"exists already{more}", "Use --overwrite, or another folder with -o."
        )


def make_folder(output: Path) -> None:
    """Make the folder of some pictures.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(output.parent, f"cannot be created: {error.strerror}") from error


def _refuse_source(output: Path, source: Path) -> None:
    """Pictures that come in must not be replaced, nor be joined by those that go out."""
    if not is_listing(source) or not output.parent.exists():
        return
    if source.is_dir() and output.parent.samefile(source):
        cause = "is the folder of the input"
        raise OutputError(output.parent, cause, "Choose another one with -o.")
    taken = {path.resolve() for _, path in numbered(pattern_of(output))}
    for picture in list_pictures(source, []):
        if picture.resolve() in taken:
            raise OutputError(picture, "is of the input itself", "Choose other names with -o.")


def mark_of(output: Path) -> Path:
    """The file that stands beside the pictures until all of them are in place."""
    return output.with_name(f"{output.name}{_MARK}")


def place_pictures(
    output: Path, parts: list[Path], scratch: Path, *, frames: int, size: tuple[int, int],
    comment: str,
) -> None:  # fmt: skip
    """Put all pictures in place; those of an earlier run that are beyond the last are removed.

    Each has its name only when it is whole, and `mark_of` stands beside them until all are there.

    Args:
        output: Their pattern.
        parts: Finished parts, in order.
        scratch: Folder for the picture at hand, on the same file system.
        frames: How many there must be.
        size: (width, height) of each.
        comment: What each says about how it was made.

    Raises:
        OutputError: Something cannot be written or removed.
        VerificationError: A picture or their number is not as planned.
    """
    pattern, mark = pattern_of(output), mark_of(output)
    try:
        mark.write_text(_TEXT, encoding="utf-8")
        sync_folder(mark.parent)
        for number, path in numbered(pattern):
            if number >= frames:
                path.unlink()
    except OSError as error:
        raise OutputError(output, f"cannot be written: {error.strerror}") from error
    written = write_pictures(parts, pattern, scratch, size=size, comment=comment)
    if written != frames:
        raise VerificationError(output, f"{written} pictures were written, planned were {frames}")
    sync_folder(mark.parent)
    with suppress(FileNotFoundError):
        mark.unlink()
