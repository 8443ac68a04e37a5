"""How coarsely a lossy codec has rounded: told by its stream, so nothing is guessed from pictures.

libavcodec's decoders of H.264, VP9 and the MPEG family say which quantizer each block was coded
with. Those of HEVC, AV1 and what is made for editing do not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import cast

from av.codec.codec import Codec
from av.sidedata.encparams import VideoEncParams
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vinr_cli.media.base.borders import LIBRARY_ERRORS
from vinr_cli.media.base.limits import decoder_options
from vinr_cli.media.base.opening import open_input
from vinr_cli.media.read.info import MediaInfo

FRAMES = 4
"""Frames that are decoded at each place: a key frame and some that are predicted."""

SPEAKING = frozenset({"h264", "vp9", "mpeg1video", "mpeg2video", "mpeg4"})
"""Codecs, by libavcodec's names, whose decoders tell their quantizers in a unit that is known."""


@dataclass(frozen=True, slots=True)
class Coarseness:
    """How coarsely some frames were rounded.

    Attributes:
        codec: libavcodec's name of the codec.
        quantizer: Mean over blocks and frames, in the codec's unit: QP of H.264 as of 8-bit video
            (-12 to 51), quantizer index of VP9 (0 to 255), step of the MPEG family in code values
            (2 to 62; twice the quantizer scale).
    """

    codec: str
    quantizer: float


def is_lossless(codec: str) -> bool:
    """Whether whatever a codec gives back is what it was given.

    Args:
        codec: libavcodec's name of it.
    """
    try:
        known = Codec(codec, "r")
    except ValueError:  # unknown here
        return False
    return known.lossless and not known.lossy


def ask_for_quantizers(decoder: VideoCodecContext) -> None:
    """Let a decoder that is not open yet tell its quantizers."""
    decoder.options = {**decoder.options, "export_side_data": "venc_params"}


def quantizer_of(frame: VideoFrame) -> float | None:
    """The mean quantizer of a frame's blocks, in the unit that the decoder tells.

    Args:
        frame: Of a decoder that was asked.

    Returns:
        None where the decoder does not tell.
    """
    told = frame.side_data.get("VIDEO_ENC_PARAMS")
    if told is None:
        return None
    params = cast(VideoEncParams, told)
    if params.nb_blocks == 0 or params.codec_type.name == "VP9":  # its blocks differ in size
        return float(params.qp)
    try:
        return float(params.qp_map().mean())
    except (RuntimeError, ValueError):  # blocks of a field, or of a slice that is lost
        return None


def coarseness_of(codec: str, frames: Iterable[VideoFrame]) -> Coarseness | None:
    """The mean over frames of a decoder that was asked; None where nothing is told.

    Args:
        codec: libavcodec's name of the codec.
        frames: Any number; none is kept.
    """
    if codec not in SPEAKING:
        return None
    values: list[float] = []
    for frame in frames:
        told = quantizer_of(frame)
        if told is not None:
            depth = frame.format.components[0].bits if codec == "h264" else 8
            # In deep H.264 six more steps of QP per bit make the same step in the signal
            # (H.264, 7.4.2.1).
            values.append(told - 6 * (depth - 8))
    return Coarseness(codec, fmean(values)) if values else None


def measure_coarseness(media: MediaInfo, places: Sequence[int]) -> Coarseness | None:
    """Decode a few frames here and there, for their quantizers alone.

    What cannot be decoded is passed over in silence: this is asked before the work, and the work
    itself tells what is damaged. Where no place has a key frame to begin at, as in an MPEG-TS of
    one GOP, the file's first frames are taken.

    Args:
        media: The source, a file.
        places: PTS, in ticks of the main video; frames after the key frame before each are taken.

    Returns:
        None where the codec is none that tells, or nothing could be decoded.
    """
    if media.video.codec not in SPEAKING:
        return None
    codec = media.video.codec
    return coarseness_of(codec, _frames(media, places)) or coarseness_of(codec, _frames(media))


def _frames(media: MediaInfo, places: Sequence[int | None] = (None,)) -> Iterator[VideoFrame]:
    """The first frames from the key frame before each place on, or from the beginning."""
    for place in places:
        try:
            with open_input(media.path) as container:
                stream = cast(VideoStream, container.streams[media.video.index])
                stream.codec_context.options = decoder_options()
                ask_for_quantizers(stream.codec_context)
                if place is not None:
                    container.seek(place, stream=stream)
                yield from islice(container.decode(stream), FRAMES)
        except LIBRARY_ERRORS:
            continue
