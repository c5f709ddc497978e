"""Ctrl-C and SIGTERM as requests: a command says at once that it will stop, and stops after its step."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

GOES_ON = "what is done is kept, and the same command goes on"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
TOLD = "edgewise: stopping after this step; again to stop now\n"


class Stopped(Exception):
    """A command that stopped as it was asked to; the message says what is kept and how it goes on."""


Say = Callable[[str], None]
never: Callable[[], bool] = bool
_asked = never  # whether this process was asked to stop


def asked() -> bool:
    """Return whether this process was asked to stop after its step; work asks between two steps."""
    return _asked()


def obey(is_stopped: Callable[[], bool]) -> None:
    """Let `asked` return `is_stopped()`, in a child process that its parent stops."""
    global _asked
    _asked = is_stopped


@contextmanager
def stoppable(quiet: bool = False, say: Say | None = None) -> Iterator[None]:
    """Make the first Ctrl-C or SIGTERM a request to stop after the step, the second a stop.

    While the block runs, `asked` returns whether there was one. It is acknowledged on the standard
    error by a thread of its own, since Python calls handlers only between two operations, and one of
    torch may take long. Outside the main thread, which alone gets signals, nothing changes.

    Args:
        quiet: Whether nothing is said, as by all processes but the first.
        say: Prints a line where a live display would overwrite the standard error.

    Raises:
        KeyboardInterrupt: In the block, by the second signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, requests = _asked, 0

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal requests
        requests += 1
        if requests > 1:
            raise KeyboardInterrupt

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    thread = threading.Thread(target=acknowledge, args=[reader, quiet, say], daemon=True)
    thread.start()
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, hear) for number in SIGNALS}
    obey(lambda: requests > 0 or before())
    try:
        yield
    finally:
        obey(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(writer)
        thread.join()


@contextmanager
def repeatable(
    advice: str = GOES_ON, quiet: bool = False, say: Say | None = None
) -> Iterator[None]:
    """Run a block as `stoppable` does, of a command that takes up what it has done before.

    Raises:
        Stopped: If the block was stopped; the message has `advice`, and is "" if `quiet`.
    """
    try:
        with stoppable(quiet, say):
            yield
    except (Stopped, KeyboardInterrupt):
        raise Stopped("" if quiet else f"stopped; {advice}") from None


def acknowledge(reader: int, quiet: bool, say: Say | None) -> None:
    """Acknowledge the first signal whose number arrives in the pipe."""
    with open(reader, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            if number[0] in SIGNALS and not quiet:
                quiet = True
                with suppress(OSError):  # nobody may be there to read it
                    if say is None:
                        os.write(2, TOLD.encode())
                    else:
                        say(TOLD.rstrip())


@contextmanager
def held_back() -> Iterator[None]:
    """Let no Ctrl-C arrive while the block runs, and never in a process that it starts.

    What is pressed meanwhile arrives afterwards. A process inherits the mask of the thread that starts
    it; here another thread may take the signal, so its handler, which runs in the main thread, waits.
    """
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    replaced = before is not None and threading.current_thread() is threading.main_thread()
    if replaced:
        signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        if replaced:
            signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
