"""Calls on a Ray cluster: of one that is there, or of a small one of this machine.

A task of Ray carries some calls to a node, which makes them with a `Pool` of one process: limits of
time and memory, and what becomes of a call that crashes, are those of a pool. What goes over the wire is
texts, numbers and lists alone, and the nodes call functions of the package, by names that are in the code.
"""

from __future__ import annotations

import os
import queue
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from edgewise.executor import LOST, Call, Executor
from edgewise.pool import Pool, WorkerError
from edgewise.registration import require

LOCAL = re.compile(r"local(:[1-9][0-9]{0,3})?", re.ASCII)
REMOTE = re.compile(r"(ray://)?(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})", re.ASCII)
LOCAL_CPUS = 2
STORE = 128 * 2**20  # bytes of the local object store, through which little goes
CONNECT_SECONDS = 5.0  # for somebody to answer at an address
HEALTH_SECONDS = 30.0  # for a cluster to say that it is well, on a busy machine
START_TRIES = 3  # of a local cluster, since a busy machine may be too slow for Ray's own limits
MAX_CALLS = 64  # of a task
TASKS_PER_CPU = 2  # under way, so that no node waits for the next
MAX_RETRIES = 4  # of a task whose worker or node is gone
SIZE_SECONDS = 5.0  # between two looks at the size of the cluster
ENVIRONMENT = {  # of a local cluster
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_raylet_start_wait_time_s": "300",
}


def check_address(address: str) -> None:
    """Check what `--ray` is given.

    Raises:
        ValueError: If it is no address of a cluster.
    """
    remote = REMOTE.fullmatch(address)
    if address != "auto" and not LOCAL.fullmatch(address) and not remote:
        raise ValueError(
            "`ray` must be local, local:CPUS, auto, HOST:PORT or ray://HOST:PORT, "
            f"got {address[:80]!r}"
        )
    if remote is not None and not 0 < int(remote[3]) < 2**16:
        raise ValueError(f"`ray` must have a port in [1, 65535], got {address[:80]!r}")


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Connect to a cluster while the block runs.

    Args:
        address: "local" for a new one of this machine with two CPUs, "local:CPUS" for one with
            others, "auto" for the one that runs here or that RAY_ADDRESS names, or else its
            HOST:PORT or ray://HOST:PORT.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If it is no such address.
        WorkerError: If there is no cluster, or it cannot be started or joined.
    """
    require("ray")
    check_address(address)
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
        check_address(address)
    heard = signal.getsignal(signal.SIGTERM)  # Ray sets a handler of its own
    try:
        with started(address) if LOCAL.fullmatch(address) else joined(address):
            restore(heard)
            yield
    finally:
        restore(heard)


def restore(handler: Any) -> None:
    """Set the handler of SIGTERM in the main thread, which alone may."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def started(address: str) -> Iterator[None]:
    """Start a cluster of this machine, and end it and remove its files afterwards."""
    cpus = int(address.partition(":")[2] or LOCAL_CPUS)
    told = dict(ENVIRONMENT)
    if "ray" not in sys.modules or token.cache_info().currsize:  # else Ray has read its own already
        told |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token()}
    before = {name: os.environ.get(name) for name in told}
    folder = tempfile.mkdtemp(prefix="ray-", dir=os.environ.get("RAY_TMPDIR"))
    os.environ.update(told)
    import ray  # which reads them

    try:
        begin(
            num_cpus=cpus,
            num_gpus=0,
            object_store_memory=STORE,
            include_dashboard=False,
            _temp_dir=folder,
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)  # a process of Ray may write its last line yet
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@cache
def token() -> str:
    """Return what lets this process, and nobody else, use the clusters that it starts."""
    return secrets.token_hex(32)


def begin(**options: Any) -> None:
    """Start Ray here, again where a busy machine was too slow for it.

    Raises:
        WorkerError: If it does not start.
    """
    import ray

    for attempt in range(START_TRIES):
        try:
            connect(address="local", **options)
            return
        except WorkerError:
            ray.shutdown()
            if attempt == START_TRIES - 1:
                raise


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Join a cluster that is there."""
    import ray

    remote = REMOTE.fullmatch(address)
    if remote is not None:
        place = remote[2].strip("[]"), int(remote[3])
        try:
            socket.create_connection(place, timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise WorkerError(
                f"`ray` must be the address of a cluster that runs, got {address}: "
                f"{error.strerror or error}; start one with: ray start --head"
            ) from error
        if remote[1] is None:
            check_health(address)
    connect(address=address)
    try:
        yield
    finally:
        ray.shutdown()


def check_health(address: str) -> None:
    """Ask Ray's own command whether a cluster answers, which `ray.init` waits for in vain.

    Raises:
        WorkerError: If none does, or not to the token of this machine.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=HEALTH_SECONDS)
    except subprocess.TimeoutExpired:
        reason = f"no cluster answers within {HEALTH_SECONDS:g} s"
    else:
        if asked.returncode == 0:
            return
        reason = (asked.stderr.strip().splitlines() or ["it is not healthy"])[-1][:500]
    raise WorkerError(f"`ray` must be the address of a cluster that runs, got {address}: {reason}")


def connect(**options: Any) -> None:
    """Call `ray.init` without its words.

    Raises:
        WorkerError: If it fails, in the words of Ray.
    """
    import ray

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is the error, too
            ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except Exception as error:  # of which Ray raises many, also just that
        told = " ".join(str(error).split())[:500]
        raise WorkerError(f"Ray at {options['address']}: {type(error).__name__}: {told}") from error


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
    limits = {"seconds": seconds, "memory": memory, "cache_size": 0}
    return Pool(function, num_workers=1, strict=strict, **limits)
