"""What is compared: networks, what people use today, and results of other programs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from vinr_cli.errors import InputError, UsageError
from vinr_cli.evaluate.clips import SUFFIXES, enlarge, read_frames
from vinr_cli.media.measure import filter_frames
from vinr_cli.media.read import Coarseness
from vinr_cli.model.grid import Grid
from vinr_cli.model.videoinr import Network, Prepared
from vinr_cli.weights.deblock import WEAKEST, plain_of, strength_for
from vinr_cli.weights.load import load_model

CAS = 0.6
"""Strength of ffmpeg's contrast-adaptive sharpening, as people set it behind Lanczos."""

TRUTHS_SIZE = "Results have the size of the truth, cropped to a multiple of the scale."
INPUTS = "`--inputs FOLDER` writes the frames that other programs should be given."


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """What a method is given.

    Attributes:
        frames: (T, 3, h, w), float32 in [0, 1], the LR frames.
        coarseness: What the codec's decoder tells of its quantizers, as a file would; None for
            frames that went through no codec, as a lossless file.
        clip: The clip's name, by which results of other programs are found.
    """

    frames: Tensor
    coarseness: Coarseness | None = None
    clip: str = ""


Method = Callable[[Reduced, int, tuple[int, int]], Iterator[Tensor]]
"""(LR clip of T frames, m, (H, W)) to the (T - 1)·m + 1 frames (1, 3, H, W), one by one."""

Chooser = Callable[[Coarseness | None, bool], Network]
"""The network for a clip, by what its decoder tells and whether the size stays."""


def packaged_chooser(name: str, deblock: float | None = None) -> Chooser:
    """The network that `vinr upscale` would use.

    Args:
        name: As `--model` takes it.
        deblock: As `--deblock` takes it; None chooses for each clip.

    Raises:
        VinrError: as `load_model`.
    """
    load = cache(partial(load_model, name))
    load(deblock=deblock)  # what is wrong is told at once

    def choose(told: Coarseness | None, same_size: bool) -> Network:
        if deblock is not None or plain_of(name) is None:
            return load(deblock=deblock)
        if told is None:
            return load(deblock=WEAKEST)
        return load(deblock=strength_for(told.codec, told.quantizer, same_size=same_size))

    return choose


def network_method(choose: Chooser) -> Method:
    """A network, as the program runs it: features and canvases are reused."""

    @torch.inference_mode()
    def frames(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        lr = low.frames
        network = choose(low.coarseness, tuple(lr.shape[-2:]) == size)
        grid = Grid.full((lr.shape[2], lr.shape[3]), size)
        first = network.encode_frame(lr[:1])
        prepared: Prepared | None = None
        for i in range(1, len(lr)):
            second = network.encode_frame(lr[i : i + 1])
            prepared = network.prepare(network.encode_pair(first, second), grid, prepared)
            for k in range(multiple):
                yield network.render(prepared, torch.tensor([k / multiple]))
            first = second
        last = network.prepare(network.encode_pair(first, first), grid)
        yield network.render(last, torch.zeros(1))

    return frames


def blend(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """Bicubic enlargement, and between two frames their mixture."""
    large = enlarge(low.frames, size)
    for i in range(len(large) - 1):
        for k in range(multiple):
            yield torch.lerp(large[i], large[i + 1], k / multiple)[None]
    yield large[-1:]


def minterpolate(ffmpeg: Path, *, enlarge_first: bool, sharpen: bool = False) -> Method:
    """Motion-compensated interpolation by ffmpeg, before or after a Lanczos enlargement.

    Args:
        ffmpeg: The binary.
        enlarge_first: Whether the enlargement comes first.
        sharpen: Whether the enlarged frames go through `cas` (on Y, Cb and Cr, as in a video).
    """

    def frames(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        lr = low.frames
        rate = Fraction(10)
        between = f"minterpolate=fps={rate * multiple}:mi_mode=mci:mc_mode=aobmc:vsbmc=1:scd=none"
        larger = f"scale={size[1]}:{size[0]}:flags=lanczos+accurate_rnd+full_chroma_int"
        if sharpen:
            larger += f",format=yuv444p,cas={CAS}"
        steps = [larger] if multiple == 1 else [larger, between]
        graph = ",".join(steps if enlarge_first else reversed(steps))
        # It gives nothing after the last frame but one, so repeat the ends and cut them off.
        source = torch.cat([lr, lr[-1:].expand(3, -1, -1, -1)])
        pixels = (source * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        made = filter_frames(pixels, graph, rate=rate, size=size, ffmpeg=ffmpeg)
        count = (len(lr) - 1) * multiple + 1
        for frame in made[:count]:
            yield torch.from_numpy(frame.copy()).permute(2, 0, 1)[None] / 255

    return frames


def external(folder: Path) -> Method:
    """What another program made of the clips.

    Args:
        folder: For each clip a folder of PNGs or a video of the clip's name. Frames beyond those
            that are asked for are ignored.

    Returns:
        A method that raises InputError where a clip's result is missing, too short or of another
        size.
    """

    def frames(low: Reduced, multiple: int, size: tuple[int, int]) -> Iterator[Tensor]:
        result = _result(folder, low.clip)
        count, made = (len(low.frames) - 1) * multiple + 1, 0
        for made, picture in enumerate(islice(read_frames(result), count), 1):  # noqa: B007
            if picture.shape[:2] != size:
                there = f"{picture.shape[1]}x{picture.shape[0]}"
                raise InputError(result, f"is {there}, not {size[1]}x{size[0]}", TRUTHS_SIZE)
            yield torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
        if made < count:
            raise InputError(result, f"has {made} frames, not {count}", INPUTS)

    return frames


def _result(folder: Path, clip: str) -> Path:
    """A clip's result in a folder of results."""
    if (folder / clip).is_dir():
        return folder / clip
    videos = [folder / f"{clip}{suffix}" for suffix in sorted(SUFFIXES)]
    found = next((video for video in videos if video.is_file()), None)
    if found is None:
        raise InputError(folder / clip, "is missing", "Name a folder of results, one a clip.")
    return found


def methods(
    networks: Mapping[str, Chooser],
    ffmpeg: Path | None,
    *,
    baselines: bool = True,
    results: Mapping[str, Path] | None = None,
) -> dict[str, Method]:
    """Everything that is compared, by name.

    Args:
        networks: By name.
        ffmpeg: For the baselines that need one; None leaves them out.
        baselines: Whether there are any.
        results: Folders of other programs' results by name, see `external`.

    Raises:
        UsageError: a result has the name of something else.
    """
    table = {name: network_method(choose) for name, choose in networks.items()}
    if baselines:
        table["bicubic+blend"] = blend
    if baselines and ffmpeg is not None:
        table["lanczos>minterpolate"] = minterpolate(ffmpeg, enlarge_first=True)
        table["minterpolate>lanczos"] = minterpolate(ffmpeg, enlarge_first=False)
        sharpened = minterpolate(ffmpeg, enlarge_first=True, sharpen=True)
        table["lanczos,cas>minterpolate"] = sharpened
    for name, folder in (results or {}).items():
        if name in table:
            raise UsageError(f"--against {name}", "has a name that is taken", "Choose another one.")
        table[name] = external(folder)
    return table
