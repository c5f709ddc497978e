"""Worker processes for work that may hang, crash or exhaust the memory, such as judging answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from edgewise.executor import LOST, Executor, Job, WorkerError

__all__ = [
    "LOST",
    "Pool",
    "TooManyUnverified",
    "WorkerError",
    "as_verdict",
    "pool_for",
    "refuse_unverified",
]

MAX_UNVERIFIED = 0.01  # of the completions of a batch
START_SECONDS = 120  # for the imports of a worker
END_SECONDS = 10  # for a worker to be gone that has closed its line
MAX_STARTS = 10  # of a worker that ends before it is up
MAX_TRIES = 2  # of a call whose worker dies
CRASHES = frozenset(  # signals that a process brings upon itself, by what it does
    {
        signal.SIGABRT,
        signal.SIGALRM,  # of the worker's own timer
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGSYS,
        signal.SIGTRAP,
        signal.SIGXCPU,
    }
)
Make = Callable[[str, float, int], Executor]  # of a function, with its limits in seconds and bytes
READY = b"ready\n"  # as the script says
RAISED = b"!"  # begins the reply to a call that raised, which no JSON does
SCRIPT = Path(__file__).with_name("pool_worker.py")


class TooManyUnverified(WorkerError):
    """So many answers could not be verified that a run must not go on."""


def refuse_unverified(count: int, total: int) -> None:
    """Check that few of the `total` answers of a batch, `count`, are without a verdict.

    Raises:
        TooManyUnverified: If more than 1 % are.
    """
    if count > MAX_UNVERIFIED * total:
        raise TooManyUnverified(
            f"{count} of {total} answers could not be verified, more than {MAX_UNVERIFIED:.0%}: the "
            "workers that verify were killed twice; the memory of the machine may be too small"
        )


def as_verdict(result: Any) -> bool | None:
    """Return whether a result says that an answer is right; None if it was lost.

    >>> as_verdict(True), as_verdict(None), as_verdict(LOST)
    (True, False, None)
    """
    return None if result is LOST else result is True


class Pool(Executor):
    """Call one function in worker processes, each call within a limit of time and memory.

    A call that takes too long, or raises, gives None. A call whose worker dies is begun once more, by
    a new worker. If that dies too, it gives None where both deaths were the call's own doing (a
    crash, an exit, more memory than the limit), and else `LOST`: a signal from outside, such as that
    of a system out of memory, says nothing of the call.

    The workers are fresh interpreters: the caller may be a daemon, a script without a main guard or a
    notebook. They are in sessions of their own, where Ctrl-C does not reach them, and end when the
    caller does. They need a POSIX system.

    Example:
        >>> with Pool("textwrap:dedent", num_workers=1) as pool:
        ...     pool.map([("  a",), (" b",), ("  a",)])
        ['a', 'b', 'a']
    """

    def __init__(
        self,
        function: str,
        *,
        num_workers: int | None = None,
        seconds: float = 5.0,
        memory: int = 2**30,
        cache_size: int = 100_000,
        strict: bool = False,
    ) -> None:
        """Start the workers.

        Args:
            function: "module:name" of what is called, with texts; the result is made JSON.
            num_workers: How many processes; by default one for each core, at most four.
            seconds: The wall-clock limit of one call.
            memory: The limit in bytes of the address space of one worker.
            cache_size: How many results are kept.
            strict: Whether a call that raises raises a WorkerError here, and is not None.
        """
        super().__init__(cache_size)
        if num_workers is None:
            num_workers = min(4, os.cpu_count() or 1)
        if num_workers < 1:
            raise ValueError(f"`num_workers` must be at least 1, got {num_workers}")
        command = [sys.executable, "-P", str(SCRIPT), function, str(seconds), str(memory)]
        self._workers = [Worker(command, seconds, strict) for _ in range(num_workers)]
        self.serve(*(partial(self._work, worker) for worker in self._workers))

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the workers that are up."""
        processes = [worker.process for worker in self._workers]
        return [process.pid for process in processes if process is not None]

    def _work(self, worker: Worker) -> None:
        """Give calls to `worker` until there are no more."""
        while (call := self.take()) is not None:
            try:
                self.finish(call, worker.call(call[0]))
            except WorkerError as error:
                self.finish(call, error)
            except Exception as error:  # such as no file descriptor or process left
                self.finish(call, WorkerError(f"{type(error).__name__}: {error}"))
        worker.stop()


