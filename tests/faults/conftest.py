"""The generators and scenarios of `benchmarks`, which are programs of their own, as modules."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def program() -> Iterator[Any]:
    """Import a program of `benchmarks` by its name."""
    sys.path.insert(0, str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    sys.path.remove(str(BENCHMARKS))
