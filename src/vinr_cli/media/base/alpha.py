"""Opacity beside the picture: VP8 and VP9 keep it as a second stream of pictures.

It travels as side data of the packets (Matroska's BlockAdditional with identifier 1; WebM's
guidelines, "Alpha channel"), which only libvpx's decoders put together with the picture.
"""

from typing import Any, Final, cast

from av.codec import CodecContext
from av.container import InputContainer
from av.packet import PacketSideData, packet_sidedata_type_from_literal
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vinr_cli.color.spec import ColorSpec, output_tags
from vinr_cli.media.base.borders import AnyPacket
from vinr_cli.media.base.limits import decoder_options
from vinr_cli.media.base.pixel_formats import PRIMARIES, TRANSFERS

DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that give the opacity too, by codec."""
TAG = "alpha_mode"
"""Matroska's AlphaMode, as ffmpeg names it among a stream's tags."""
_SIDE_DATA: Final = "matroska_block_additional"
_IDENTIFIER = (1).to_bytes(8)
"""How ffmpeg begins that side data: with its identifier."""


def is_apart(stream: VideoStream) -> bool:
    """Whether a stream keeps its opacity as side data of the packets."""
    context = stream.codec_context
    if context is None or context.codec.canonical_name not in DECODERS:
        return False
    return any(k.lower() == TAG and v == "1" for k, v in stream.metadata.items())


def open_decoder(stream: VideoStream) -> VideoCodecContext:
    """A decoder that gives pictures with opacity, for a stream that keeps it apart.

    Raises:
        av.error.FFmpegError, ValueError: This PyAV was built without it.
    """
    theirs = stream.codec_context
    name = DECODERS[theirs.codec.canonical_name]
    decoder = cast(VideoCodecContext, CodecContext.create(name, "r"))
    decoder.options = decoder_options()
    decoder.color_primaries = theirs.color_primaries
    decoder.color_trc = theirs.color_trc
    decoder.colorspace = theirs.colorspace
    decoder.color_range = theirs.color_range
    return decoder


def sees_through(frame: VideoFrame) -> bool:
    """Whether any pixel of a frame is not opaque."""
    form = VideoFormat(frame.format.name, frame.width, frame.height)
    if not form.has_palette and not any(c.is_alpha for c in form.components):
        return False
    deep = max((c.bits for c in form.components), default=8) > 8
    pixels = frame.to_ndarray(format="rgba64le" if deep else "rgba")
    return bool((pixels[..., 3] < (0xFFFF if deep else 0xFF)).any())


def carries_opacity(stream: VideoStream) -> bool:
    """Whether the packets of a part carry opacity beside them; reads the first one.

    Args:
        stream: A stream of a container that is opened for its header alone.

    Raises:
        av.error.FFmpegError: It cannot be read.
    """
    if stream.codec_context.codec.canonical_name not in DECODERS:
        return False
    container = cast(InputContainer, stream.container)
    first = next((packet for packet in container.demux(stream) if packet.size), None)
    return first is not None and first.has_sidedata(_SIDE_DATA)


def tag_colours(context: Any, color: ColorSpec) -> None:
    """Say in a container what primaries and transfer colours have; VP9 says the rest itself."""
    primaries, transfer, _ = output_tags(color)
    for name, table, tag in (
        ("color_primaries", PRIMARIES, primaries),
        ("color_trc", TRANSFERS, transfer),
    ):
        number = next((key for key, value in table.items() if value == tag), None)
        if number is not None:
            setattr(context, name, number)


def repair(packet: AnyPacket) -> None:
    """Take away an identifier that stands twice before a packet's opacity.

    ffmpeg's NUT muxer writes it, and its demuxer puts another one before it (seen in 8 and 9).
    """
    if not packet.has_sidedata(_SIDE_DATA):
        return
    data = bytes(packet.get_sidedata(_SIDE_DATA))
    if not data.startswith(_IDENTIFIER * 2):
        return
    kept = data[len(_IDENTIFIER) :]
    make = cast(Any, PacketSideData)  # its stub has no constructor
    repaired: PacketSideData = make(packet_sidedata_type_from_literal(_SIDE_DATA), len(kept))
    repaired.update(kept)
    packet.set_sidedata(repaired)
