"""PyTorch's compiler, which its optimizers load though nothing is compiled here."""

import importlib
import os
import sys
import tempfile

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


def load_compiler() -> None:
    """Load it without the folder for its results, which it makes in TMPDIR while it is loaded.

    A compilation later makes that folder, if there ever is one.
    """
    if "torch._dynamo" in sys.modules:
        return
    before = os.environ.get(_FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[_FOLDER] = folder
        try:
            importlib.import_module("torch._dynamo")
        finally:
            del os.environ[_FOLDER]
            if before is not None:
                os.environ[_FOLDER] = before
