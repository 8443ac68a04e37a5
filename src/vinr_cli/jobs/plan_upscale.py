"""What a job will do, settled or refused before the first frame and without torch."""

import os
from bisect import bisect_left
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vinr_cli.errors import InputError, OutputError, OutputExistsError, UsageError
from vinr_cli.jobs.deblock import Deblocking, settle_deblocking
from vinr_cli.jobs.pictures import require_pictures
from vinr_cli.jobs.repeats import look_for_repeats
from vinr_cli.media.codecs import CONTAINERS, IMAGES, MAX_WEBP_SIDE, SQUARE, STREAMED, container_of
from vinr_cli.media.encoders import Encoder, centred, choose, needs_even
from vinr_cli.media.listing import is_listing, list_pictures, named_after
from vinr_cli.media.mux import KEEP_ROTATION, temporary_name
from vinr_cli.media.probe import (
    MediaInfo,
    Timestamps,
    VideoInfo,
    dropping_alpha,
    without_deinterlacing,
)
from vinr_cli.media.sources import probe_source, scan_source
from vinr_cli.media.streams import Fate, fates, told
from vinr_cli.media.tracks import Times
from vinr_cli.media.trial import needs_trial, try_encoder
from vinr_cli.plan.holds import TOLD_SECONDS, Hold, longest_hold, require_bounded
from vinr_cli.plan.job import STDIO, Fit, JobSpec, RateKind, SizeRequest, SlowAudio
from vinr_cli.plan.naming import default_suffix, output_name
from vinr_cli.plan.repeats import Cadence
from vinr_cli.plan.sizes import output_size
from vinr_cli.plan.timeline import (
    UNKNOWN_FRAME_SECONDS,
    constant_rate,
    count_frames,
    last_interval,
    output_rate,
    stretch,
)
from vinr_cli.weights.deblock import require_strength

MAX_RATE = 1000
"""Greatest output rate, frames per second, unless the source's own is greater."""
MAX_FRAMES = 2**31
"""Most output frames."""
LONG_HOLD = Fraction(3, 2)
"""A last frame that lasts longer than this many frames makes a constant rate a variable one."""

WARM_UP = Fraction(1)
"""Seconds, more than any codec's packets take before what they make is heard."""
SQUARE_ENOUGH = Fraction(1, 100)
"""Pixels that differ by less from squares are squares: sides are whole numbers."""
_FALLBACK_SUFFIXES = (".mkv", ".mov", ".mp4", ".webm")


@dataclass(frozen=True, slots=True)
class Window:
    """The source frames that a job uses.

    Attributes:
        frames: How many; 0 where nobody knows, of a stream.
        start_pts: Time of the first, in source ticks; None for the source's own first.
        end_pts: First time that is not used any more, in source ticks; None to the end.
        last_duration: How long the last one is shown, in source ticks; None if unknown, or if it
            is one frame of the constant rate.
        rate: Constant frame rate of the source; None if it varies.
        duration: Seconds from the first frame's start to the last one's end.
        cut: Seconds on the source's clock from and until which other tracks are kept; None for
            all.
        longest: The frame that is shown longest.
    """

    frames: int
    start_pts: int | None
    end_pts: int | None
    last_duration: int | None
    rate: Fraction | None
    duration: Fraction
    cut: tuple[Fraction, Fraction | None] | None
    longest: Hold


