"""Cells of a comparison: a folder of cells of one size, and several of them at a time."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import torch

from edgewise.agents.run_folder import RunFolder


def folder_of_size(path: Path, size: Mapping[str, Any]) -> Path:
    """Return the folder of the cells, made if it is new.

    Raises:
        ValueError: If it has cells of another size.
    """
    folder = RunFolder(path)
    record = json.loads(json.dumps(size, default=str))
    before = folder.read("size.json")
    if before is not None and before != record:
        changed = [name for name, value in record.items() if before.get(name) != value]
        raise ValueError(
            f"`output` must be new, or have cells of the same size, got {path} with another "
            f"{changed[0]}; name another folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    folder.write("size.json", record)
    return path


def in_parallel(
    run: Callable[..., str], jobs: Sequence[tuple[Any, ...]], num_workers: int
) -> Iterator[str]:
    """Call `run` with each job, each in a process of one thread; yield what it returns, in order.

    Where there are several GPUs, each process sees one of them.
    """
    if num_workers == 1 or not jobs:
        for job in jobs:
            yield run(*job)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    others, context = active_children(), get_context("spawn")
    places = context.Queue()
    for place in range(num_workers):
        places.put(place)
    with ProcessPoolExecutor(num_workers, context, take_device, (places,)) as pool:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as the new processes will, too
        try:
            names = pool.map(run, *zip(*jobs, strict=True))
        finally:
            signal.signal(signal.SIGINT, before)
        try:
            yield from names
        except BaseException:  # Ctrl-C, or a job that fails: the others go on another time
            for worker in set(active_children()) - set(others):
                worker.terminate()
            raise


def take_device(places: Queue[int]) -> None:
    """Let this process see one GPU alone, of those that it may use, by its place among the workers."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        named = ",".join(map(str, range(torch.cuda.device_count())))
    devices, place = [part for part in named.split(",") if part], places.get()
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[place % len(devices)]
