"""The networks. Nothing here knows what a video is."""

from vinr_cli.model.compact.network import CompactVideoINR
from vinr_cli.model.config import CompactConfig, ModelConfig, PublishedConfig
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.published.network import PublishedVideoINR
from vinr_cli.model.videoinr import Features, FrameFeatures, Network, Prepared

__all__ = [
    "Axis",
    "CompactConfig",
    "CompactVideoINR",
    "Features",
    "FrameFeatures",
    "Grid",
    "ModelConfig",
    "Network",
    "Prepared",
    "PublishedConfig",
    "PublishedVideoINR",
]