@dataclass(frozen=True, slots=True)
class Worker:
    """What does the work of a job.

    Attributes:
        device: Torch device string.
        precision: Number format of the steps that may run in half precision: fp32, fp16 or bf16.
        tiles: Tiles a frame, 1 for none.
    """

    device: str
    precision: str
    tiles: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a job that can be known without a network.

    Attributes:
        spec: What was asked for.
        media: What the source is.
        timestamps: When its frames are shown.
        window: Which of them are used.
        output: The final name.
        size: (width, height) of an output frame, as stored.
        rate: Output frames per second if constant, else None.
        frames: Output frames expected; 0 where nobody knows, of a stream.
        duration: Seconds of output expected; 0 likewise.
        encoder: The settled encoder.
        notices: What the user should know about all this.
        cadence: Which source frames are new; None if repeats are not looked for.
        deblocking: What is done about traces of codecs; None if the model has one strength only.
        turn: Degrees by which frames are turned clockwise before they are encoded, where the
            format cannot ask players to do so; `media` says that nothing is left to turn then.
        aspect: Width of an output pixel over its height, before it is turned.
        tracks: What becomes of everything in the source beside its main video.
        worker: What does the work; None before it is opened.
    """

    spec: JobSpec
    media: MediaInfo
    timestamps: Timestamps
    window: Window
    output: Path
    size: tuple[int, int]
    rate: Fraction | None
    frames: int
    duration: Fraction
    encoder: Encoder
    notices: tuple[str, ...]
    cadence: Cadence | None = None
    deblocking: Deblocking | None = None
    turn: int = 0
    aspect: Fraction = Fraction(1)
    tracks: tuple[Fate, ...] = ()
    worker: Worker | None = None

    @property
    def stored(self) -> tuple[int, int]:
        """(width, height) of a frame in the file: `size`, turned."""
        width, height = self.size
        return (height, width) if self.turn in (90, 270) else (width, height)


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
    return settle_plan(spec, media, timestamps, _window(spec, media, timestamps))


def settle_plan(spec: JobSpec, media: MediaInfo, timestamps: Timestamps, window: Window) -> Plan:
    """Settle everything that follows from the source.

    Args:
        spec: What is asked for.
        media: What the source is.
        timestamps: When its frames are shown; none where that is not known before they come.
        window: Which of them are used; its `frames` are 0 where nobody knows how many.

    Raises:
        OptionError: the model has no such strength.
        UsageError: an option that cannot be, alone, with another, or for this input.
        EncoderError: ffmpeg is missing or broken.
    """
    require_strength(spec.model, spec.deblock)
    video = media.video
    rate = output_rate(spec.rate, window.rate)
    frames = count_frames(spec.rate, window.frames, window.duration)
    duration = window.duration * stretch(spec.rate)
    if window.frames:
        _refuse_rate(spec, window, frames)
    suffix, encoder = _encoder(spec, video, rate)
    even = needs_even(encoder.color, encoder)
    size = output_size(
        spec.size, (video.width, video.height), even=(even, even), rotation=video.rotation,
        aspect=video.sample_aspect,
    )  # fmt: skip
    media, encoder, turn = _turned(media, encoder)
    if encoder.container == "webp" and max(size) > MAX_WEBP_SIDE:
        cause = f"cannot hold {size[0]}x{size[1]}: its sides end at {MAX_WEBP_SIDE}"
        raise UsageError("webp", cause, "Choose another format.")
    extra = spec.encode.extra
    stored = size[::-1] if turn % 180 else size
    if needs_trial(encoder, stored, extra):
        try_encoder(encoder, stored, rate=rate, extra=extra)
    aspect = sample_aspect(spec.size, video, size)
    bounds = (window.start_pts, window.end_pts)
    clock = _clock(window, timestamps, media.video)
    tracks = _tracks(spec, media, encoder, clock, steady=rate is not None)
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
        notices=(
            *media.notices,
            *encoder.notices,
            *_notices(window, timestamps),
            *_lost_times(encoder, rate),
            *_lost_shape(encoder, aspect, size),
            *_kept_shape(spec.size, size),
            *told(tracks),
            *(() if cadence is None else (f"{cadence}",)),
        ),
        cadence=cadence,
        deblocking=settle_deblocking(
            spec, media, timestamps, bounds, same_size=size == (video.width, video.height)
        ),
        turn=turn,
        aspect=aspect,
        tracks=tracks,
    )


def _turned(media: MediaInfo, encoder: Encoder) -> tuple[MediaInfo, Encoder, int]:
    """The source and the encoder where the format cannot say that a picture is to be turned.

    Chroma between the pixels, not beside one of them, stays where it is when a picture is turned.

    Returns:
        The source with nothing left to turn, the encoder, and the degrees to turn by.
    """
    degrees = media.video.rotation
    if not degrees or encoder.container in KEEP_ROTATION:
        return media, encoder, 0
    return replace(media, video=replace(media.video, rotation=0)), centred(encoder), degrees


def require_target(plan: Plan) -> None:
    """Refuse an output that cannot or must not be written.

    Raises:
        OutputError: the output is the input (also through links), exists without permission to
            overwrite it, is no regular file, or its folder is missing or cannot be written.
    """
    output, folder = plan.output, plan.output.parent
    if plan.encoder.container == IMAGES:
        require_pictures(output, plan.spec.input, overwrite=plan.spec.overwrite)
        return
    try:
        if not folder.is_dir():
            raise OutputError(output, f"the folder {folder} does not exist", "Create it first.")
        if output.exists() and _is_input(output, plan.spec.input):
            raise OutputError(output, "is the input itself", "Choose another name with -o.")
        if output.exists() and not output.is_file():
            raise OutputError(output, "is no regular file", "Choose another name with -o.")
    except OSError as error:
        raise OutputError(output, f"cannot be written: {error.strerror}") from error
    if os.path.lexists(output) and not plan.spec.overwrite:
        raise OutputExistsError(
            output, "exists already", "Use --overwrite, or another name with -o."
        )
    trial = temporary_name(output)
    try:
        # Asking for permission is not enough: read-only and special file systems refuse root too.
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        cause = f"the folder {folder} cannot be written: {error.strerror}"
        raise OutputError(output, cause, "Choose another one with -o.") from error


def _is_input(output: Path, source: Path) -> bool:
    """Whether an existing file is the input, or one of its pictures."""
    if source == STDIO:
        return False
    if is_listing(source):
        return any(output.samefile(picture) for picture in list_pictures(source, []))
    return output.samefile(source)


def _refuse_rate(spec: JobSpec, window: Window, frames: int) -> None:
    """No rate beyond what a video can have, and no count that a container cannot."""
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


def _window(spec: JobSpec, media: MediaInfo, timestamps: Timestamps) -> Window:
    """Which source frames are used, and how long they last."""
    video = media.video
    tick = video.time_base
    pts = timestamps.pts
    if not pts:  # a stream without times: the reader spreads its frames evenly
        step = max(1, round(1 / ((video.rate or Fraction(25)) * tick)))
        pts = tuple(range(0, step * timestamps.missing, step))
    if not pts:
        raise InputError(spec.input, "has no video frames")
    last = last_interval(pts, timestamps.last_duration)
    rate = _source_rate(pts, last, video)
    times = _seconds(pts, tick, rate)
    start, end = _kept(spec, times)
    cut_short = end < len(pts)
    hold = None  # one frame of the constant rate
    if rate is None:
        hold = pts[end] - pts[end - 1] if cut_short else last
    count = end - start
    spread = times[end - 1] - times[start] + (hold or 0) * tick
    duration = spread if rate is None else count / rate
    if rate is None:
        longest = longest_hold(times[start:end], times[start] + duration)
    else:
        longest = Hold(times[start], 1 / rate)
    return Window(
        frames=count,
        start_pts=pts[start] if start else None,
        end_pts=pts[end] if cut_short else None,
        last_duration=hold,
        rate=rate,
        duration=duration,
        cut=_cut(pts, start, end, media),
        longest=longest,
    )


def _source_rate(pts: tuple[int, ...], last: int | None, video: VideoInfo) -> Fraction | None:
    """Constant frame rate of the source; None if it varies, or if its last frame is held."""
    tick = video.time_base
    if len(pts) == 1:
        return 1 / (last * tick) if last else video.rate or 1 / UNKNOWN_FRAME_SECONDS
    rate = constant_rate(pts, tick, video.rate)
    if rate is not None and last is not None and last * tick * rate > LONG_HOLD:
        return None
    return rate


def _seconds(pts: tuple[int, ...], tick: Fraction, rate: Fraction | None) -> list[Fraction]:
    """Times from the first frame, in seconds; on the exact grid of a constant rate."""
    if rate is not None:
        return [i / rate for i in range(len(pts))]
    return [(p - pts[0]) * tick for p in pts]


def _kept(spec: JobSpec, times: list[Fraction]) -> tuple[int, int]:
    """Indices [start, end) of the frames with spec.start <= time < spec.end."""
    start, end = 0, len(times)
    if spec.start is not None:
        start = bisect_left(times, spec.start)
    if spec.end is not None:
        end = bisect_left(times, spec.end)
    if start >= len(times):
        raise UsageError(
            "--start",
            f"{float(spec.start or 0):g} s is beyond the last frame of {spec.input}, "
            f"at {float(times[-1]):.3f} s",
        )
    if start >= end:
        raise UsageError("--end", f"no frame of {spec.input} lies between --start and --end")
    return start, end


def _cut(
    pts: tuple[int, ...], start: int, end: int, media: MediaInfo
) -> tuple[Fraction, Fraction | None] | None:
    """The span of the source's clock that is used; None for all of it.

    From the first frame on, it begins before any track: what is heard before the picture is the
    source's as well.
    """
    tick = media.video.time_base
    if start == 0 and end == len(pts):
        return None
    first = pts[start] * tick if start else before_all(pts[0] * tick, media)
    return first, (pts[end] * tick if end < len(pts) else None)


def before_all(first: Fraction, media: MediaInfo) -> Fraction:
    """A time before every packet of every track, also those that only warm up a decoder."""
    return min([first, *(t.start for t in media.tracks if t.start is not None)]) - WARM_UP


def _encoder(spec: JobSpec, video: VideoInfo, rate: Fraction | None) -> tuple[str | None, Encoder]:
    """(suffix of a name of our own, None if the user names the output; the encoder)."""
    if spec.output == STDIO:
        return None, choose(spec.encode, _streamed(spec), video.color, rate=rate)
    if spec.output is not None and not spec.output.is_dir():
        container = container_of(spec.output)
        if spec.container is not None and CONTAINERS[f".{spec.container}"] != container:
            cause = f"is not what the name {spec.output} says"
            raise UsageError(f"--format {spec.container}", cause, "Leave it away.")
        return None, choose(spec.encode, container, video.color, rate=rate)
    if spec.container is not None:
        suffix = f".{spec.container}"
        return suffix, choose(spec.encode, CONTAINERS[suffix], video.color, rate=rate)
    own = default_suffix(spec.input)
    refusal: UsageError | None = None
    for suffix in dict.fromkeys((own, *_FALLBACK_SUFFIXES)):
        try:
            return suffix, choose(spec.encode, CONTAINERS[suffix], video.color, rate=rate)
        except UsageError as error:  # an asked codec may need another container
            refusal = refusal or error
            if spec.encode.codec is None and not video.color.alpha:
                break
    raise refusal or UsageError(spec.input, "no container is possible")


def _streamed(spec: JobSpec) -> str:
    """Ffmpeg's name of the format for standard output."""
    name = spec.container or next(iter(STREAMED))
    if name not in STREAMED:
        cause = "cannot be written to standard output"
        raise UsageError(f"--format {name}", cause, f"Use one of {', '.join(STREAMED)}.")
    return STREAMED[name]


