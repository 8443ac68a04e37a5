"""vinr: any size and any frame rate, from one pass of a VideoINR network.

::

    import vinr_cli

    vinr_cli.upscale_video("in.mp4", "out.mp4", scale=3.5, fps_mult=4)

    model = vinr_cli.load_model()  # a torch.nn.Module: .encode(frames), .query(features, t, size)
    model = vinr_cli.VideoINR.from_pretrained("org/name")  # of the Hugging Face Hub, or a folder

This module is the door: importing it loads neither torch nor PyAV; using what is behind it does.
"""

from typing import TYPE_CHECKING, Any

from vinr_cli._version import __version__

if TYPE_CHECKING:
    from vinr_cli.errors import VinrError
    from vinr_cli.jobs.library import upscale_video
    from vinr_cli.weights.load import load_model
    from vinr_cli.weights.pretrained import VideoINR

__all__ = ["VideoINR", "VinrError", "__version__", "load_model", "upscale_video"]

_ROOMS = {
    "VideoINR": "vinr_cli.weights.pretrained",
    "VinrError": "vinr_cli.errors",
    "load_model": "vinr_cli.weights.load",
    "upscale_video": "vinr_cli.jobs.library",
}


def __getattr__(name: str) -> Any:
    """Open the room that a name is in (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    """What the door leads to."""
    return sorted({*globals(), *__all__})
