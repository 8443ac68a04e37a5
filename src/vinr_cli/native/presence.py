"""Whether the kernels are there: known before torch is loaded, which takes a second."""

import os
from pathlib import Path

LIBRARY = Path(__file__).with_name("libvinr_kernels.so")
SWITCH = "VINR_NATIVE"
OFF = "0"


def expected() -> bool:
    """Whether they were built and are not turned off; the processor may still be none of theirs."""
    return LIBRARY.exists() and os.environ.get(SWITCH) != OFF
