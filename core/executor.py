"""What calls a function elsewhere, whoever carries the calls out: `Pool` here, `RayPool` on a cluster."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self

Job = tuple[str, ...]
Call = tuple[Job, Future[Any]]  # and its result to come


class Lost(Enum):
    """What stands in place of the result of a call that was lost, whatever its result is."""

    LOST = "lost"


LOST: Final = Lost.LOST


class WorkerError(RuntimeError):
    """Worker processes cannot be started, or are lost too often."""


class Executor:
    """Call one function of texts elsewhere: `Pool` in processes here, `RayPool` on a cluster.

    What is under way, what was submitted and what results are kept is the same for all. A call that
    fails gives None, or raises if the executor is `strict`; one that was lost gives `LOST`, which is
    not kept. Other results are, so that equal calls cost nothing. Any thread may call `map`, `start`
    and `submit`.
    """

    def __init__(self, cache_size: int) -> None:
        """Keep so many results."""
        self.cache_size = cache_size
        self.closed = False
        self._cache: dict[Job, Any] = {}
        self._flight: dict[Job, Future[Any]] = {}  # calls whose results are not in the cache yet
        self._unasked: dict[Job, Future[Any]] = {}  # submitted, and no `map` has asked for them
        self._lock = threading.Lock()  # of these, and of closing
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def serve(self, *servers: Callable[[], None]) -> None:
        """Run threads, each of which takes calls until there are no more."""
        self._threads = [threading.Thread(target=server, daemon=True) for server in servers]
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)

    def map(self, jobs: Sequence[Job]) -> list[Any]:
        """Return the result of each call, in order; None where it has none, `LOST` where it was lost.

        Raises:
            WorkerError: If the workers cannot be started, or a call raised and `strict` was asked for.
        """
        return [future.result() for future in self.start(jobs)]

    def start(self, jobs: Sequence[Job]) -> list[Future[Any]]:
        """Begin calls, and return the result of each as it will be; as `map`, it drops the submitted."""
        with self._lock:
            self._refuse_if_closed()
            self._drop_unasked(but=jobs)
            return [self._begin(job) for job in jobs]

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
            if not self.closed:
                self.closed = True
                self._drop_unasked()
                for _ in self._threads:
                    self._calls.put(None)
        for thread in self._threads:
            thread.join()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        """Return the executor."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers."""
        self.close()

    def take(self) -> Call | None:
        """Wait for a call that somebody still wants; None once there are no more."""
        while (call := self._calls.get()) is not None:
            if call[1].set_running_or_notify_cancel():
                return call
        return None

    def finish(self, call: Call, result: Any) -> None:
        """Tell who waits for a call its result, or the error that there was in its place."""
        job, future = call
        failed = isinstance(result, WorkerError)
        if failed:
            future.set_exception(result)
        else:
            future.set_result(result)
        with self._lock:
            del self._flight[job]
            if not failed and result is not LOST:
                self._cache[job] = result
            while len(self._cache) > self.cache_size:
                del self._cache[next(iter(self._cache))]

    def _refuse_if_closed(self) -> None:
        """Raise WorkerError if there are no workers any more."""
        if self.closed:
            raise WorkerError("the pool is closed")

    def _begin(self, job: Job) -> Future[Any]:
        """Return the result of a call that is known, under way already, or begins here."""
        if job in self._cache:
            known: Future[Any] = Future()
            known.set_result(self._cache[job])
            return known
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
