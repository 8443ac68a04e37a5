"""The dimensions of a network, as a value that travels inside its weights file."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, cast


@dataclass(frozen=True)
class ModelConfig:
    """Base of the two configurations; `Network(config)` builds the network that it describes."""

    family: ClassVar[str] = ""

    @staticmethod
    def published(**changes: Any) -> "PublishedConfig":
        """The network of the CVPR 2022 paper: 11,312,698 parameters, 442 state-dict keys."""
        return PublishedConfig(**changes)

    @staticmethod
    def compact(**changes: Any) -> "CompactConfig":
        """The packaged network: same idea, small enough for a CPU."""
        return CompactConfig(**changes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping with the key "family" and one key a field."""
        return {"family": self.family, **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(fields: dict[str, Any]) -> "ModelConfig":
        """The inverse of `to_dict`.

        Raises:
            ValueError: unknown family, or a field that this version does not know.
        """
        known: dict[str, type[Any]] = {c.family: c for c in (PublishedConfig, CompactConfig)}
        rest = dict(fields)
        family = rest.pop("family", None)
        if family not in known:
            raise ValueError(f"unknown model family {family!r}; known: {', '.join(known)}")
        names = {f.name for f in dataclasses.fields(known[family])}
        if unknown := rest.keys() - names:
            raise ValueError(f"unknown {family} config fields: {', '.join(sorted(unknown))}")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in rest.items()}
        return cast(ModelConfig, known[family](**values))


@dataclass(frozen=True)
class PublishedConfig(ModelConfig):
    """Dimensions of the published network (paper, section 4.1; the authors' released code).

    Attributes:
        width: Feature channels everywhere at LR.
        deform_groups: Groups of the modulated deformable convolutions.
        front_blocks: Residual blocks before the alignment.
        back_blocks: Residual blocks after the ConvLSTM.
        hidden: Hidden widths of the space and the time INR.
        decoder_hidden: Hidden widths of the decoder.
        omega: Frequency of the sine layers (SIREN's omega_0).
        upsampled_frames: True samples the LR frames from a x4 bilinear enlargement, as the authors'
            demo does and their weights expect; False samples them directly, as training does.
    """

    family: ClassVar[str] = "published"

    width: int = 64
    deform_groups: int = 8
    front_blocks: int = 5
    back_blocks: int = 40
    hidden: tuple[int, ...] = (64, 64, 256)
    decoder_hidden: tuple[int, ...] = (64, 64, 256, 256)
    omega: float = 30.0
    upsampled_frames: bool = True

    @property
    def space_inputs(self) -> int:
        """Three features, two frames, relative coordinate (y, x), time: 3·64 + 6 + 2 + 1 = 201."""
        return 3 * self.width + 6 + 2 + 1

    @property
    def motion_inputs(self) -> int:
        """HR feature, three LR features, two frames, time: 64 + 192 + 6 + 1 = 263."""
        return self.width + 3 * self.width + 6 + 1

    @property
    def decoder_inputs(self) -> int:
        """All of it warped by both flows, and time: 2·64 + 2·192 + 2·6 + 1 = 525."""
        return 2 * self.width + 2 * 3 * self.width + 2 * 6 + 1


@dataclass(frozen=True)
class CompactConfig(ModelConfig):
    """Dimensions of the packaged network; `compact` says what each part does.

    Attributes:
        width: Feature channels of a frame at LR.
        blocks: Residual blocks of a frame's trunk.
        canvas: Channels of the continuous canvas; the first three are RGB.
        basis: Cosines per direction in an LR cell; `basis` squared coefficients a channel.
        pyramid: Channels at 1/2, 1/4 and 1/8 of LR.
        key: Channels that the cost volumes compare.
        radius: Radius of the cost volumes at 1/8, 1/4 and 1/2.
        octaves: How many coarser octaves than 1/8 the motion is searched at, with the weights of
            1/8: each doubles the largest motion.
        fine: Channels of the frame feature used for the last refinement, at LR.
        hidden: Hidden width of the time INR.
        motion_features: Features that the time INR hands to the decoder.
        decoder_hidden: Hidden width of the decoder.
    """

    family: ClassVar[str] = "compact"

    width: int = 32
    blocks: int = 6
    canvas: int = 12
    basis: int = 4
    pyramid: tuple[int, int, int] = (32, 48, 64)
    key: int = 24
    radius: tuple[int, int, int] = (4, 2, 2)
    octaves: int = 2
    fine: int = 16
    hidden: int = 32
    motion_features: int = 6
    decoder_hidden: int = 32

    @property
    def decoder_inputs(self) -> int:
        """Two moved canvases, the still colour, its change, the time INR's logits and features."""
        return 2 * self.canvas + 3 + 3 + 2 + self.motion_features
