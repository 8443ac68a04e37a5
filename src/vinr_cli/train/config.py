"""What a training run is made of, as a value that is written beside its results."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, cast

from vinr_cli.model.config import CompactConfig, ModelConfig, PublishedConfig


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """How clips are decoded once and kept.

    Attributes:
        short_sides: Every clip is kept at these sizes of its shorter side, in pixels (never
            enlarged): small ones are sharp, large ones have the video's own softness and blocks.
        frames: Frames kept of each clip at each of those sizes, from its middle.
        synthetic: Number of synthetic clips.
        synthetic_side: Side of a synthetic clip, in pixels.
        synthetic_frames: Frames of a synthetic clip.
        seed: Seed of the synthetic clips.
        spread: Whether a clip's frames are kept from all over it instead of from its middle: for
            stills, which need many scenes and no motion.
        photos: Shorter sides at which stills are kept as arrays of their own; none keeps none.
    """

    short_sides: tuple[int, ...] = (720, 360)
    frames: tuple[int, ...] = (60, 150)
    synthetic: int = 800
    synthetic_side: int = 288
    synthetic_frames: int = 9
    seed: int = 0
    spread: bool = False
    photos: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """How training samples are drawn.

    Attributes:
        fixed_scale: The scale that most batches have.
        fixed_share: Share of batches at `fixed_scale`; the others draw from `scales`.
        fixed_steps: First steps in which every batch has `fixed_scale`.
        scales: Smallest and largest scale.
        patch: LR side at `fixed_scale`, in pixels; smaller scales get larger LR patches, in steps
            of 32 (whole cells of the coarsest octave of the motion search), in smaller batches.
        window: Side of the rendered window as a share of the patch.
        spans: Smallest and largest number of frames from the first input to the second, both
            counted; the target is one of those between.
        endpoints: Share of samples whose target is an input time.
        synthetic_share: Share of samples from synthetic clips.
        pan_share: Share of samples whose window moves over the clip, as a camera pans.
        channel_shuffle: Share of samples whose colour channels are permuted.
        coded_share: Share of samples whose inputs went through random codecs.
        pretrain_steps: First steps in which one picture serves as all frames of a sample.
        holes: Share of 4x4 LR blocks left out of each input in those steps, so that what one frame
            lacks has to be taken from the other.
    """

    fixed_scale: float = 4.0
    fixed_share: float = 0.45
    fixed_steps: int = 0
    scales: tuple[float, float] = (1.0, 4.3)
    patch: int = 64
    window: float = 0.6
    spans: tuple[int, int] = (3, 9)
    endpoints: float = 0.25
    synthetic_share: float = 0.33
    pan_share: float = 0.25
    channel_shuffle: float = 0.2
    coded_share: float = 0.0
    pretrain_steps: int = 0
    holes: float = 0.15


@dataclass(frozen=True, slots=True)
class StillConfig:
    """How a stage that teaches space alone draws its samples: stills, no motion, no pairs.

    Attributes:
        photo_share: Share of samples from photos; the others come from frames of clips.
        fixed_scales: Scales that `fixed_share` of the batches have, evenly.
        fixed_share: Share of batches at one of `fixed_scales`; the others draw from `scales`.
        scales: Smallest and largest scale of the others, evenly on a logarithmic scale.
        patch: LR side in pixels.
        channel_shuffle: Share of samples whose colour channels are permuted.
    """

    photo_share: float = 0.7
    fixed_scales: tuple[float, ...] = (4.0, 4.0, 4.0, 2.0, 3.0)
    fixed_share: float = 0.8
    scales: tuple[float, float] = (1.2, 4.3)
    patch: int = 64
    channel_shuffle: float = 0.1


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the losses; the Charbonnier loss of the picture has weight 1.

    Attributes:
        canvas: Charbonnier loss of both frames' canvas colours.
        motion: Charbonnier loss of the LR frames warped by every level's motion.
        smooth: Total variation of the motion, relative to `motion`.
        blocks: Charbonnier loss of the error's steps across the lines between blocks of 8x8 LR
            pixels, on samples that went through a codec.
        epsilon: The Charbonnier constant, in colour units.
    """

    canvas: float = 0.5
    motion: float = 0.3
    smooth: float = 0.005
    blocks: float = 0.0
    epsilon: float = 1e-3


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        model: The network's dimensions.
        cache: What is decoded and kept.
        sample: How samples are drawn.
        loss: Weights of the losses.
        still: What makes the run a stage of stills, which trains the frame's trunk and the space
            INR alone; None trains everything on pairs.
        batch: Samples per process and step.
        learning_rate: Peak of the schedule: linear warm-up, then a cosine to almost zero.
        steps: Steps after which the run is complete; 0 goes on until its time is up.
        restart: Steps of one cosine, after which it starts anew; 0 makes one cosine of the run's
            time.
        warmup: Steps of the warm-up.
        weight_decay: Of AdamW.
        betas: Of AdamW.
        clip: Largest gradient norm.
        ema: Decay of the averaged weights, which are the result.
        seed: Seed of the weights and of every sample.
        bf16: Whether convolutions run in bfloat16; flows, canvases and losses stay in float32.
    """

    model: ModelConfig = field(default_factory=CompactConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    still: StillConfig | None = None
    batch: int = 8
    learning_rate: float = 1e-3
    steps: int = 0
    restart: int = 0
    warmup: int = 300
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    ema: float = 0.999
    seed: int = 0
    bf16: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping; the inverse is `from_dict`."""
        fields = {**dataclasses.asdict(self), "model": self.model.to_dict()}
        return cast(dict[str, Any], json.loads(json.dumps(fields)))

    @staticmethod
    def from_dict(fields: dict[str, Any]) -> "TrainConfig":
        """The inverse of `to_dict`.

        Raises:
            ValueError: unknown model family or model field.
            TypeError: unknown field.
        """
        parts = {"cache": CacheConfig, "sample": SampleConfig, "loss": LossConfig}
        if fields.get("still") is not None:
            parts["still"] = StillConfig
        plain = {name: _tupled(value) for name, value in fields.items()}
        plain["model"] = ModelConfig.from_dict(fields["model"])
        for name, part in parts.items():
            plain[name] = part(**{k: _tupled(v) for k, v in fields[name].items()})
        return TrainConfig(**plain)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


