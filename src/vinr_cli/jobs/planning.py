"""What a job will do, settled or refused before the first frame and without torch."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vinr_cli.errors import UsageError
from vinr_cli.jobs.cadence import look_for_repeats
from vinr_cli.jobs.deblock import settle_deblocking
from vinr_cli.jobs.plan import Plan, Window
from vinr_cli.jobs.window import file_window
from vinr_cli.media.base import (
    FALLBACKS,
    FORMATS,
    PIPED,
    SUFFIXES,
    Container,
    container_of,
    default_suffix,
    named_after,
    require_format,
)
from vinr_cli.media.join import (
    StreamDecision,
    Times,
    Wishes,
    decide,
    needs_trial,
    notices,
    try_encoder,
)
from vinr_cli.media.read import (
    MediaInfo,
    StreamSource,
    Timestamps,
    VideoInfo,
    dropping_alpha,
    probe_source,
    scan_source,
    without_deinterlacing,
)
from vinr_cli.media.write import Encoder, centred, choose, needs_even
from vinr_cli.plan.holds import TOLD_SECONDS, require_bounded
from vinr_cli.plan.job import STDIO, Fit, JobSpec, RateKind, SizeRequest, SlowAudio
from vinr_cli.plan.naming import output_name
from vinr_cli.plan.sizes import output_size
from vinr_cli.plan.timeline import count_frames, output_rate, slow_factor
from vinr_cli.weights.deblock import require_strength

MAX_RATE = 1000
"""Greatest output rate, frames per second, unless the source's own is greater."""
MAX_FRAMES = 2**31
"""Most output frames."""
SQUARE_ENOUGH = Fraction(1, 100)
"""Pixels that differ by less from squares are squares: sides are whole numbers."""


def plan_upscale(spec: JobSpec) -> Plan:
    """Settle everything about a job. Reads the whole input's timestamps; writes nothing.

    Where repeats are looked for, the whole input is decoded.

    Args:
        spec: What is asked for.

    Raises:
        UsageError: an option that cannot be, alone, with another, or for this input.
        InputError: the input is no readable video.
        EncoderError: ffmpeg is missing or broken.
    """
    media = probe_source(spec.input, spec.input_rate)
    if not spec.deinterlace:
        media = without_deinterlacing(media)
    if not spec.alpha:
        media = dropping_alpha(media)
    timestamps = scan_source(media)
    return settle_plan(spec, media, timestamps, file_window(spec, media, timestamps))


def settle_plan(
    spec: JobSpec,
    media: MediaInfo,
    timestamps: Timestamps,
    window: Window,
    stream: StreamSource | None = None,
) -> Plan:
    """Settle everything that follows from the source.

    Args:
        spec: What is asked for.
        media: What the source is.
        timestamps: When its frames are shown; none where that is not known before they come.
        window: Which of them are used; its `frames` are 0 where nobody knows how many.
        stream: The source where it is read once.

    Raises:
        OptionError: the model has no such strength.
        UsageError: an option that cannot be, alone, with another, or for this input.
        EncoderError: ffmpeg is missing or broken.
    """
    require_strength(spec.model, spec.deblock)
    video = media.video
    rate = output_rate(spec.rate, window.rate)
    frames = count_frames(spec.rate, window.frames, window.duration)
    duration = window.duration * slow_factor(spec.rate)
    _refuse_rate(spec, window, frames)
    suffix, encoder = _encoder(spec, video, rate)
    size = _size(spec, video, encoder)
    media, encoder, rotation = _turned(media, encoder)
    _refuse_size(spec, encoder, size, rotation, rate)
    aspect = sample_aspect(spec.size, video, size)
    bounds = (window.start_pts, window.end_pts)
    clock = _clock(window, timestamps, media.video)
    tracks = _tracks(spec, media, encoder, clock, steady=rate is not None, stream=stream)
    cadence = look_for_repeats(spec, media, timestamps, bounds, window.rate)
    return Plan(
        spec=spec,
        media=media,
        timestamps=timestamps,
        window=window,
        output=_output(spec, size, rate, suffix),
        size=size,
        rate=rate,
        frames=frames,
        duration=duration,
        encoder=encoder,
        remarks=(
            *encoder.notices,
            *_notices(window, timestamps),
            *_lost(encoder, rate, aspect, size),
            *_kept_shape(spec.size, size),
            *notices(tracks),
            *(() if cadence is None else (f"{cadence}",)),
        ),
        cadence=cadence,
        deblocking=settle_deblocking(
            spec, media, timestamps, bounds, same_size=size == (video.width, video.height)
        ),
        rotation_applied=rotation,
        aspect=aspect,
        tracks=tracks,
    )


