"""Standard output and error that go on in silence when nobody reads them any more."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class Output(io.FileIO):
    """A file that becomes the null device when the reader of its pipe has gone."""

    def write(self, content: Buffer, /) -> int:
        """Write bytes and return how many were taken."""
        try:
            return super().write(content)
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return super().write(content)


def guarded(stream: TextIO) -> TextIO:
    """Return a stream that writes where `stream` does, and never raises BrokenPipeError."""
    return io.TextIOWrapper(
        io.BufferedWriter(Output(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )


@contextmanager
def closed_pipes() -> Iterator[None]:
    """Let a pipe that is closed, as by `| head`, end what is written to it, and nothing else.

    Streams that someone has put in the place of the process's own stay as they are.
    """
    before = sys.stdout, sys.stderr
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__:
        sys.stdout = guarded(sys.__stdout__)
    if sys.__stderr__ is not None and sys.stderr is sys.__stderr__:
        sys.stderr = guarded(sys.__stderr__)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with suppress(OSError):  # of a disk that is full, told when a line was written
                    stream.flush()
        sys.stdout, sys.stderr = before
