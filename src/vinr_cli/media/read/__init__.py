"""Files, streams and pictures to descriptions and frames."""

from typing import TYPE_CHECKING

from vinr_cli.media.lazy import door

if TYPE_CHECKING:
    from vinr_cli.media.read.change import change_of
    from vinr_cli.media.read.describe import probe
    from vinr_cli.media.read.exact import LEAD, TAIL, SourceFrames, certain_times
    from vinr_cli.media.read.info import (
        MediaInfo,
        Timestamps,
        TrackInfo,
        VideoInfo,
        dropping_alpha,
        without_deinterlacing,
    )
    from vinr_cli.media.read.quantizers import Coarseness, is_lossless, measure_coarseness
    from vinr_cli.media.read.reader import Frame, FrameReader
    from vinr_cli.media.read.sequence import PICTURES, fingerprint_of
    from vinr_cli.media.read.sources import probe_source, read_source, scan_source
    from vinr_cli.media.read.stream import StreamReader, StreamSource
    from vinr_cli.media.read.timestamps import scan_timestamps
else:
    __getattr__ = door(
        __name__,
        change="change_of",
        describe="probe",
        exact="LEAD TAIL SourceFrames certain_times",
        info="MediaInfo Timestamps TrackInfo VideoInfo dropping_alpha without_deinterlacing",
        quantizers="Coarseness is_lossless measure_coarseness",
        reader="Frame FrameReader",
        sequence="PICTURES fingerprint_of",
        sources="probe_source read_source scan_source",
        stream="StreamReader StreamSource",
        timestamps="scan_timestamps",
    )
