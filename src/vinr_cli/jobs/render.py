"""The part of a job that needs torch: the network, the device, the pass over the video."""

from dataclasses import dataclass
from pathlib import Path

from vinr_cli.engine.device import choose_device, choose_precision
from vinr_cli.engine.infer import PairRenderer
from vinr_cli.engine.memory import keep_freed_memory
from vinr_cli.engine.stream import Stream, Streamed
from vinr_cli.events import Notice, Reporter
from vinr_cli.jobs.plan_upscale import Plan
from vinr_cli.media.reader import FrameReader
from vinr_cli.media.writer import FrameWriter
from vinr_cli.plan.timeline import Timeline
from vinr_cli.weights.load import load_model


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """What does the work.

    Attributes:
        device: Torch device string.
        renderer: The network at the plan's sizes.
    """

    device: str
    renderer: PairRenderer

    @property
    def tiles(self) -> int:
        """Tiles a frame, 1 for none."""
        return len(self.renderer.layout.tiles)


def open_workshop(plan: Plan, report: Reporter) -> Workshop:
    """Choose the device and load the network.

    Raises:
        UsageError: unknown device or precision.
        DeviceError: the device is not there.
        WeightsError: unknown, damaged or unfitting weights.
    """
    spec, video = plan.spec, plan.media.video
    device = choose_device(spec.device)
    autocast = choose_precision(spec.precision)
    if device.type == "cpu":
        keep_freed_memory()
    subject = str(spec.input)
    renderer = PairRenderer(
        load_model(spec.model, device),
        (video.height, video.width),
        (plan.size[1], plan.size[0]),
        autocast=autocast,
        budget=spec.memory_limit,
        tile=spec.tile,
        notify=lambda text: report(Notice(text, subject)),
    )
    return Workshop(str(device), renderer)


def render(plan: Plan, workshop: Workshop, part: Path, report: Reporter) -> Streamed:
    """Make the video part: every frame from the source through the network to the encoder.

    Args:
        plan: The job.
        workshop: From `open_workshop`.
        part: Video-only file to write.
        report: Told about progress and notices, from this thread.

    Raises:
        VinrError: as `Stream.run` says; the part is gone then.
    """
    video, window, encoder = plan.media.video, plan.window, plan.encoder
    timeline = Timeline(plan.spec.rate, video.time_base, source_rate=window.rate)
    stream = Stream(
        timeline,
        workshop.renderer,
        source=video.color,
        target=encoder.color,
        time_base=video.time_base,
        keep_clock=window.cut is None,
        last_duration=window.last_duration,
        total=plan.frames,
        report=report,
        subject=str(plan.spec.input),
        scene_threshold=plan.spec.scene_threshold,
    )
    reader = FrameReader(
        plan.spec.input,
        video,
        start_pts=window.start_pts,
        end_pts=window.end_pts,
        score_changes=plan.spec.scene_threshold is not None,
    )
    writer = FrameWriter(
        part,
        width=plan.size[0],
        height=plan.size[1],
        color=encoder.color,
        time_base=timeline.time_base,
        rate=timeline.rate,
        options=plan.spec.encode,
        sample_aspect=video.sample_aspect,
        rotation=video.rotation,
        encoder=encoder,
    )
    with reader, writer:
        streamed = stream.run(reader, writer)
    if streamed.cuts:
        cuts = "1 scene cut" if streamed.cuts == 1 else f"{streamed.cuts} scene cuts"
        text = f"{cuts} found: nothing is mixed across a cut"
        report(Notice(text, str(plan.spec.input)))
    for text in reader.notices:
        report(Notice(text, str(plan.spec.input)))
    return streamed
