"""The new pictures and the source's other streams to one result."""

from typing import TYPE_CHECKING

from vinr_cli.media.lazy import door

if TYPE_CHECKING:
    from vinr_cli.media.join.mux import finish
    from vinr_cli.media.join.side_tracks import FileTracks, SideTracks, streams_along
    from vinr_cli.media.join.sound import check_sound
    from vinr_cli.media.join.stream_mux import Head, StreamMux, StreamTarget
    from vinr_cli.media.join.stream_writer import StreamWriter
    from vinr_cli.media.join.streams import Fate, fates, told
    from vinr_cli.media.join.times import Times
    from vinr_cli.media.join.trial import needs_trial, try_encoder
    from vinr_cli.media.join.verification import check, count_packets
else:
    __getattr__ = door(
        __name__,
        mux="finish",
        side_tracks="FileTracks SideTracks streams_along",
        sound="check_sound",
        stream_mux="Head StreamMux StreamTarget",
        stream_writer="StreamWriter",
        streams="Fate fates told",
        times="Times",
        trial="needs_trial try_encoder",
        verification="check count_packets",
    )
