"""The dimensions of a network, as a value that travels inside its weights file.

Every dimension has bounds, far beyond what is of use, so that a config of a few bytes cannot ask
for a network that no machine could build: at most some 1,000 layers, and at an LR pixel a few times
the published network's memory.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

DEEPEST = 16
"""Layers of a network of one pixel."""


def _sized(default: Any, least: float, most: float, *, length: int | None = None) -> Any:
    """A field with bounds, for each of its values where there are several.

    Args:
        default: What it is if nothing is said; its type is that of the field.
        least: The smallest value.
        most: The largest.
        length: How many values there are; None for any number up to `DEEPEST`.
    """
    return field(default=default, metadata={"bounds": (least, most), "length": length})


@dataclass(frozen=True)
class ModelConfig:
    """Base of the two configurations; `Network(config)` builds the network that it describes.

    Raises:
        ValueError: a dimension is not of its type, or out of its bounds.
    """

    family: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if isinstance(one.default, tuple):
                _demand_several(one, value)
            else:
                _demand_one(one, value)

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
            ValueError: unknown family, a field that this version does not know, or a value that
                cannot be.
        """
        known: dict[str, type[Any]] = {c.family: c for c in (PublishedConfig, CompactConfig)}
        rest = dict(fields)
        family = rest.pop("family", None)
        if not isinstance(family, str) or family not in known:
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

    width: int = _sized(64, 1, 256)
    deform_groups: int = _sized(8, 1, 64)
    front_blocks: int = _sized(5, 0, 128)
    back_blocks: int = _sized(40, 0, 128)
    hidden: tuple[int, ...] = _sized((64, 64, 256), 1, 1024)
    decoder_hidden: tuple[int, ...] = _sized((64, 64, 256, 256), 1, 1024)
    omega: float = _sized(30.0, 0.001, 1000)
    upsampled_frames: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.deform_groups:
            raise ValueError(f"width {self.width} is not a multiple of {self.deform_groups} groups")

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
        front: Channels of a first layer that the pyramid has for itself; 0 lets it begin with the
            trunk's, so that what space learns moves what motion sees.
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

    width: int = _sized(32, 1, 256)
    front: int = _sized(0, 0, 256)
    blocks: int = _sized(6, 0, 128)
    canvas: int = _sized(12, 3, 64)
    basis: int = _sized(4, 1, 8)
    pyramid: tuple[int, int, int] = _sized((32, 48, 64), 1, 256, length=3)
    key: int = _sized(24, 1, 128)
    radius: tuple[int, int, int] = _sized((4, 2, 2), 1, 8, length=3)
    octaves: int = _sized(2, 0, 6)
    fine: int = _sized(16, 1, 256)
    hidden: int = _sized(32, 1, 512)
    motion_features: int = _sized(6, 0, 128)
    decoder_hidden: int = _sized(32, 1, 512)

    @property
    def decoder_inputs(self) -> int:
        """Two moved canvases, the still colour, its change, the time INR's logits and features."""
        return 2 * self.canvas + 3 + 3 + 2 + self.motion_features


def _demand_one(one: "dataclasses.Field[Any]", value: object) -> None:
    """Refuse a value of another type than the field's default, or out of its bounds.

    Raises:
        ValueError: with the field's name.
    """
    wanted = type(one.default)
    number = wanted is float and isinstance(value, int) and not isinstance(value, bool)
    if type(value) is not wanted and not number:
        raise ValueError(f"{one.name} is {_shown(value)}, not {wanted.__name__}")
    if "bounds" in one.metadata:
        least, most = one.metadata["bounds"]
        if not least <= cast(float, value) <= most or not math.isfinite(cast(float, value)):
            raise ValueError(f"{one.name} is {_shown(value)}, and {least} to {most} are allowed")


def _demand_several(one: "dataclasses.Field[Any]", values: object) -> None:
    """The same for a field of several whole numbers.

    Raises:
        ValueError: with the field's name.
    """
    length = one.metadata["length"]
    many = f"{length}" if length else f"1 to {DEEPEST}"
    allowed = (length,) if length else range(1, DEEPEST + 1)
    if not isinstance(values, tuple) or len(values) not in allowed:
        raise ValueError(f"{one.name} is {_shown(values)}, not {many} whole numbers")
    least, most = one.metadata["bounds"]
    for value in values:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{one.name} has {_shown(value)}, and {least} to {most} are allowed")


def _shown(value: object) -> str:
    """A value for a message; it may be of any length."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**18 else "a huge number"
    return text if len(text) <= 40 else f"{text[:37]}..."
