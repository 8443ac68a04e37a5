"""Every decision of a plan that changes pixels, times or streams: for people, and for the result.

`vinr probe` and ``--dry-run`` print `details`; the result's comment holds `tags`. Both are made of
one list, so what one of them tells is not missing from the other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vinr_cli._version import __version__
from vinr_cli.jobs.disk import bytes_needed
from vinr_cli.jobs.plan import Plan
from vinr_cli.jobs.planning import odd_times
from vinr_cli.media.base import Comment
from vinr_cli.media.join import Act, name_of, outcome
from vinr_cli.media.pictures import FIRST_NUMBER
from vinr_cli.media.read import PICTURES
from vinr_cli.media.write import (
    colour_changes,
    matrix_guess,
    read_colours,
    written_colours,
)
from vinr_cli.plan.job import STDIO, RateKind
from vinr_cli.plan.naming import decimal

_AUTO_PRECISION = "bf16 on a CPU whose kernels round, fp16 on a GPU with tensor cores, else fp32"
_FOLDERS = re.compile(r"(?<![\w)])/(?:[^/\s:,]+/)+")
"""Folders in an argument; not the slash of a fraction."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision.

    Attributes:
        name: What it is about; no two of a plan have the same.
        text: What was decided, for people.
        tag: The same in the result's comment; empty where nothing in the result differs by it.
    """

    name: str
    text: str
    tag: str = ""


def details(plan: Plan) -> tuple[tuple[str, str], ...]:
    """(what it is about, what was decided), in the order to show them."""
    return tuple((decision.name, decision.text) for decision in decisions(plan))


def tags(plan: Plan) -> dict[str, str]:
    """What the output says about how it was made, behind what the source's comment says."""
    words = [f"vinr {__version__}", *(d.tag for d in decisions(plan) if d.tag)]
    said = [(k, v) for k, v in plan.media.metadata if k.lower() == "comment"]
    key, comment = said[0] if said else ("comment", "")
    return {key: " | ".join(filter(None, [comment, "; ".join(words)]))}


def decisions(plan: Plan) -> tuple[Decision, ...]:
    """All of a plan's, in the order to show them."""
    return (
        *_model(plan),
        *_size(plan),
        *_time(plan),
        *_frames(plan),
        *_work(plan),
        *_colour(plan),
        *_geometry(plan),
        *_encoding(plan),
        *_streams(plan),
    )


def _model(plan: Plan) -> Iterator[Decision]:
    """Which weights, and how strongly they take out what codecs left."""
    name = Path(plan.spec.model).name
    yield Decision("model", name, f"model {name}")
    if plan.deblocking is not None:
        tag = f"deblock {plan.deblocking.strength:g}"
        yield Decision("deblock", str(plan.deblocking), tag)


def _work(plan: Plan) -> Iterator[Decision]:
    """What computes, and how exactly."""
    if plan.worker is None:
        asked = plan.spec.precision
        text = f"auto: {_AUTO_PRECISION}" if asked == "auto" else asked
        yield Decision("precision", text, f"precision {asked}")
        return
    device, precision = plan.worker.device, plan.worker.precision
    yield Decision("precision", precision, f"precision {precision} on {device}")
    if plan.worker.tiles > 1:
        tiles = str(plan.worker.tiles)
        yield Decision("tiles", tiles, f"{tiles} tiles a frame")


def _size(plan: Plan) -> Iterator[Decision]:
    """How large."""
    (width, height), video = plan.size, plan.media.video
    factors = (Fraction(width, video.width), Fraction(height, video.height))
    scale = "x".join(decimal(factor) for factor in factors)
    rounded = ""
    asked = plan.spec.size.scale
    if asked is not None and factors != (asked, asked):
        exact = f"{decimal(video.width * asked)}x{decimal(video.height * asked)}"
        step = "even sides" if plan.encoder.even else "whole pixels"
        rounded = f" ({exact} rounded to {step})"
    frame = (plan.spec.size.width, plan.spec.size.height)
    if None not in frame and not {width, height} <= {*frame}:
        rounded = f" (inside of {frame[0]}x{frame[1]})"
    made = f"{width}x{height}{rounded}"
    text = f"{video.width}x{video.height} times {scale} is {made}"
    yield Decision("size", text, f"scale {scale}; size {made}")


def _time(plan: Plan) -> Iterator[Decision]:
    """When what is shown."""
    window, request = plan.window, plan.spec.rate
    before = "variable" if window.rate is None else f"constant {_fps(window.rate)}"
    after = "variable" if plan.rate is None else f"constant {_fps(plan.rate)}"
    change = f"{before} to {after}" if before != after else f"{before} as it is"
    how = f"{request.kind.value} {request.value}"
    yield Decision("rate", f"{change} ({how})", f"{how}: {change}")
    length = f"{decimal(plan.duration)} s" if plan.frames else "that of the stream"
    yield Decision("duration", length)
    bounds = [
        f"{word} {decimal(time) if time else 0} s"
        for word, time in (("from", plan.spec.start), ("until", plan.spec.end))
        if time is not None
    ]
    if bounds:
        yield Decision("range", " ".join(bounds), f"the source {' '.join(bounds)}")
    times = plan.timestamps
    if window.rate is not None and times.shortest != times.longest:
        text = "rounded in the source: those of its constant rate are used"
        yield Decision("frame times", text, f"frame times {text}")
    for index, text in enumerate(odd_times(times)):
        yield Decision(f"frame times {index + 1}", text, text)
    if plan.media.container == PICTURES and window.rate is not None:
        given = "--input-fps" if plan.spec.input_rate else "no rate was given"
        yield Decision(
            "pictures in", f"{_fps(window.rate)}: {given}", f"pictures taken at {_fps(window.rate)}"
        )


