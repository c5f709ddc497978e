"""Worker processes for work that may hang, crash or exhaust the memory, such as judging answers."""

from __future__ import annotations

import atexit
import json
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from enum import Enum
from pkgutil import resolve_name
from types import TracebackType
from typing import Any, Final

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
OUTSIDE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # ends a worker, and raises nothing in it
READY = b"ready\n"

Job = tuple[str, ...]


class Lost(Enum):
    """What stands in place of the result of a call that was lost, whatever its result is."""

    LOST = "lost"


LOST: Final = Lost.LOST


class WorkerError(RuntimeError):
    """Worker processes cannot be started, or are lost too often."""


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


class Pool:
    """Call one function in worker processes, each call within a limit of time and memory.

    A call that takes too long, or raises, gives None. A call whose worker dies is begun once more, by
    a new worker. If that dies too, it gives None where both deaths were the call's own doing (a
    crash, an exit, more memory than the limit), and else `LOST`: a signal from outside, such as that
    of a system out of memory, says nothing of the call. What is lost is not kept; other results are,
    so that equal calls cost nothing.

    Any thread may call `map` and `submit`. The workers are fresh interpreters: the caller may be a
    daemon, a script without a main guard or a notebook. They are in sessions of their own, where
    Ctrl-C does not reach them, and end when the caller does. They need a POSIX system.

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
    ) -> None:
        """Start the workers.

        Args:
            function: "module:name" of what is called, with texts; the result is made JSON.
            num_workers: How many processes; by default one for each core, at most four.
            seconds: The wall-clock limit of one call.
            memory: The limit in bytes of the address space of one worker.
            cache_size: How many results are kept.
        """
        if num_workers is None:
            num_workers = min(4, os.cpu_count() or 1)
        if num_workers < 1:
            raise ValueError(f"`num_workers` must be at least 1, got {num_workers}")
        self.command = [sys.executable, "-P", __file__, function, str(seconds), str(memory)]
        self.seconds, self.cache_size = seconds, cache_size
        self._cache: dict[Job, Any] = {}
        self._flight: dict[Job, Future[Any]] = {}  # calls whose results are not in the cache yet
        self._unasked: dict[Job, Future[Any]] = {}  # submitted, and no `map` has asked for them
        self._lock = threading.Lock()  # of these, and of closing
        self._calls: queue.SimpleQueue[tuple[Job, Future[Any]] | None] = queue.SimpleQueue()
        self._workers = [Worker(self.command, seconds) for _ in range(num_workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=[worker], daemon=True)
            for worker in self._workers
        ]
        self._closed = False
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the workers that are up."""
        processes = [worker.process for worker in self._workers]
        return [process.pid for process in processes if process is not None]

    def map(self, jobs: Sequence[Job]) -> list[Any]:
        """Return the result of each call, in order; None where it has none, `LOST` where it was lost.

        Raises:
            WorkerError: If the workers cannot be started.
        """
        with self._lock:
            self._refuse_if_closed()
            self._drop_unasked(but=jobs)
            results = {job: self._cache[job] for job in jobs if job in self._cache}
            futures = {job: self._begin(job) for job in jobs if job not in results}
        results.update({job: future.result() for job, future in futures.items()})
        return [results[job] for job in jobs]

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start calls early; the next `map` cancels those that it does not request.

        Those beyond `cache_size` are not begun.
        """
        with self._lock:
            self._refuse_if_closed()
            for job in jobs:
                known = job in self._cache or job in self._flight
                if not known and len(self._unasked) < self.cache_size:
                    self._unasked[job] = self._begin(job)

    def close(self) -> None:
        """End the workers, after the calls that are under way."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._drop_unasked()
                for _ in self._threads:
                    self._calls.put(None)
        for thread in self._threads:
            thread.join()
        atexit.unregister(self.close)

    def __enter__(self) -> Pool:
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers."""
        self.close()

    def _refuse_if_closed(self) -> None:
        """Raise WorkerError if there are no workers any more."""
        if self._closed:
            raise WorkerError("the pool is closed")

    def _begin(self, job: Job) -> Future[Any]:
        """Return the result to come of a call, which is under way already or begins here."""
        if job not in self._flight:
            self._flight[job] = Future()
            self._calls.put((job, self._flight[job]))
        return self._flight[job]

    def _drop_unasked(self, but: Sequence[Job] = ()) -> None:
        """Forget the submitted calls `but` some; a worker that is at one completes it."""
        for job in but:
            self._unasked.pop(job, None)
        for job, future in self._unasked.items():
            if future.cancel():
                del self._flight[job]
        self._unasked.clear()

    def _serve(self, worker: Worker) -> None:
        """Give calls to `worker` until there are no more."""
        while (call := self._calls.get()) is not None:
            job, future = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(worker.call(job))
            except WorkerError as error:
                future.set_exception(error)
            except Exception as error:  # such as no file descriptor or process left
                future.set_exception(WorkerError(f"{type(error).__name__}: {error}"))
            with self._lock:
                del self._flight[job]
                if future.exception() is None and future.result() is not LOST:
                    self._cache[job] = future.result()
                while len(self._cache) > self.cache_size:
                    del self._cache[next(iter(self._cache))]
        worker.stop()


class Worker:
    """One process, and the thread's end of the line to it."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        """Note how to start it; it is started with its first call."""
        self.command, self.seconds = command, seconds
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, job: Job) -> Any:
        """Return the result of a call; None or `LOST` without one, as `Pool` says."""
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


def work(function: str, seconds: str, memory: str) -> None:
    """Answer the calls that come in at the standard input, a socket, until it is closed."""
    line = socket.socket(fileno=0)
    stream = line.makefile("rb")
    try:
        called = resolve_name(function)
    except Exception as error:
        line.sendall(json.dumps(f"{type(error).__name__}: {error}").encode() + b"\n")
        return
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    for number in (signal.SIGALRM, *OUTSIDE):
        signal.signal(number, signal.SIG_DFL)
    line.sendall(READY)
    for request in stream:
        signal.setitimer(signal.ITIMER_REAL, float(seconds) + 1)  # should the caller be gone
        try:
            reply = json.dumps(called(*json.loads(request)))
        except MemoryError:
            os._exit(1)  # what filled the memory may stay; a fresh process does not have it
        except Exception:
            reply = "null"
        signal.setitimer(signal.ITIMER_REAL, 0)
        line.sendall(reply.encode() + b"\n")


if __name__ == "__main__":  # a worker, which imports nothing but what its function does
    work(*sys.argv[1:])
