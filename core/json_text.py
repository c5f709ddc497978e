"""Read JSON that others wrote: of bounded size and depth, and refused in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from edgewise.errors import shown

MAX_BYTES = 2**26
MAX_DEPTH = 64  # of lists and objects in each other


def read_json(
    text: str, argument: str, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> Any:
    """Return what the JSON text `text` says; numbers are finite.

    Args:
        text: JSON; of keys that occur twice in an object the last one counts.
        argument: What the text is called in messages.
        max_bytes: Of the text in UTF-8.
        max_depth: Of lists and objects in each other.

    Raises:
        ValueError: If it is no JSON, too long or too deep, or a number is not finite.
    """
    if not isinstance(text, str):
        raise ValueError(f"`{argument}` must be a text of JSON, got {type(text).__name__}")
    if len(text) > max_bytes or len(text.encode(errors="surrogatepass")) > max_bytes:
        raise ValueError(f"`{argument}` must have at most {max_bytes:,} bytes, got more")
    try:
        value = json.loads(text, parse_float=finite, parse_constant=finite)
    except RecursionError:
        raise ValueError(f"`{argument}` must be at most {max_depth} deep, got more") from None
    except ValueError as error:
        raise ValueError(f"`{argument}` must be JSON, got {shown(text)}: {error}") from error
    if depth(value, max_depth) > max_depth:
        raise ValueError(f"`{argument}` must be at most {max_depth} deep, got more")
    return value


def finite(text: str) -> float:
    """Return the number that `text` is; ValueError if it is not finite."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"a number must be finite, got {text[:20]}")
    return number


def depth(value: Any, enough: int) -> int:
    """Return how many lists and objects are in each other, or more than `enough` where there are."""
    layer, found = [value], 0
    while layer and found <= enough:
        inner: list[Any] = []
        for part in layer:
            if isinstance(part, (list, dict)):
                inner.extend(part.values() if isinstance(part, dict) else part)
        found += any(isinstance(part, (list, dict)) for part in layer)
        layer = inner
    return found


def read_json_file(path: Path, argument: str = "content") -> Any:
    """Return what the JSON file at `path` says.

    Raises:
        ValueError: If it cannot be read as JSON; the message begins with the path.
    """
    with reading(path):
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"`{argument}` must have at most {MAX_BYTES:,} bytes, got more")
        return read_json(path.read_text(encoding="utf-8"), argument)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Begin the message of whatever is refused about a file with its path.

    Raises:
        ValueError: In place of a ValueError or an OSError.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ValueError(f"{path}: {reason}") from error