class Worker:
    """One process, and the thread's end of the line to it."""

    def __init__(self, command: Sequence[str], seconds: float, strict: bool) -> None:
        """Note how to start it; it is started with its first call."""
        self.command, self.seconds, self.strict = command, seconds, strict
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, job: Job) -> Any:
        """Return the result of a call; None or `LOST` without one, as `Pool` says.

        Raises:
            WorkerError: If the worker cannot be started, or a call raised and that is `strict`.
        """
        request = json.dumps(job).encode() + b"\n"
        deaths: list[bool] = []  # of workers at the call, whether of their own doing
        for _ in range(MAX_STARTS):
            if self.process is None or self.process.poll() is not None:
                self.start()
            try:
                self.line.sendall(request)
            except OSError:  # it died before it read the call
                self.stop()
                continue
            reply = self.receive()
            if reply is None:
                self.stop()
                return None
            if reply.startswith(RAISED) and reply.endswith(b"\n"):
                if self.strict:
                    raise WorkerError(json.loads(reply[1:]))
                return None
            if reply.endswith(b"\n"):
                return json.loads(reply)
            deaths.append(is_own_doing(self.bury()))  # perhaps in the middle of its reply
            if len(deaths) == MAX_TRIES:
                break
        return None if deaths and all(deaths) else LOST

    def start(self) -> None:
        """Start the process, and wait until it is ready.

        One that is killed meanwhile says nothing of the next, so it is started again for a time.
        """
        self.stop()
        tries = ended = 0  # ended: of itself
        last = time.monotonic() + START_SECONDS
        while ended < MAX_STARTS and time.monotonic() < last:
            self.launch()
            ready = self.receive()
            if ready == READY:
                self.line.settimeout(self.seconds)
                return
            if ready is not None and ready.endswith(b"\n"):
                self.stop()
                raise WorkerError(json.loads(ready))
            code = self.stop() if ready is None else self.bury()
            tries, ended = tries + 1, ended + is_own_doing(code)
        raise WorkerError(f"a worker process ended {tries} times before it was ready")

    def launch(self) -> None:
        """Start the process, on one end of a pair of sockets."""
        self.line, end = socket.socketpair()
        self.line.settimeout(START_SECONDS)
        self.stream = self.line.makefile("rb")
        path = os.pathsep.join(filter(None, sys.path))
        try:
            with end:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=end.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    env={
                        **os.environ,
                        "PYTHONPATH": path,
                        "PYTHONHASHSEED": "0",  # equal calls have equal results in all workers
                        "OMP_NUM_THREADS": "1",
                    },
                )
        except OSError:
            self.stream.close()
            self.line.close()
            raise

    def receive(self) -> bytes | None:
        """Return the next line from the process, cut off if it died; None if it is late."""
        try:
            return self.stream.readline()
        except TimeoutError:
            return None
        except OSError:
            return b""

    def bury(self) -> int | None:
        """Return the exit code of a worker that closed its pipe; None if it is still running."""
        assert self.process is not None
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.stop()

    def stop(self) -> int | None:
        """End the process, whatever it does, and return how it ended; None if there was none."""
        if self.process is None:
            return None
        self.process.kill()
        code = self.process.wait()
        self.stream.close()
        self.line.close()
        self.process = None
        return code


def is_own_doing(code: int | None) -> bool:
    """Return whether a process that ended with `code` did so by what it was at.

    >>> is_own_doing(1), is_own_doing(-signal.SIGSEGV), is_own_doing(-signal.SIGKILL)
    (True, True, False)
    """
    return code is None or code >= 0 or -code in CRASHES


def pool_here(function: str, seconds: float, memory: int) -> Executor:
    """Make a pool of processes of this machine."""
    return Pool(function, seconds=seconds, memory=memory)


class Shared:
    """What this process calls functions with, by the functions."""

    make: Make = staticmethod(pool_here)
    made: ClassVar[dict[str, Executor]] = {}
    lock = threading.Lock()

    @classmethod
    def forget(cls) -> None:
        """Begin anew, in a child: threads and clusters do not outlive a fork."""
        cls.make, cls.made, cls.lock = staticmethod(pool_here), {}, threading.Lock()


os.register_at_fork(after_in_child=Shared.forget)


def pool_for(function: str, *, seconds: float, memory: int = 2**30) -> Executor:
    """Return what calls `function` for all of this process, made on the first call.

    Args:
        function: As `Pool` takes it.
        seconds: The wall-clock limit of one call.
        memory: The limit in bytes of the address space of one worker.
    """
    with Shared.lock:
        found = Shared.made.get(function)
        if found is None or found.closed:
            found = Shared.made[function] = Shared.make(function, seconds, memory)
        return found


@contextmanager
def calling_by(make: Make) -> Iterator[None]:
    """Let `pool_for` make executors by `make` while the block runs, and close them after it."""
    before = Shared.make, Shared.made
    made: dict[str, Executor] = {}
    Shared.make, Shared.made = make, made
    try:
        yield
    finally:
        Shared.make, Shared.made = before
        for executor in made.values():
            executor.close()
