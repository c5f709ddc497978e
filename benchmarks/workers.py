"""Work in several processes, which Ctrl-C does not reach, and which stop between two steps if asked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from edgewise.interrupts import Stopped, asked, held_back, obey
from edgewise.own_code import import_again, typed

POLL = 0.1  # seconds between two looks at whether the user has asked to stop
num_busy_here: Any = None  # in a worker process: how many of all are at work
Made = TypeVar("Made")


def in_order(
    function: Callable[..., Made],
    jobs: Sequence[tuple[Any, ...]],
    num_workers: int,
    prepare: Callable[..., object] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[Made]:
    """Call `function` with each job, and yield what it returns, in order.

    With one worker, in this process. Others are fresh interpreters; when this process is asked to
    stop, `interrupts.asked` is true in all of them, and jobs that have not begun do not begin.

    Args:
        function: Of a module; raises Stopped when it stops because it was asked to.
        jobs: The arguments of each call.
        num_workers: How many calls at a time.
        prepare: Called once in each of the other processes, before anything else.
        arguments: Of `prepare`.

    Raises:
        Stopped: If the user asked to stop before all was done; what is yielded before is whole.
        ChildProcessError: If a process died.
    """
    if num_workers == 1 or not jobs:
        for job in jobs:
            yield unless_asked(function, job)
        return
    context = get_context("spawn")
    stop, num_busy, others = context.Event(), context.Value("i", 0), active_children()
    given = (stop.is_set, num_busy, list(typed), prepare, arguments)
    pool = ProcessPoolExecutor(num_workers, context, begin, given)
    with killed_if_left(others):
        with held_back():  # the processes begin with their jobs
            futures = [pool.submit(busily, function, job) for job in jobs]
        yield from results(futures, stop, num_busy)
    pool.shutdown()


def results(futures: Sequence[Future[Made]], stop: Event, num_busy: Any) -> Iterator[Made]:
    """Yield the results of calls, in order.

    When the user asks to stop, `stop` is set, and Stopped raised once no call is under way.
    """
    try:
        for future in futures:
            while not wait([future], POLL).done:
                if asked():
                    stop.set()
                if stop.is_set() and not num_busy.get_obj().value:
                    raise Stopped
            if isinstance(future.exception(), Stopped):  # the others come to the end of their steps
                while num_busy.get_obj().value and wait(futures, POLL).not_done:
                    pass
            yield future.result()
    except BrokenProcessPool as error:
        if asked():  # by what ended the process, too
            raise Stopped from error
        raise ChildProcessError(
            "a process died, as when the memory runs out; what is done is kept, and the same command "
            "goes on"
        ) from error


def busily(function: Callable[..., Made], job: tuple[Any, ...]) -> Made:
    """Call `function` as `unless_asked` does, and let the first process know meanwhile."""
    with num_busy_here.get_lock():
        num_busy_here.value += 1
    try:
        return unless_asked(function, job)
    finally:
        with num_busy_here.get_lock():
            num_busy_here.value -= 1


def unless_asked(function: Callable[..., Made], job: tuple[Any, ...]) -> Made:
    """Call `function` with a job, unless it is time to stop."""
    if asked():
        raise Stopped
    return function(*job)


@contextmanager
def killed_if_left(others: Sequence[Any]) -> Iterator[None]:
    """Kill the processes begun in the block, unless it comes to its end; spare `others`."""
    try:
        yield
    except BaseException:  # a stop, at which none is at work, or a job that fails
        for process in set(active_children()) - set(others):
            process.kill()
            process.join()
        raise


def begin(
    told: Callable[[], bool],
    num_busy: Any,
    modules: list[str],
    prepare: Callable[..., object] | None,
    arguments: tuple[Any, ...],
) -> None:
    """Prepare a worker process, which ends when the one that began it has gone."""
    global num_busy_here
    num_busy_here = num_busy
    obey(told)
    threading.Thread(target=follow, daemon=True).start()
    import_again(modules)
    if prepare is not None:
        prepare(*arguments)


def follow() -> None:
    """End this process when its parent has ended."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
