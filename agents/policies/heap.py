"""The heap of the C library: what is freed goes back to the system where work of another kind begins, if it is much.

Tensors on a CPU live there. glibc keeps what they free for later, in pieces that the next kind of work,
whose tensors have other sizes, does not fit into, so that each would add its own peak to the one before.
As long as no more than `KEPT` bytes of it are free they are left: to get a page from the system again takes
as long as a small model computes on it. glibc counts as free what was given back too, and tells no more.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

KEPT = 256 * 2**20  # bytes
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers that glibc's `mallopt` knows them by
LARGEST = (
    32 * 2**20
)  # bytes that glibc takes from the heap; by default as many as were freed at once
OWN = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "GLIBC_TUNABLES",
)  # a user's settings, which stay

FIELDS = (  # of glibc's `mallinfo2`; "fordblks" are the bytes that are free in the heap
    *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks"),
    *("uordblks", "fordblks", "keepcost"),
)


class Usage(ctypes.Structure):
    """What `mallinfo2` returns, in bytes or blocks."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS)


@cache
def library() -> Any:
    """Return glibc, told to keep what is freed, unless the user told it something; None where the C library is another."""
    try:
        found = ctypes.CDLL(None)
        found.mallinfo2.restype = Usage
        if not any(name in os.environ for name in OWN):
            found.mallopt(TRIM_THRESHOLD, KEPT)
            found.mallopt(MMAP_THRESHOLD, LARGEST)
        found.malloc_trim.argtypes = (ctypes.c_size_t,)
    except (AttributeError, OSError, TypeError):  # no such function, or no such library
        return None
    return found


def give_back() -> None:
    """Give back the pages of the heap that hold nothing, if more than `KEPT` bytes are free: some milliseconds."""
    if (glibc := library()) is not None and glibc.mallinfo2().fordblks > KEPT:
        glibc.malloc_trim(0)
