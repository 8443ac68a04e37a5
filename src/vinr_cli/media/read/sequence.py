"""Pictures in a folder, or named by a pattern, as a video of a constant rate.

Every picture is opened on its own: names need no rule, an error names its file, and any picture
can be begun with. Their number is their time.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from vinr_cli.color.spec import Chroma, ColorSpec
from vinr_cli.errors import InputError
from vinr_cli.media.base.borders import words_of
from vinr_cli.media.base.listing import list_pictures
from vinr_cli.media.base.pixel_formats import layout_of
from vinr_cli.media.read.describe import describe_picture
from vinr_cli.media.read.info import MediaInfo, Timestamps, VideoInfo
from vinr_cli.media.read.planes import Plane, planes_of
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.read.stills import Still, decode, look

PICTURES = "pictures"
"""The container's name of such a video."""
DEFAULT_RATE = Fraction(25)
"""Frames per second where nobody says; ffmpeg's too."""


def probe_sequence(path: Path, rate: Fraction | None) -> MediaInfo:
    """Describe pictures as a video; reads every header and decodes one of them.

    Args:
        path: A folder or a pattern, see `listing.is_listing`.
        rate: Frames per second; None takes `DEFAULT_RATE`, with a notice.

    Raises:
        InputError: There are no pictures, their numbers have a gap, or one of them is unreadable,
            of another size or of a kind that is not supported.
    """
    notices: list[str] = []
    files = list_pictures(path, notices)
    stills = [look(file) for file in files]
    _refuse_mixture(files, stills)
    chosen = _richest(files, stills, notices)
    picture = decode(files[chosen], stills[chosen].codec)
    if rate is None:
        notices.append(f"{DEFAULT_RATE} frames/s are taken as the rate: --input-fps says otherwise")
    rate = rate or DEFAULT_RATE
    try:
        size = sum(file.stat().st_size for file in files)
    except OSError as error:
        raise InputError(path, f"cannot be read: {words_of(error)}") from error
    return MediaInfo(
        path=path,
        container=PICTURES,
        duration=len(files) / rate,
        size_bytes=size,
        bit_rate=None,
        video=describe_picture(
            files[chosen],
            stills[chosen].codec,
            picture.frame,
            rate=rate,
            aspect=picture.aspect,
            upright=picture.upright,
            count=len(files),
            notices=notices,
        ),
        tracks=(),
        metadata=(),
        remarks=tuple(notices),
        reopens=False,
    )


def _refuse_mixture(files: Sequence[Path], stills: Sequence[Still]) -> None:
    """One size and one kind, as far as headers tell.

    Raises:
        InputError: naming the first picture that is different.
    """
    first = stills[0]
    for file, still in zip(files, stills, strict=True):
        if still.codec != first.codec:
            cause = f"is {still.codec}, {files[0].name} is {first.codec}"
            raise InputError(file, cause, "All pictures must be of one kind.")
        if still.size != first.size and still.size and first.size:
            cause = f"is {_size(still.size)}, {files[0].name} is {_size(first.size)}"
            raise InputError(file, cause, "All pictures must have one size.")


def _richest(files: Sequence[Path], stills: Sequence[Still], notices: list[str]) -> int:
    """Index of the first picture with the most colours and bits; all are read like it.

    Programs that save space write a gray file where a picture happens to be gray.
    """
    kinds = [(bool(still.colours), still.depth or 0) for still in stills]
    best = (max(k[0] for k in kinds), max(k[1] for k in kinds))
    if best not in kinds:  # gray of 16 bits beside colours of 8
        odd = kinds.index((False, best[1]))
        raise InputError(
            files[odd], f"is gray of {best[1]} bits, others have colours of fewer",
            "Save all pictures in one format.",
        )  # fmt: skip
    chosen = kinds.index(best)
    if len(set(kinds)) > 1:
        odd = next(i for i, kind in enumerate(kinds) if kind != best)
        notices.append(
            f"{files[odd].name} has fewer colours or bits than {files[chosen].name}: "
            "all are read like the latter"
        )
    return chosen


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def times_of(info: VideoInfo) -> Timestamps:
    """The presentation times of such a video, from its count and rate."""
    count, step = info.frames or 0, _step(info)
    between = step if count > 1 else None
    return Timestamps(
        pts=tuple(range(0, count * step, step)),
        duplicates=0,
        missing=0,
        last_duration=step,
        variable=False,
        shortest=between,
        median=between,
        longest=between,
    )


def _step(info: VideoInfo) -> int:
    """Ticks from one picture to the next."""
    return int(1 / ((info.rate or DEFAULT_RATE) * info.time_base))


