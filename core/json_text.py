"""Read JSON that others wrote: of bounded size and depth, and refused in one line."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from edgewise.errors import shown

MAX_BYTES = 2**26
MAX_DEPTH = 64  # of lists and objects in each other


def parse_json(
    text: str, argument: str, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> Any:
    """Parse JSON, refusing numbers that are not finite.

    Args:
        text: JSON, in whose objects no key occurs twice.
        argument: What the text is called in messages.
        max_bytes: Of the text in UTF-8.
        max_depth: Of lists and objects in each other.

    Raises:
        ValueError: If it is no JSON, too long or too deep, a key occurs twice, or a number is not finite.
    """
    if not isinstance(text, str):
        raise ValueError(f"`{argument}` must be a text of JSON, got {type(text).__name__}")
    if len(text) > max_bytes or len(text.encode(errors="surrogatepass")) > max_bytes:
        raise ValueError(f"`{argument}` must have at most {max_bytes:,} bytes, got more")
    try:
        value = json.loads(
            text, parse_float=finite, parse_constant=finite, object_pairs_hook=unique
        )
    except RecursionError:
        raise ValueError(f"`{argument}` must be at most {max_depth} deep, got more") from None
    except ValueError as error:
        raise ValueError(f"`{argument}` must be JSON, got {shown(text)}: {error}") from error
    if depth(value, max_depth) > max_depth:
        raise ValueError(f"`{argument}` must be at most {max_depth} deep, got more")
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of `pairs`; ValueError if a key occurs twice, of which one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{shown(twice)} twice in an object")
    return found


def finite(text: str) -> float:
    """Return the number that `text` is; ValueError if it is not finite."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"a number must be finite, got {text[:20]}")
    return number


def depth(value: Any, enough: int) -> int:
    """Return the nesting depth of lists and objects; counting stops above `enough`."""
    layer, found = [value], 0
    while layer and found <= enough:
        inner: list[Any] = []
        for part in layer:
            if isinstance(part, (list, dict)):
                inner.extend(part.values() if isinstance(part, dict) else part)
        found += any(isinstance(part, (list, dict)) for part in layer)
        layer = inner
    return found
