"""Folders of pictures and animations out of finished parts."""

from typing import TYPE_CHECKING

from vinr_cli.media.lazy import door

if TYPE_CHECKING:
    from vinr_cli.media.pictures.folder import FIRST_NUMBER, numbered, write_pictures
    from vinr_cli.media.pictures.png import png_of, write_png
    from vinr_cli.media.pictures.webp import check_webp
else:
    __getattr__ = door(
        __name__,
        folder="FIRST_NUMBER numbered write_pictures",
        png="png_of write_png",
        webp="check_webp",
    )
