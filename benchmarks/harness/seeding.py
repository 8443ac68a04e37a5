"""Weights and frames that can be made again anywhere: NumPy's PCG64 is stable over releases.

A test thus has all 11.3 M parameters of the published network without a weights file. A parameter
is normal noise, seeded by its name, times a gain chosen so that every stage carries a signal:
features near unit variance, flows of a few output pixels, colours spread over [0, 1].
"""

import zlib

import numpy as np
import torch
from torch import Tensor, nn

# net: (index of the last layer, its gain)
SINE_NETS = {"feat_imnet": (3, 1.0), "flow_imnet": (3, 5.0), "encode_imnet": (4, 0.35)}
FIRST_GAIN, HIDDEN_GAIN = (0.2, 0.01), (0.06, 0.01)  # of matrices, of biases
LAST_BIAS_GAIN = 0.05
GREY = 0.5


def gains(name: str) -> tuple[float, float]:
    """What a matrix is multiplied by, besides 1 / sqrt(inputs), and what a bias is."""
    parts = name.split(".")
    if parts[0] in SINE_NETS:
        last, gain = SINE_NETS[parts[0]]
        layer = int(parts[2])
        if layer == last:
            return gain, LAST_BIAS_GAIN
        return FIRST_GAIN if layer == 0 else HIDDEN_GAIN
    if "conv_offset_mask" in parts:
        return 0.6, 0.3
    return (0.25 if parts[0] in {"recon_trunk", "feature_extraction"} else 1.0), 0.02


def parameter(name: str, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """The parameter of this name and shape."""
    if name == "encode_imnet.net.4.bias":
        return torch.full(shape, GREY)
    matrix, bias = gains(name)
    gain = np.float32(matrix / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else bias)
    noise = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)
    return torch.from_numpy(noise.astype(np.float32) * gain)


def seed_weights(network: nn.Module) -> None:
    """Give a network with the published names its seeded weights."""
    state = network.state_dict()
    network.load_state_dict({k: parameter(k, tuple(v.shape)) for k, v in state.items()})


def frames(height: int, width: int, seed: int = 0) -> Tensor:
    """Two frames of smooth waves that move: (1, 2, 3, height, width), in [0, 1]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rng = np.random.default_rng([seed, height, width])
    out = np.zeros((2, 3, height, width))
    for channel in range(3):
        for _ in range(6):
            fy, fx = rng.uniform(0.03, 0.35, 2)
            phase = rng.uniform(0, 6.3)
            dy, dx = rng.uniform(-2, 2, 2)
            for t in (0, 1):
                angle = 6.2832 * (fy * (y + t * dy) + fx * (x + t * dx)) + phase
                out[t, channel] += np.sin(angle)
    return torch.from_numpy((0.5 + out / 14).clip(0, 1).astype(np.float32))[None]


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Normal noise that need not be the same in every release."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
