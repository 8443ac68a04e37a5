from fractions import Fraction

import pytest

from vinr_cli.color.spec import ColorSpec
from vinr_cli.errors import VinrError
from vinr_cli.media.base.containers import container_named
from vinr_cli.media.join.trial import LARGE_SIDE, needs_trial, try_encoder
from vinr_cli.media.write.encoders import Encoder, choose
from vinr_cli.plan.job import EncodeOptions

RATE = Fraction(25)
SIZE = (64, 48)


def settled(codec: str, container: str, *extra: str) -> Encoder:
    """An encoder for plain frames."""
    return choose(
        EncodeOptions(codec, extra=extra), container_named(container), ColorSpec(), rate=RATE
    )


def test_only_what_is_unknown_is_tried() -> None:
    """The table's encoders are believed up to a size, and nothing beside the table is."""
    known = settled("h264", "mp4")
    assert not needs_trial(known, (LARGE_SIDE, LARGE_SIDE), ())
    assert needs_trial(known, (LARGE_SIDE + 2, 16), ())
    assert needs_trial(known, SIZE, ("-g", "7"))
    assert needs_trial(settled("mpeg4", "mp4"), SIZE, ())


@pytest.mark.parametrize(
    ("codec", "container", "extra"),
    [
        ("h264", "mp4", ("-g", "7")),
        ("h264", "mp4", ("-f", "mp4")),
        ("mpeg4", "avi", ()),
        ("png", "a folder of pictures", ("-pred", "mixed")),
        ("gif", "gif", ("-slices", "4")),
        ("vp9", "webm", ("-tile-columns", "1")),
    ],
)
def test_what_works_passes(codec: str, container: str, extra: tuple[str, ...]) -> None:
    """Arguments and encoders that ffmpeg takes are not refused, at any rate."""
    for rate in (RATE, None, Fraction(1, 10)):
        try_encoder(settled(codec, container, *extra), SIZE, rate=rate, extra=extra)


@pytest.mark.parametrize(
    ("encoder", "size", "words"),
    [
        (("h264", "mp4", "-nonsense", "3"), SIZE, "Unrecognized option 'nonsense'.*ffmpeg-args"),
        (("h264", "mp4", "-vf", "scale=32:16"), SIZE, "makes frames of 32x16 instead of 64x48"),
        (("h263", "matroska"), SIZE, "h263: refuses 64x48: .*not valid for the H.263"),
        (("rawvideo", "mp4"), SIZE, "makes rawvideo, which mp4 cannot hold"),
        (("h264", "mp4"), (20000, 20), "refuses 20000x20: .*another size"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    encoder: tuple[str, ...], size: tuple[int, int], words: str
) -> None:
    """An argument, a size or a codec that cannot be is one line with ffmpeg's own reason."""
    with pytest.raises(VinrError, match=words) as caught:
        try_encoder(settled(*encoder), size, rate=RATE, extra=encoder[2:])
    assert "\n" not in str(caught.value)
    assert " @ 0x" not in str(caught.value)