def _frames(plan: Plan) -> Iterator[Decision]:
    """What the pictures are made of."""
    spec, video = plan.spec, plan.media.video
    cuts = "not looked for"
    if spec.scene_threshold is not None:
        cuts = f"from {spec.scene_threshold:g} % change, not mixed"
    yield Decision("scene cuts", cuts, f"scene cuts {cuts}")
    repeats = "not looked for"
    if plan.cadence is not None:
        repeats = f"{plan.cadence.repeats}, interpolated across"
        tag = f"{plan.cadence.repeats} repeats interpolated across"
        yield Decision("repeats", repeats, tag)
    else:
        yield Decision("repeats", repeats, f"repeats {repeats}")
    if video.interlaced:
        text = "bwdif" if video.deinterlace else "left as it is"
        tag = "deinterlaced by bwdif" if video.deinterlace else "interlaced frames left as they are"
        yield Decision("interlaced", text, tag)
    damage = "ends the job" if spec.strict else "is concealed by the frame before"
    yield Decision("damage", f"a frame that cannot be decoded {damage}")


def _colour(plan: Plan) -> Iterator[Decision]:
    """What the numbers mean, in and out."""
    video, encoder = plan.media.video, plan.encoder
    given, made = video.color, encoder.color
    lines = video.width if (video.rotation or plan.rotation_applied) % 180 else video.height
    guess = matrix_guess(video.color, lines)
    yield Decision(
        "colour",
        read_colours(video.pix_fmt, video.color, lines),
        f"colour {guess}" if guess else "",
    )
    changes = colour_changes(given, encoder)
    told = f"colour {', '.join(changes)}" if changes else "colour as it was"
    yield Decision("output colour", written_colours(encoder), told)
    if given.mastering or given.light:
        kept = bool(made.mastering or made.light) and encoder.takes_light
        text = "kept" if kept else "not kept"
        yield Decision("mastering and light levels", text, "" if kept else f"light levels {text}")
    if video.alpha:
        text = "kept" if made.alpha else "left out"
        yield Decision("alpha", text, f"alpha {text}")


def _geometry(plan: Plan) -> Iterator[Decision]:
    """How the picture lies."""
    video = plan.media.video
    if any(video.crop):
        text = "{} left, {} top, {} right, {} bottom, as the container says".format(*video.crop)
        yield Decision("cropped", text, f"cropped by {text}")
    if video.mirrored:
        text = "the pixels are mirrored, left to right"
        yield Decision("mirror", text, "mirrored, left to right")
    if plan.rotation_applied:
        text = f"turned by {plan.rotation_applied} degrees, pixel for pixel"
        yield Decision("rotation", text, text)
    elif video.rotation:
        text = f"{video.rotation} degrees, which players turn by"
        yield Decision("rotation", text, f"to be turned by {video.rotation} degrees")
    before, after = video.sample_aspect, plan.aspect
    if before != 1:
        lost = not plan.encoder.container.pixel_aspect and after != 1
        change = f"{before} as it is" if before == after else f"{before} to {after}"
        text = f"{after}, which {plan.encoder.container} cannot say" if lost else change
        yield Decision("pixel aspect", text, f"pixel aspect {text}")


def _encoding(plan: Plan) -> Iterator[Decision]:
    """How it is written."""
    encoder, extra = plan.encoder, plan.spec.encode.extra
    words = encoder.arguments
    own = words[: len(words) - len(extra)]
    text = " ".join((f"{encoder.encoder} {encoder.pix_fmt}", *words))
    # Where somebody's files lie is nobody's business.
    told = " ".join((encoder.encoder, encoder.pix_fmt, *own, *(_FOLDERS.sub("", w) for w in extra)))
    finished = encoder.container.made_by
    if finished:
        text, told = f"{finished} (parts: {text})", finished
    yield Decision("encoder", text, f"encoder {told}")
    if plan.spec.encode.lossless:
        yield Decision("encoding", "lossless", "lossless")
    rounded = encoder.container.clock
    form = f"{encoder.container}" + (f", times rounded {rounded}" if rounded else "")
    yield Decision("container", form, f"times rounded {rounded}" if rounded else "")
    if encoder.container.pictures and plan.rate is not None:
        text = f"from {FIRST_NUMBER} on, {decimal(plan.rate)} a second"
        yield Decision("pictures", text, f"{plan.rate} pictures a second")
    if encoder.container.comment is Comment.NOWHERE:
        yield Decision("comment", f"none: {encoder.container} has no place for how it was made")
    yield Decision("disk", _disk(plan))


def _disk(plan: Plan) -> str:
    """The disk that is needed, for people."""
    if plan.spec.output == STDIO:
        return "nothing is kept: it streams"
    if not plan.frames:
        return "unknown"
    return f"about {bytes_needed(plan) / 1e6:.3g} MB, and as much again for the parts"


def _streams(plan: Plan) -> Iterator[Decision]:
    """What comes along."""
    video = plan.media.video
    others = [track for track in plan.media.tracks if track.kind == "video"]
    if others:
        text = f"stream {video.index}, one of {len(others) + 1}"
        yield Decision("video", text, f"video {text}")
    slow = plan.spec.rate.kind is RateKind.SLOW_MOTION
    if slow and any(track.kind == "audio" for track in plan.media.tracks):
        yield Decision("sound", f"{plan.spec.slow_audio.value}, for slow motion")
    for track in plan.tracks:
        name, text = name_of(track), outcome(track)
        yield Decision(name, text, "" if track.act is Act.COPY else f"{name} {text}")


def _fps(rate: Fraction) -> str:
    """A rate, exactly."""
    return f"{rate} fps"