def _output(
    spec: JobSpec, size: tuple[int, int], rate: Fraction | None, suffix: str | None
) -> Path:
    """The final name."""
    if spec.output is not None and suffix is None:
        return spec.output
    slow = spec.rate.value if spec.rate.kind is RateKind.SLOW_MOTION else None
    sides = spec.size.width is not None or spec.size.height is not None
    words = size if sides else spec.size.scale or Fraction(1)
    name = output_name(named_after(spec.input), words, rate, suffix, slow=slow)
    if suffix == ".png":
        name = name.with_suffix("") / "%05d.png"
    if spec.output is None:
        return name
    return spec.output / (name.parent.name if suffix == ".png" else "") / name.name


def _lost_times(encoder: Encoder, rate: Fraction | None) -> list[str]:
    """Pictures have a number and no time."""
    if encoder.container != IMAGES or rate is not None:
        return []
    return ["pictures have no times, and these come at a varying rate: --fps makes it constant"]


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
    if encoder.container not in SQUARE or aspect == 1:
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
    return Times(shift=first * video.time_base, cut=window.cut)


def _tracks(
    spec: JobSpec, media: MediaInfo, encoder: Encoder, times: Times, *, steady: bool
) -> tuple[Fate, ...]:
    """What becomes of the source's other streams; of what streams itself, `livemux` says it."""
    if STDIO in (spec.input, spec.output):
        return ()
    slow = spec.rate.kind is RateKind.SLOW_MOTION
    left_out = {
        *(() if spec.audio and not (slow and spec.slow_audio is SlowAudio.DROP) else ("audio",)),
        *(() if spec.subtitles else ("subtitle",)),
    }
    form = encoder.container
    return fates(media, form, left_out=left_out, stretched=slow, times=times, steady=steady)


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