def _size(spec: JobSpec, video: VideoInfo, encoder: Encoder) -> tuple[int, int]:
    """(width, height) of an output frame, before it is rotated."""
    even = needs_even(encoder.color, encoder)
    return output_size(
        spec.size, (video.width, video.height), even=(even, even), rotation=video.rotation,
        aspect=video.sample_aspect,
    )  # fmt: skip


def _refuse_size(
    spec: JobSpec,
    encoder: Encoder,
    size: tuple[int, int],
    rotation: int,
    rate: Fraction | None,
) -> None:
    """Refuse frames that the format cannot hold or the encoder does not take.

    Raises:
        UsageError, EncoderError: It is so.
    """
    limit = encoder.container.max_side
    if limit is not None and max(size) > limit:
        cause = f"cannot hold {size[0]}x{size[1]}: its sides end at {limit}"
        raise UsageError(f"{encoder.container}", cause, "Choose another format.")
    extra = spec.encode.extra
    stored = size[::-1] if rotation % 180 else size
    if needs_trial(encoder, stored, extra):
        try_encoder(encoder, stored, rate=rate, extra=extra)


def _turned(media: MediaInfo, encoder: Encoder) -> tuple[MediaInfo, Encoder, int]:
    """The source and the encoder where the format cannot say that a picture is to be turned.

    Chroma between the pixels, not beside one of them, stays where it is when a picture is turned.

    Returns:
        The source with nothing left to turn, the encoder, and the degrees to turn by.
    """
    degrees = media.video.rotation
    if not degrees or encoder.container.rotation:
        return media, encoder, 0
    return replace(media, video=replace(media.video, rotation=0)), centred(encoder), degrees


def _refuse_rate(spec: JobSpec, window: Window, frames: int) -> None:
    """No rate beyond what a video can have, and no count that a container cannot."""
    if not window.frames:  # of a stream, whose frames are judged as they come
        return
    option, value = spec.rate.kind.option, float(spec.rate.value)
    source = window.rate or window.frames / window.duration
    wanted = output_rate(spec.rate, source) or source
    if wanted > MAX_RATE and wanted > source:
        raise UsageError(
            option,
            f"{value:g} means {float(wanted):g} frames/s",
            f"At most {MAX_RATE} are possible.",
        )
    require_bounded(spec.rate, window.longest, window.frames, frames)
    if frames > MAX_FRAMES:
        raise UsageError(option, f"{value:g} means {frames} frames", "That is too many.")


def _encoder(spec: JobSpec, video: VideoInfo, rate: Fraction | None) -> tuple[str | None, Encoder]:
    """(suffix of a name of our own, None if the user names the output; the encoder)."""
    if spec.output == STDIO:
        return None, choose(spec.encode, _streamed(spec), video.color, rate=rate)
    if spec.output is not None and not spec.output.is_dir():
        container = container_of(spec.output)
        if spec.container is not None:
            container = FORMATS[require_format(spec.container)][0]
            if spec.output.suffix.lower() not in container.suffixes:
                cause = f"is not what the name {spec.output} says"
                raise UsageError(f"--format {spec.container}", cause, "Leave it away.")
        return None, choose(spec.encode, container, video.color, rate=rate)
    if spec.container is not None:
        container, suffix = FORMATS[require_format(spec.container)]
        return suffix, choose(spec.encode, container, video.color, rate=rate)
    names = (default_suffix(spec.input), *(row.suffixes[0] for row in FALLBACKS))
    refusal: UsageError | None = None
    for suffix in dict.fromkeys(names):
        try:
            return suffix, choose(spec.encode, SUFFIXES[suffix], video.color, rate=rate)
        except UsageError as error:  # an asked codec may need another container
            refusal = refusal or error
            if spec.encode.codec is None and not video.color.alpha:
                break
    raise refusal or UsageError(spec.input, "no container is possible")


def _streamed(spec: JobSpec) -> Container:
    """The format for standard output."""
    if spec.container is None:
        return FALLBACKS[0]
    if require_format(spec.container) not in PIPED:
        cause = "cannot be written to standard output"
        raise UsageError(f"--format {spec.container}", cause, f"Use one of {', '.join(PIPED)}.")
    return PIPED[spec.container]


