"""Calls on the Ray cluster that this process is connected to.

A task of Ray carries some calls to a node, which makes them with a `Pool` of one process: limits of
time and memory, and what becomes of a call that crashes, are those of a pool. What goes over the wire is
texts, numbers and lists alone, and the nodes call functions of the package, by names that are in the code.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Sequence
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from edgewise.executor import LOST, Call, Executor
from edgewise.pool import Pool, WorkerError

MAX_CALLS = 64  # of a task
TASKS_PER_CPU = 2  # under way, so that no node waits for the next
MAX_RETRIES = 4  # of a task whose worker or node is gone
SIZE_SECONDS = 5.0  # between two looks at the size of the cluster


class RayPool(Executor):
    """Call one function on the cluster that this process is connected to.

    Results are as those of `Pool`. Some calls at a time are a task of Ray, which is made again, at
    most four times, where its worker or node is gone; each call has one result all the same. If it is
    gone every time, the calls are lost. At most two tasks for each CPU of the cluster are under way.
    """

    def __init__(
        self,
        function: str,
        *,
        seconds: float = 5.0,
        memory: int = 2**30,
        cache_size: int = 100_000,
        strict: bool = False,
    ) -> None:
        """Wait for calls.

        Args:
            function: "module:name" of what is called on the nodes, as `Pool` does.
            seconds: The wall-clock limit of one call.
            memory: The limit in bytes of the address space of one worker.
            cache_size: How many results are kept.
            strict: Whether a call that raises raises a WorkerError here, and is not None.
        """
        import ray

        super().__init__(cache_size)
        self._told = (version("edgewise"), function, seconds, memory, strict)
        self._task = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(call_many)
        self._room = threading.Condition()  # of the next two
        self._under_way: dict[Any, Sequence[Call]] = {}  # by the references of the tasks
        self._ended = False
        self._limit, self._looked = 0, -SIZE_SECONDS
        self.serve(self._send)

    def close(self) -> None:
        """Give up the calls that have no result yet; those who wait for one get `LOST`."""
        import ray

        with self._room:
            self._ended = True
            references = list(self._under_way)
            self._room.notify_all()
        if ray.is_initialized():
            for reference in references:
                ray.cancel(reference)
        super().close()

    def _send(self) -> None:
        """Begin tasks until there are no more calls."""
        while (call := self.take()) is not None:
            with self._room:
                while not self._ended and len(self._under_way) >= self._slots():
                    self._room.wait(SIZE_SECONDS)
            calls = [call, *self._more(self._calls.qsize() // self._limit)]
            if self._ended:
                self._end(calls, LOST)
                continue
            reference = self._task.remote(*self._told, [list(job) for job, _ in calls])
            with self._room:
                self._under_way[reference] = calls
            reference.future().add_done_callback(partial(self._receive, reference))

    def _slots(self) -> int:
        """Return how many tasks may be under way."""
        import ray

        if time.monotonic() - self._looked > SIZE_SECONDS:
            cpus = int(ray.cluster_resources().get("CPU", 0))
            self._limit = TASKS_PER_CPU * max(1, cpus)
            self._looked = time.monotonic()
        return self._limit

    def _more(self, count: int) -> list[Call]:
        """Take up to `count` calls that wait, to go with another."""
        calls: list[Call] = []
        while len(calls) < min(count, MAX_CALLS - 1):
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                break
            if call is None:
                self._calls.put(None)
                break
            if call[1].set_running_or_notify_cancel():
                calls.append(call)
        return calls

    def _receive(self, reference: Any, future: Any) -> None:
        """Tell the results of a task."""
        from ray import exceptions

        with self._room:
            calls = self._under_way.pop(reference)
            self._room.notify_all()
        error = future.exception()
        gone = (
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.ObjectLostError,
            exceptions.OutOfMemoryError,
            exceptions.TaskCancelledError,
        )
        if isinstance(error, gone):
            self._end(calls, LOST)
        elif error is not None:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._end(calls, WorkerError(f"a node of Ray failed: {lines[-1]}"))
        elif "error" in (reply := future.result()):
            self._end(calls, WorkerError(f"on node {reply['node']}: {reply['error']}"))
        else:
            for call, result in zip(calls, reply["results"], strict=True):
                self.finish(call, result[0] if result else LOST)

    def _end(self, calls: Sequence[Call], result: Any) -> None:
        """Give all of some calls one result."""
        for call in calls:
            self.finish(call, result)


def call_many(
    wanted: str,
    function: str,
    seconds: float,
    memory: int,
    strict: bool,
    jobs: list[list[str]],
) -> dict[str, Any]:
    """Make calls, on a node; a result is a list of one, or of none if it was lost."""
    node = socket.gethostname()
    if (found := version("edgewise")) != wanted:
        return {"node": node, "error": f"edgewise must be {wanted}, got {found}"}
    try:
        results = pool_of_node(function, seconds, memory, strict).map([tuple(job) for job in jobs])
    except WorkerError as error:
        return {"node": node, "error": str(error)}
    return {"results": [[] if result is LOST else [result] for result in results]}


@cache
def pool_of_node(function: str, seconds: float, memory: int, strict: bool) -> Pool:
    """Return the process that makes the calls of a worker of Ray."""
    return Pool(
        function, num_workers=1, seconds=seconds, memory=memory, cache_size=0, strict=strict
    )
