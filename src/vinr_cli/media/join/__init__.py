"""The new pictures and the source's other streams to one result."""

from typing import TYPE_CHECKING

from vinr_cli.media.lazy import door

if TYPE_CHECKING:
    from vinr_cli.media.join.decisions import Act, StreamDecision, Wishes, decide
    from vinr_cli.media.join.header import Head
    from vinr_cli.media.join.mux import finish
    from vinr_cli.media.join.side_tracks import FileTracks, SideTracks, copied_streams
    from vinr_cli.media.join.sound import check_sound
    from vinr_cli.media.join.stream_mux import StreamMux, StreamTarget
    from vinr_cli.media.join.stream_writer import StreamWriter
    from vinr_cli.media.join.times import Times
    from vinr_cli.media.join.trial import needs_trial, try_encoder
    from vinr_cli.media.join.verification import check, count_packets
    from vinr_cli.media.join.words import name_of, notices, outcome
else:
    __getattr__ = door(
        __name__,
        decisions="Act StreamDecision Wishes decide",
        header="Head",
        mux="finish",
        side_tracks="FileTracks SideTracks copied_streams",
        sound="check_sound",
        stream_mux="StreamMux StreamTarget",
        stream_writer="StreamWriter",
        times="Times",
        trial="needs_trial try_encoder",
        verification="check count_packets",
        words="name_of notices outcome",
    )
