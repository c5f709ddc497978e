"""The heap of the C library: what is freed is given back to the system where work of another kind begins.

Tensors on a CPU live there. glibc keeps what they free for later, in pieces that the next kind of work,
whose tensors have other sizes, does not fit into, so that each would add its own peak to the one before.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def trimmer() -> Callable[[int], Any] | None:
    """Return glibc's `malloc_trim`, None where the C library is another."""
    try:
        found: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no such function, or no such library
        return None
    return found


def give_back() -> None:
    """Give back the pages of the heap that hold nothing, where the C library can: some milliseconds."""
    if (trim := trimmer()) is not None:
        trim(0)
