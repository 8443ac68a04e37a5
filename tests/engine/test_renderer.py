import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vinr_cli.engine.renderer import PairRenderer, batch_of
from vinr_cli.errors import DeviceError
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.videoinr import Network

from .stand_ins import LR, Counting, video

THIRD = Fraction(1, 3)


@pytest.mark.parametrize("hr", [(140, 196), (40, 56), (81, 113), (23, 31)])
def test_rendering_is_the_networks_own_query(network: Network, hr: tuple[int, int]) -> None:
    """Without tiles, the result is bit for bit that of `network(frames, t, size)`."""
    a, b, c = video(3)
    renderer = PairRenderer(network, LR, hr)
    assert renderer.layout.whole
    for first, second in ((a, b), (b, c)):
        renderer.pair(first, second)
        for t in (0, THIRD, 0.5):
            with torch.inference_mode():
                wanted = network(torch.stack([first, second])[None], float(t), hr)[0]
            assert torch.equal(renderer.render(t), wanted)


def test_each_frame_is_encoded_once(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five frames at three times a pair: five frame encodings, four pairs, twelve renderings."""
    counting = Counting(network, monkeypatch)
    renderer = PairRenderer(network, LR, (60, 84))
    frames = video(5)
    renderer.push(frames[0])
    for frame in frames[1:]:
        renderer.push(frame)
        for t in (0, THIRD, 2 * THIRD):
            renderer.render(t)

    assert counting.calls == {
        "encode_frame": 5, "encode_pair": 4, "encode_tile": 0, "survey_pair": 0,
        "prepare": 4, "render": 12,
    }  # fmt: skip


def test_nothing_is_computed_before_it_is_asked_for(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs that show no output cost nothing."""
    counting = Counting(network, monkeypatch)
    renderer = PairRenderer(network, LR, (60, 84))
    for frame in video(4):
        renderer.push(frame)
    assert sum(counting.calls.values()) == 0

    renderer.render(0.5)
    assert counting.calls["encode_frame"] == 2


def test_a_skipped_pair_does_not_mix_frames(network: Network) -> None:
    """After pairs that were not rendered, features of an older frame are not taken by mistake."""
    a, b, c, d = video(4)
    renderer = PairRenderer(network, LR, (60, 84))
    renderer.pair(a, b)
    renderer.render(0.5)
    renderer.pair(c, d)
    fresh = PairRenderer(network, LR, (60, 84))
    fresh.pair(c, d)
    assert torch.equal(renderer.render(0.5), fresh.render(0.5))
    renderer.pair(a, d)  # same second frame, another first
    fresh = PairRenderer(network, LR, (60, 84))
    fresh.pair(a, d)
    assert torch.equal(renderer.render(0.5), fresh.render(0.5))


def test_one_frame_makes_a_pair_with_itself(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The held last frame, and the only one, is encoded once and rendered at t = 0 of itself."""
    counting = Counting(network, monkeypatch)
    (frame,) = video(1)
    renderer = PairRenderer(network, LR, (60, 84))
    renderer.push(frame)
    out = renderer.render(0)

    assert out.shape == (3, 60, 84)
    assert counting.calls["encode_frame"] == 1


@pytest.mark.parametrize("hr", [(280, 392), (160, 224), (121, 170), (61, 90)])
def test_tiles_equal_the_whole_frame(network: Network, hr: tuple[int, int]) -> None:
    """Tiles with the network's halo stay within 1/255 of the whole frame, at every scale."""
    lr = (160, 224)
    a, b = video(2, lr)
    whole = PairRenderer(network, lr, hr, tile=0)
    tiled = PairRenderer(network, lr, hr, tile=48)
    assert whole.layout.whole
    assert len(tiled.layout.tiles) == 4 * 5
    for renderer in (whole, tiled):
        renderer.pair(a, b)
    for t in (0, THIRD):
        assert (whole.render(t) - tiled.render(t)).abs().max() < 1 / 255


def test_tiles_that_do_not_fit_together_are_made_one_after_the_other(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With little memory each tile renders all times of the pair before the next is encoded."""
    counting = Counting(network, monkeypatch)
    renderer = PairRenderer(network, LR, (60, 84), tile=32, budget=4 * 12 * 60 * 84 * 3)
    renderer.pair(*video(2))
    outputs = list(renderer.render_all([0, 0.25, 0.5]))

    assert len(renderer.layout.tiles) == 4
    assert len(outputs) == 3
    assert counting.calls == {
        "encode_frame": 8, "encode_pair": 0, "encode_tile": 4, "survey_pair": 1,
        "prepare": 4, "render": 12,
    }  # fmt: skip


@pytest.fixture(scope="module")
def octaves() -> Network:
    """A network of the packaged family with coarser octaves and motion that is not small."""
    torch.manual_seed(1)
    network = Network(
        ModelConfig.compact(
            octaves=2, width=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=8, fine=4, hidden=8,
            decoder_hidden=8,
        )
    )  # fmt: skip
    return network.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("shift", [(0, 0), (-60, 0), (24, 60)])
def test_tiles_equal_the_whole_frame_where_motion_is_fast(
    octaves: Network, shift: tuple[int, int]
) -> None:
    """Tiles know the coarse motion of the whole frames: within 1/255 of them at 60 LR pixels."""
    generator = torch.Generator().manual_seed(0)
    layers = [
        functional.interpolate(
            torch.rand(1, 3, 400 // s + 2, 400 // s + 2, generator=generator), (400, 400)
        )[0]
        for s in (8, 24, 72)
    ]
    texture = torch.stack(layers).mean(0)
    lr, (dy, dx) = (160, 224), shift
    a = texture[:, 66 : 66 + lr[0], 66 : 66 + lr[1]].contiguous()
    b = texture[:, 66 - dy : 66 - dy + lr[0], 66 - dx : 66 - dx + lr[1]].contiguous()
    whole = PairRenderer(octaves, lr, lr, tile=0)
    tiled = PairRenderer(octaves, lr, lr, tile=80)
    assert len(tiled.layout.tiles) == 2 * 3
    for renderer in (whole, tiled):
        renderer.pair(a, b)
    for t in (0.1, 0.5, 0.9):
        assert (whole.render(t) - tiled.render(t)).abs().max() < 1 / 255


class Starving:
    """Lets a network run out of memory for tiles of more LR pixels than `room`."""

    def __init__(
        self, network: Network, monkeypatch: pytest.MonkeyPatch, room: int, error: Exception
    ) -> None:
        self.failures = 0
        encode = network.encode_frame

        def encode_frame(frame: Tensor) -> Any:
            if math.prod(frame.shape[-2:]) > room:
                self.failures += 1
                raise error
            return encode(frame)

        monkeypatch.setattr(network, "encode_frame", encode_frame)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_takes_smaller_tiles_and_loses_no_frame(
    network: Network, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """When memory runs out, the same outputs are made in smaller tiles, and it is said."""
    lr, hr = (256, 320), (256, 321)
    a, b = video(2, lr)
    whole = PairRenderer(network, lr, hr, tile=0)
    whole.pair(a, b)
    wanted = list(whole.render_all([0, THIRD, 2 * THIRD]))

    starving = Starving(network, monkeypatch, 250 * 250, error)
    told: list[str] = []
    renderer = PairRenderer(network, lr, hr, notify=told.append)
    renderer.pair(a, b)
    outputs = list(renderer.render_all([0, THIRD, 2 * THIRD]))

    assert starving.failures >= 1
    assert len(told) == starving.failures
    assert "tiles a frame" in told[-1]
    assert len(outputs) == 3
    for output, want in zip(outputs, wanted, strict=True):
        assert (output - want).abs().max() < 1 / 255


def test_memory_that_runs_out_in_a_later_pair_loses_no_frame(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory in the middle of a run: the pair is done again, in smaller tiles."""
    lr, hr = (256, 320), (256, 321)
    a, b, c = video(3, lr)
    whole = PairRenderer(network, lr, hr, tile=0)
    whole.pair(b, c)
    wanted = whole.render(0.5)

    renderer = PairRenderer(network, lr, hr)
    renderer.pair(a, b)
    renderer.render(0.5)
    assert renderer.layout.whole
    Starving(network, monkeypatch, 250 * 250, torch.OutOfMemoryError("out of memory"))
    renderer.pair(b, c)
    assert (renderer.render(0.5) - wanted).abs().max() < 1 / 255
    assert not renderer.layout.whole


def test_no_memory_at_all_is_a_device_error(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the smallest tile, and at once where tiles are forbidden, the device is too small."""
    starving = Starving(network, monkeypatch, 0, torch.OutOfMemoryError("out of memory"))
    renderer = PairRenderer(network, LR, (60, 84))
    renderer.pair(*video(2))
    with pytest.raises(DeviceError, match="out of memory even for the smallest tile of a 84x60"):
        renderer.render(0)
    assert starving.failures > 1

    starving.failures = 0
    renderer = PairRenderer(network, LR, (60, 84), tile=0)
    renderer.pair(*video(2))
    with pytest.raises(DeviceError):
        renderer.render(0)
    assert starving.failures == 1


def test_other_errors_are_not_taken_for_out_of_memory(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A RuntimeError of another kind is raised as it is."""
    starving = Starving(network, monkeypatch, 0, RuntimeError("shape mismatch"))
    renderer = PairRenderer(network, LR, (60, 84))
    renderer.pair(*video(2))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        renderer.render(0)
    assert starving.failures == 1


def test_bf16_stays_close_to_fp32(network: Network) -> None:
    """The encoder in bf16 and the rendering in fp32 stay above 45 dB of all-fp32."""
    a, b, c = video(3)
    plain = PairRenderer(network, LR, (80, 112))
    mixed = PairRenderer(network, LR, (80, 112), autocast=torch.bfloat16)
    for first, second in ((a, b), (b, c)):
        for renderer in (plain, mixed):
            renderer.pair(first, second)
        for t in (0, 0.5):
            one, two = plain.render(t), mixed.render(t)
            assert two.dtype == torch.float32
            error = (one - two).square().mean()
            assert error > 0
            assert -10 * math.log10(float(error)) >= 45


def test_mixed_precision_still_encodes_each_frame_once(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making features float32 again does not make their frame unknown to the next pair."""
    counting = Counting(network, monkeypatch)
    seen: list[bool] = []
    prepare = network.prepare

    def spying(features: Any, grid: Any, previous: Any = None) -> Any:
        seen.append(previous is not None and previous.features.second is features.first)
        return prepare(features, grid, previous)

    monkeypatch.setattr(network, "prepare", spying)
    renderer = PairRenderer(network, LR, (80, 112), autocast=torch.bfloat16)
    for frame in video(3):
        renderer.push(frame)
        renderer.render(0)
    assert counting.calls["encode_frame"] == 3
    assert seen == [False, True, True]


def test_misuse_is_refused(network: Network) -> None:
    """No pair, another frame size and times outside of [0, 1] raise ValueError."""
    renderer = PairRenderer(network, LR, (60, 84))
    with pytest.raises(ValueError, match="no pair"):
        renderer.render(0)
    with pytest.raises(ValueError, match="expected"):
        renderer.push(torch.zeros(3, 40, 57))
    renderer.push(torch.zeros(3, *LR))
    with pytest.raises(ValueError, match=r"outside of \[0, 1\]"):
        renderer.render(1.5)


@pytest.mark.parametrize("tile", [0, 20])
def test_instants_that_are_rendered_together_are_the_same(
    network: Network, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    """In batches of two of five times, whole and in tiles: every frame, in order."""
    a, b, c = video(3)
    times = (0, 0.2, 0.4, 0.6, 0.8)
    plain = PairRenderer(network, LR, (60, 84), tile=tile)
    monkeypatch.setattr("vinr_cli.engine.renderer.batch_of", lambda *_: 2)
    batched = PairRenderer(network, LR, (60, 84), tile=tile)
    for first, second in ((a, b), (b, c)):
        for renderer in (plain, batched):
            renderer.pair(first, second)
        pairs = list(zip(plain.render_all(times), batched.render_all(times), strict=True))
        assert len(pairs) == len(times)
        assert all(torch.equal(one, two) for one, two in pairs)


def test_a_gpu_renders_small_frames_together() -> None:
    """As many instants as have four million pixels, one at least; a CPU one by one."""
    cuda = torch.device("cuda", 0)
    assert [batch_of(cuda, size) for size in ((180, 320), (1080, 1920), (2160, 3840))] == [72, 2, 1]
    assert batch_of(torch.device("cpu"), (180, 320)) == 1
