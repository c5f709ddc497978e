"""Names of a package that are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that imports the module of a name when it is asked for.

    Example:
        >>> get = lazily("edgewise", {"Frame": "edgewise.frame"})
        >>> get("Frame") is edgewise.Frame
        True

    Args:
        package: Its name, for messages.
        places: The module of each name.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(places[name]), name)

    return get