def _output(
    spec: JobSpec, size: tuple[int, int], rate: Fraction | None, suffix: str | None
) -> Path:
    """The final name."""
    if spec.output is not None and suffix is None:
        return spec.output
    slow = spec.rate.value if spec.rate.kind is RateKind.SLOW_MOTION else None
    sides = spec.size.width is not None or spec.size.height is not None
    words = size if sides else spec.size.scale or Fraction(1)
    suffix = suffix or default_suffix(spec.input)
    name = output_name(named_after(spec.input), words, rate, suffix, slow=slow)
    pictures = SUFFIXES[suffix].pictures
    if pictures:
        name = name.with_suffix("") / "%05d.png"
    if spec.output is None:
        return name
    return spec.output / (name.parent.name if pictures else "") / name.name


def _lost(
    encoder: Encoder, rate: Fraction | None, aspect: Fraction, size: tuple[int, int]
) -> list[str]:
    """What a format cannot state: pictures have a number and no time, and some only squares."""
    found = _lost_shape(encoder, aspect, size)
    if encoder.container.pictures and rate is None:
        found.append(
            "pictures have no times, and these come at a varying rate: --fps makes it constant"
        )
    return found


def sample_aspect(request: SizeRequest, video: VideoInfo, size: tuple[int, int]) -> Fraction:
    """Width of an output pixel over its height.

    It is the source's. Where both sides are asked for, pixels are squares, as nearly as whole
    pixels allow; what is stretched has squares.

    Args:
        request: The size wanted.
        video: The source.
        size: (width, height) of an output frame, as stored.
    """
    aspect = video.sample_aspect
    if aspect == 1 or request.width is None or request.height is None:
        return aspect
    if request.fit is Fit.STRETCH:
        return Fraction(1)
    kept = aspect * Fraction(video.width * size[1], video.height * size[0])
    return Fraction(1) if abs(kept - 1) < SQUARE_ENOUGH else kept.limit_denominator(1000)


def _lost_shape(encoder: Encoder, aspect: Fraction, size: tuple[int, int]) -> list[str]:
    """Some formats show every pixel as a square; the network makes any size, so there is one."""
    if encoder.container.pixel_aspect or aspect == 1:
        return []
    one = Fraction(1)
    width, height = round(size[0] * max(aspect, one)), round(size[1] / min(aspect, one))
    form = encoder.container
    fix = f"--size {width}x{height} looks right"
    return [f"{form} shows pixels as squares, and these are {aspect}: {fix}"]


def _kept_shape(request: SizeRequest, size: tuple[int, int]) -> list[str]:
    """A picture of another shape than both sides that were asked for does not fill them."""
    frame = (request.width, request.height)
    if None in frame or request.either_way or {*size} <= {*frame}:
        return []
    asked = f"{frame[0]}x{frame[1]}"
    return [f"it keeps its shape inside of {asked}: --fit stretch fills that, out of shape"]


def _clock(window: Window, timestamps: Timestamps, video: VideoInfo) -> Times:
    """How the source's times become times from the first frame on."""
    first = window.start_pts
    if first is None:
        first = timestamps.pts[0] if timestamps.pts else 0
    return Times(shift=first * video.time_base, kept_span=window.kept_span)


def _tracks(
    spec: JobSpec,
    media: MediaInfo,
    encoder: Encoder,
    times: Times,
    *,
    steady: bool,
    stream: StreamSource | None,
) -> tuple[StreamDecision, ...]:
    """What becomes of the source's other streams."""
    slow = spec.rate.kind is RateKind.SLOW_MOTION
    left_out = {
        *(() if spec.audio and not (slow and spec.slow_audio is SlowAudio.DROP) else ("audio",)),
        *(() if spec.subtitles else ("subtitle",)),
    }
    wishes = Wishes(
        left_out,
        stretched=slow_factor(spec.rate) != 1,
        steady=steady,
        times=times,
        streamed=STDIO in (spec.input, spec.output),
        piped=spec.output == STDIO,
    )
    opened = None if stream is None else stream.container
    return decide(media, encoder.container, wishes, opened)


def _notices(window: Window, timestamps: Timestamps) -> list[str]:
    found = []
    if window.rate is None and window.frames > 1:
        found.append("the frame rate varies")
    if window.longest.seconds > TOLD_SECONDS:
        found.append(str(window.longest))
    return [*found, *odd_times(timestamps)]


def odd_times(timestamps: Timestamps) -> list[str]:
    """What is strange about a source's times, and what is done about it."""
    found = []
    if timestamps.duplicates:
        found.append(f"{timestamps.duplicates} frames have the time of another")
    if timestamps.disordered:
        found.append("the times of some frames go back: they are shown in the order of the file")
    if timestamps.missing:
        found.append(f"{timestamps.missing} frames have no time")
    return found
