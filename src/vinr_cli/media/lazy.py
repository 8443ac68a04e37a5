"""The door of a room: names that come from its modules when they are asked for (PEP 562)."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def door(room: str, **modules: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose modules are loaded by the first use of their names.

    Args:
        room: The package: `__name__` there.
        modules: For each of its modules the names that other packages may take, with spaces
            between. None may be the name of a module: once loaded, that would take its place.
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def fetch(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{homes[name]}"), name)

    return fetch
