"""What all rooms of `media` share: containers, pixel formats, pipes, the ffmpeg binary."""

from typing import TYPE_CHECKING

from vinr_cli.media.lazy import door

if TYPE_CHECKING:
    from vinr_cli.media.base.codecs import CODECS
    from vinr_cli.media.base.containers import (
        FALLBACKS,
        FORMATS,
        PIPED,
        SUFFIXES,
        VIDEOS,
        Comment,
        Container,
        default_suffix,
        require_format,
    )
    from vinr_cli.media.base.ffmpeg import find_ffmpeg
    from vinr_cli.media.base.listing import (
        PICTURE_SUFFIXES,
        Pattern,
        is_listing,
        list_pictures,
        named_after,
        natural_key,
        parse_pattern,
    )
    from vinr_cli.media.base.names import NAME_BYTES, container_of, temporary_name
    from vinr_cli.media.base.opening import open_input
    from vinr_cli.media.base.pipe import STDOUT_NAME, Outlet
else:
    __getattr__ = door(
        __name__,
        codecs="CODECS",
        containers="FALLBACKS FORMATS PIPED SUFFIXES VIDEOS Comment Container default_suffix "
        "require_format",
        ffmpeg="find_ffmpeg",
        listing="PICTURE_SUFFIXES Pattern is_listing list_pictures named_after natural_key "
        "parse_pattern",
        names="NAME_BYTES container_of temporary_name",
        opening="open_input",
        pipe="STDOUT_NAME Outlet",
    )
