"""Names of a package that are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(
    package: str, places: Mapping[str, str], extra: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package whose names are imported when asked for.

    Example:
        >>> get, names = lazily("edgewise", {"Frame": "edgewise.frame"}, extra="train")
        >>> get("Frame") is edgewise.Frame, names()
        (True, ['Frame'])

    Args:
        package: Its name, for messages.
        places: The module of each name.
        extra: The extra of edgewise that the modules need, named where an import fails.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(places[name])
        except ImportError as error:
            raise ImportError(
                f"{package}.{name} cannot be imported ({error}): pip install 'edgewise[{extra}]'",
                name=error.name,
            ) from error
        return getattr(module, name)

    return get, lambda: sorted(places)
