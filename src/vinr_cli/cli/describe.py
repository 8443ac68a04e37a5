"""A media file in words, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from vinr_cli.plan.naming import decimal

if TYPE_CHECKING:
    from vinr_cli.media.read import MediaInfo, Timestamps, TrackInfo, VideoInfo


def media_object(media: "MediaInfo", times: "Timestamps") -> dict[str, Any]:
    """The file for `--json`: durations in seconds, rates and time bases as exact fractions."""
    record: dict[str, Any] = plain(asdict(media))
    del record["remarks"]
    record["notices"] = list(media.notices)
    statistics = plain(asdict(times))
    pts = statistics.pop("pts")
    statistics |= {"count": len(pts), "first": pts[0] if pts else None}
    statistics |= {"last": pts[-1] if pts else None}
    return record | {"metadata": dict(media.metadata), "timestamps": statistics}


_SECONDS = frozenset({"duration", "start"})


def plain(value: Any, name: str = "") -> Any:
    """A value of which JSON can be made."""
    if isinstance(value, dict):
        return {key: plain(inner, key) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, Fraction):
        return float(value) if name in _SECONDS else str(value)
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


def media_lines(media: "MediaInfo", times: "Timestamps") -> list[str]:
    """The file for people."""
    facts = [media.container, _seconds(media.duration), f"{media.size_bytes / 1e6:.2f} MB"]
    if media.bit_rate:
        facts.append(f"{media.bit_rate / 1000:.0f} kb/s")
    return [
        f"{media.path}: {_join(facts)}",
        *_video_lines(media.video, times),
        *(f"  {_track_line(track)}" for track in media.tracks),
        *(f"  note: {text}" for text in media.notices),
    ]


def _video_lines(video: "VideoInfo", times: "Timestamps") -> list[str]:
    rate = None if video.rate is None else f"{decimal(video.rate)} fps on average ({video.rate})"
    count = len(times.pts) + times.missing
    facts = [video.codec, video.pix_fmt, f"{video.width}x{video.height}", rate, f"{count} frames"]
    color = video.color
    colour = [
        f"matrix {color.tagged_matrix or f'untagged, taken as {color.matrix}'}",
        f"primaries {color.primaries or 'untagged'}",
        f"transfer {color.transfer or 'untagged'}",
        "full range" if color.full_range else "studio range",
        f"{color.depth} bit {color.chroma}",
    ]
    shape = [
        f"shown turned by {video.rotation} degrees" if video.rotation else None,
        f"pixel aspect {video.sample_aspect}" if video.sample_aspect != 1 else None,
        "interlaced" if video.interlaced else None,
        "with alpha" if video.alpha else None,
    ]
    lines = [
        f"  video {video.index}: {_join(facts)}",
        f"    colour: {_join(colour)}",
        f"    times: {_join(_time_facts(video, times))}",
    ]
    return [*lines, f"    shape: {_join(shape)}"] if any(shape) else lines


def _time_facts(video: "VideoInfo", times: "Timestamps") -> list[str | None]:
    facts: list[str | None] = [
        "variable rate" if times.variable else "constant rate",
        f"ticks of {video.time_base} s",
    ]
    if times.pts:
        facts.append(f"first at {float(times.pts[0] * video.time_base):.3f} s")
    if times.shortest is not None and times.median is not None and times.longest is not None:
        steps = (times.shortest, times.median, times.longest)
        shown = "/".join(f"{float(step * video.time_base * 1000):.3f}" for step in steps)
        facts.append(f"shortest/median/longest interval {shown} ms")
    if times.duplicates:
        facts.append(f"{times.duplicates} duplicate")
    if times.missing:
        facts.append(f"{times.missing} without time")
    return facts


def _track_line(track: "TrackInfo") -> str:
    channels = None
    if track.channels is not None:
        channels = f"{track.channels} channel{'s' if track.channels > 1 else ''}"
    facts = [
        track.codec or "unknown codec",
        None if track.sample_rate is None else f"{track.sample_rate} Hz",
        channels,
        track.language,
        track.title,
        None if track.start is None else f"from {float(track.start):.3f} s",
        _seconds(track.duration),
    ]
    return f"{track.kind} {track.index}: {_join(facts)}"


def _seconds(value: Fraction | None) -> str | None:
    return None if value is None else f"{float(value):.3f} s"


def _join(facts: Sequence[str | None]) -> str:
    return ", ".join(fact for fact in facts if fact)
