"""The one interface of every network in the family: encode once, query many.

::

    encode_frame(frame) ── FrameFeatures ─┐
    encode_frame(frame) ── FrameFeatures ─┴ encode_pair ── Features ── prepare(grid) ── Prepared
                                                                            render(t) ── colours

`encode` and `query` are the short way through the same five steps. Each step returns a value and
the network keeps nothing between calls, so a frame's features serve both of its pairs, a pair's
serve every time, and several threads may share one network.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from vinr_cli.model.config import ModelConfig
from vinr_cli.model.grid import Grid


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """What a network knows of one frame; each family adds its own tensors.

    Attributes:
        frame: (B, 3, H, W), RGB in [0, 1], as given.
    """

    frame: Tensor


@dataclass(frozen=True, eq=False)
class Features:
    """What a network knows of a pair of frames; each family adds its own tensors."""

    first: FrameFeatures
    second: FrameFeatures

    @property
    def batch(self) -> int:
        """Number of pairs."""
        return self.first.frame.shape[0]

    @property
    def height(self) -> int:
        """LR rows."""
        return self.first.frame.shape[2]

    @property
    def width(self) -> int:
        """LR columns."""
        return self.first.frame.shape[3]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.first.frame.device


@dataclass(frozen=True, eq=False)
class Prepared:
    """A pair made ready for one output grid; each family adds its own tensors."""

    features: Features
    grid: Grid


class Network(nn.Module):
    """A network that gives the colour at any (x, y, t) between two frames.

    `Network(config)` builds the network that the config describes (as `pathlib.Path` does).

    Args:
        config: The dimensions; `ModelConfig.published()` or `ModelConfig.compact()`.

    Attributes:
        halo: LR pixels around a tile that its result depends on in practice.
        alignment: LR pixels at whose multiples tiles begin.
        pair_bytes: Peak bytes of a pair, per LR pixel and per output pixel.
    """

    halo: int
    alignment: int
    pair_bytes: tuple[int, int]
    _families: ClassVar[dict[type[ModelConfig], type["Network"]]] = {}
    config: ModelConfig

    def __init_subclass__(cls, *, config: type[ModelConfig] | None = None, **kwargs: Any) -> None:
        """Register a family with its base; a class with `_families` of its own is such a base."""
        super().__init_subclass__(**kwargs)
        if config is not None:
            cls._families[config] = cls

    def __new__(cls, config: ModelConfig) -> Self:
        """Choose the class by the config's type.

        Raises:
            TypeError: the config is of no known family.
        """
        chosen = cls._families.get(type(config)) if "_families" in vars(cls) else cls
        if chosen is None:
            raise TypeError(f"no network for a {type(config).__name__}")
        return cast(Self, super().__new__(chosen))

    def __getnewargs__(self) -> tuple[ModelConfig]:
        """What `copy` and `pickle` hand to `__new__`."""
        return (self.config,)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def rounds_well(self) -> bool:
        """Whether it has kernels for this CPU that may round, which agree with float32.

        Then autocast of bfloat16 means these kernels in every step; tried once.
        """
        return False

    # -- the first of five steps ----------------------------------------------------------------

    def encode_frame(self, frame: Tensor) -> FrameFeatures:
        """What depends on one frame alone.

        Args:
            frame: (B, 3, H, W), RGB in [0, 1], any H and W from 1 up.
        """
        raise NotImplementedError

    def encode_pair(self, first: Any, second: Any) -> Features:
        """What depends on two neighbouring frames, for every time and size.

        Args:
            first: `FrameFeatures` of the earlier frame, from this network.
            second: `FrameFeatures` of the later frame, of the same shape.
        """
        raise NotImplementedError

    def paint(self, frame: Any, grid: Grid) -> FrameFeatures:
        """What `prepare` would do for one frame alone, done before there is a pair.

        Args:
            frame: `FrameFeatures`, in float32.
            grid: As for `prepare`.

        Returns:
            The features, with that if it can be done: `prepare` gives the same either way.
        """
        features: FrameFeatures = frame
        return features

    # -- what tiles have to know of the whole frames --------------------------------------------

    def survey_frame(self, frame: Tensor) -> Any:
        """What tiles have to know of a whole frame; None where they see enough themselves.

        Args:
            frame: (B, 3, H, W), the whole frame, RGB in [0, 1].
        """
        return None

    def survey_pair(self, first: Any, second: Any) -> Any:
        """What tiles have to know of two neighbouring frames; None where they see enough.

        Args:
            first: From `survey_frame` of the earlier frame.
            second: From `survey_frame` of the later frame.
        """
        return None

    def encode_tile(
        self, first: Any, second: Any, survey: Any, origin: tuple[int, int]
    ) -> Features:
        """As `encode_pair`, for a tile.

        Args:
            first: `FrameFeatures` of the earlier frame's tile.
            second: `FrameFeatures` of the later frame's tile.
            survey: From `survey_pair` of the whole frames.
            origin: (row, column) of the tile's first LR pixel, multiples of `alignment`.
        """
        return self.encode_pair(first, second)

    # -- the last two steps ---------------------------------------------------------------------

    def prepare(self, features: Any, grid: Grid, previous: Any = None) -> Prepared:
        """What depends on the pair and the output grid, for every time.

        Args:
            features: From `encode_pair`.
            grid: The output pixels wanted; its held size is the encoded frames' size.
            previous: What `prepare` gave for the pair before on the same grid, if at hand: work on
                a shared frame is not done twice. Never changes the result.
        """
        raise NotImplementedError

    def render(self, prepared: Any, t: Tensor) -> Tensor:
        """Colours at one time.

        Args:
            prepared: From `prepare`.
            t: (B,), float32, in [0, 1]; 0 is the first frame, 1 the second.

        Returns:
            (B, 3, h, w) RGB, near [0, 1] but not clamped; (h, w) is the grid's shape.
        """
        raise NotImplementedError

    def render_times(self, prepared: Any, t: Tensor) -> Tensor:
        """Colours of one pair at several times; on a GPU together, where that can be done.

        Args:
            prepared: From `prepare`, of a single pair.
            t: (n,), float32, in [0, 1].

        Returns:
            (n, 3, h, w), as from `render`.
        """
        return torch.cat([self.render(prepared, when) for when in t.split(1)])  # type: ignore[no-untyped-call]

    # -- the short way --------------------------------------------------------------------------

    def encode(self, frames: Tensor) -> Features:
        """Encode a pair.

        Args:
            frames: (B, 2, 3, H, W), RGB in [0, 1].

        Raises:
            ValueError: another shape.
        """
        if frames.ndim != 5 or frames.shape[1:3] != (2, 3) or 0 in frames.shape:
            raise ValueError(f"frames must be (B, 2, 3, H, W), not {tuple(frames.shape)}")
        return self.encode_pair(self.encode_frame(frames[:, 0]), self.encode_frame(frames[:, 1]))

    def query(self, features: Features, t: float | Tensor, size: tuple[int, int]) -> Tensor:
        """Colours of a whole frame at one time and size.

        Args:
            features: From `encode`.
            t: In [0, 1]; a float, or a tensor of shape (B,).
            size: (height, width) of the output, in pixels; any real scale from 0.25 to 16, also
                different in both directions.

        Returns:
            (B, 3, height, width) RGB, near [0, 1] but not clamped.

        Raises:
            ValueError: t outside of [0, 1], or a scale outside of 0.25 to 16.
        """
        batch, height, width = features.batch, features.height, features.width
        times = torch.as_tensor(t, dtype=torch.float32, device=features.device)
        times = times.reshape(-1).expand(batch) if times.numel() == 1 else times
        if times.shape != (batch,):
            raise ValueError(f"t must be a float or of shape ({batch},), not {tuple(times.shape)}")
        if not bool(((times >= 0) & (times <= 1)).all()):
            raise ValueError(f"t must lie in [0, 1]: {t}")
        for out, source in zip(size, (height, width), strict=True):
            if not source <= 4 * out <= 64 * source:
                raise ValueError(f"scale {out}/{source} is outside of 0.25 to 16")
        return self.render(self.prepare(features, Grid.full((height, width), size)), times)

    def forward(self, frames: Tensor, t: float | Tensor, size: tuple[int, int]) -> Tensor:
        """`query(encode(frames), t, size)`."""
        return self.query(self.encode(frames), t, size)
