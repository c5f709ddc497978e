"""Keys that are pressed in the terminal while a command works."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Press = Callable[[str], None]
PAUSE = 0.2  # seconds between two looks at a terminal that another job has


@contextmanager
def pressed(press: Press) -> Iterator[None]:
    """Call `press` with every key that is pressed while the block runs, in a thread of its own.

    The terminal then neither waits for the end of a line nor shows the keys; it is as before however the
    block ends, but by a kill. Ctrl-C stays what it is. Where the standard input is no terminal, where
    another job has it, and on systems without such terminals, nothing happens. In the background no key
    is read, since the system would stop the process.
    """
    try:
        import termios
        import tty

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal) if has_terminal(terminal) else None
    except (ImportError, OSError, ValueError, AttributeError):  # closed, or none at all
        before = None
    except termios.error:
        before = None
    if before is None:
        yield
        return
    reader, writer = os.pipe()
    thread = threading.Thread(target=listen, args=[terminal, reader, press], daemon=True)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        thread.start()
        yield
    finally:
        os.close(writer)
        if thread.is_alive():
            thread.join()
        os.close(reader)
        # in the background the system would stop the process that sets a terminal
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        except termios.error:  # it was hung up
            pass
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)


def has_terminal(terminal: int) -> bool:
    """Return whether a file is a terminal whose keys go to this job."""
    return os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()


def listen(terminal: int, end: int, press: Press) -> None:
    """Call `press` with each key until the other end of the pipe `end` is closed."""
    while True:
        try:
            if not has_terminal(terminal):
                if select.select([end], [], [], PAUSE)[0]:
                    return
                continue
            ready = select.select([terminal, end], [], [])[0]
            if end in ready:
                return
            if not has_terminal(terminal):
                continue
            key = os.read(terminal, 1)
        except OSError:  # the terminal was hung up
            return
        if not key:
            return
        press(key.decode("ascii", "replace"))