def fingerprint_of(path: Path) -> dict[str, str]:
    """What a run that goes on compares: names, sizes and times of all, content of two.

    Raises:
        InputError: A picture is not there any more.
    """
    files = list_pictures(path, [])
    names = hashlib.sha256()
    ends = hashlib.sha256()
    try:
        for file in files:
            status = file.stat()
            names.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(
                errors="surrogateescape"
            ))  # fmt: skip
        for file in (files[0], files[-1]):
            ends.update(file.read_bytes())
    except OSError as error:
        raise InputError(path, f"cannot be read: {words_of(error)}") from error
    return {
        "input pictures": str(len(files)),
        "input names, sizes and times": names.hexdigest()[:16],
        "input content": ends.hexdigest()[:16],
    }


class SequenceReader(FrameReader):
    """`FrameReader` of pictures: one in memory at a time, each from its own file.

    A picture that cannot be read is left out, which leaves a gap in the times and shifts nothing.

    Args and attributes are those of `FrameReader`; `path` is a folder or a pattern.

    Raises:
        InputError: While iterating: a picture has another size, or is turned another way.
    """

    def require_source(self) -> None:
        """List the pictures.

        Raises:
            InputError: There are none, or their numbers have a gap.
        """
        self._files = list_pictures(self._path, [])
        self._upright: tuple[int, bool] | None = None  # of the first picture that is read

    def _decoded_from_start(self) -> Iterator[VideoFrame]:
        step = _step(self._info)
        first = 0 if self._start is None else max(0, self._start // step)
        for index in range(first, len(self._files)):
            pts = index * step
            if self.end_pts is not None and pts >= self.end_pts:
                return
            frame = self._frame(self._files[index])
            if frame is not None:
                frame.pts = pts
                yield frame

    def _frame(self, file: Path) -> VideoFrame | None:
        """A picture's frame; None, with a notice, if it cannot be read."""
        try:
            still = look(file)
            picture = decode(file, still.codec)
        except InputError as error:
            if self._damaged < 1:
                self.notices.append(f"{file.name} is left out: it {error.cause}")
            self._damaged += 1
            return None
        info, frame = self._info, picture.frame
        if (frame.width, frame.height) != (info.width, info.height):
            cause = f"is {frame.width}x{frame.height}, not {info.width}x{info.height}"
            raise InputError(file, cause, "All pictures must have one size.")
        self._upright = self._upright or picture.upright
        if picture.upright != self._upright:
            cause = "is marked to be turned another way than the pictures before"
            raise InputError(file, cause, "Save all pictures upright.")
        return frame

    def _copied(self, frame: VideoFrame) -> tuple[Plane, ...]:
        layout = layout_of(frame.format.name)
        alpha = self._info.color.alpha and (layout.alpha or frame.format.name == "pal8")
        own = replace(self._info.color, chroma=layout.chroma, depth=layout.depth, alpha=alpha)
        planes = planes_of(frame, replace(self._info, color=own))
        return fitted(planes, own, self._info.color)

    def where(self, pts: int | None) -> str:
        """A place in the sequence, for people: the file's name."""
        index = None if pts is None else pts // _step(self._info)
        if index is None or not 0 <= index < len(self._files):
            return super().where(pts)
        return f"{self._files[index].name} (at {float((pts or 0) * self._info.time_base):.3f} s)"


def fitted(planes: tuple[Plane, ...], own: ColorSpec, wanted: ColorSpec) -> tuple[Plane, ...]:
    """A picture's planes in a richer layout, exactly: gray as colours, 8 bits as 16, opaque.

    Args:
        planes: The picture's samples.
        own: Their description.
        wanted: The sequence's; not both of them differ in anything but layout and depth.

    Raises:
        ValueError: The picture has more colours or bits than that, or another subsampling.
    """
    if own.chroma is not wanted.chroma:
        if own.chroma is not Chroma.GRAY or wanted.chroma is not Chroma.RGB:
            raise ValueError(f"{own.chroma} samples among {wanted.chroma} ones")
        planes = (planes[0], planes[0], planes[0])
    if wanted.alpha and not own.alpha:
        opaque = np.full_like(planes[0], (1 << own.depth) - 1)
        planes = (*planes, opaque)
    if own.depth == wanted.depth:
        return planes
    top, most = (1 << own.depth) - 1, (1 << wanted.depth) - 1
    if most % top:
        raise ValueError(f"samples of {own.depth} bits among those of {wanted.depth}")
    return tuple(plane.astype(np.uint16) * np.uint16(most // top) for plane in planes)