WIDE = CompactConfig(width=64, blocks=8, front=32)
"""What the next packaged network is: four times the trunk, and a search with a front of its own."""

PRESETS: dict[str, TrainConfig] = {
    "clean": TrainConfig(),
    "video": TrainConfig(sample=SampleConfig(coded_share=0.7), loss=LossConfig(blocks=1.0)),
    "stills": TrainConfig(
        model=WIDE,
        cache=CacheConfig(
            short_sides=(1080, 540), frames=(6, 12), synthetic=0, spread=True, photos=(1080, 540)
        ),
        still=StillConfig(),
        batch=16,
        learning_rate=1.5e-3,
        warmup=100,
    ),
    "published": TrainConfig(
        model=PublishedConfig(upsampled_frames=False),
        sample=SampleConfig(
            fixed_steps=450_000,
            fixed_share=0.0,
            scales=(2.0, 4.0),
            patch=32,
            window=1.0,
            spans=(9, 9),
            endpoints=0.25,
            synthetic_share=0.0,
            pan_share=0.0,
            channel_shuffle=0.0,
        ),
        loss=LossConfig(canvas=0.0, motion=0.0, smooth=0.0),
        batch=24,
        learning_rate=1e-4,
        steps=600_000,
        restart=150_000,
        weight_decay=0.0,
        betas=(0.9, 0.999),
        bf16=False,
    ),
}
"""Named starting points.

"clean" is for pictures reduced by a bicubic filter, "video" for what codecs leave of them.
"stills" teaches the frame's trunk and the space INR alone, on single pictures: the first stage.
"published" follows the paper's section 4.1: batches of 24 patches of 32x32, Adam at 1e-4 with
cosine restarts every 150,000 steps; 450,000 steps at x4, then 150,000 at scales from 2 to 4.
"""
