"""Cells of a comparison: a folder of cells of one size, and several of them at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import torch

from edgewise.agents.training.folder_kind import SUITE, check_kind, is_blank
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.workers import in_order
from edgewise.files import FileError


def folder_of_size(path: Path, size: Mapping[str, Any]) -> Path:
    """Return the folder of the cells, made if it is new.

    Raises:
        ValueError: If it has cells of another size, or something else.
    """
    check_kind(path, "output", SUITE)
    folder = RunFolder(path)
    record = json.loads(json.dumps(size, default=str))
    before = folder.read("size.json")
    if before is not None and before != record:
        missing = object()
        names = {**record, **before}  # also those that only another version has
        changed = [n for n in names if before.get(n, missing) != record.get(n, missing)]
        raise ValueError(
            f"`output` must be new, or have cells of the same size, got {path} with another "
            f"{changed[0]}; name another folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    folder.write("size.json", record)
    return path


def is_begun(path: Path) -> bool:
    """Return whether a folder has a run that goes on; if not, one can begin there.

    Raises:
        FileError: If it has files of a run without its config.json.
    """
    config = path / "config.json"
    if not config.exists() and path.is_dir() and not is_blank(path):
        raise FileError(
            f"{config}: must be there beside the other files of a run, got none; move {path} away to "
            "run it again"
        )
    return config.exists()


def in_parallel(
    run: Callable[..., str], jobs: Sequence[tuple[Any, ...]], num_workers: int
) -> Iterator[str]:
    """Call `run` with each job, each in a process of one thread; yield what it returns, in order.

    Where there are several GPUs, each process sees one of them.

    Raises:
        Stopped: If the user asked to stop; the other jobs are done, or go on, another time.
        ChildProcessError: If a process died.
    """
    if num_workers == 1:
        yield from in_order(run, jobs, 1)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    places = get_context("spawn").Queue()
    for place in range(num_workers):
        places.put(place)
    yield from in_order(run, jobs, num_workers, take_device, (places,))


def take_device(places: Queue[int]) -> None:
    """Let this process see one GPU alone, of those that it may use, by its place among the workers."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        named = ",".join(map(str, range(torch.cuda.device_count())))
    devices, place = [part for part in named.split(",") if part], places.get()
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[place % len(devices)]
