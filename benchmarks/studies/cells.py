"""Cells of a comparison: a folder of cells of one size, and several of them at a time.

The files of a cell, on which its report rests, are checked as they are read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import torch

from edgewise.agents.algorithms.config import Count, Fraction, NotNegative, check_value
from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.folder_kind import SUITE, check_kind, is_blank
from edgewise.agents.training.record_fields import Naturals, check_fields, checked
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_reading import METRICS, numbers
from edgewise.benchmarks.workers import in_order
from edgewise.errors import shown
from edgewise.fields import join
from edgewise.files import FileError, about, read_json

CURVE = "curve.json"  # validation scores at every look
COSTS = ("num_extra_rollouts", "num_tokens", "num_extra_tokens", "effective_prompt_ratio")
USED = dict.fromkeys(("steps", "rollouts", "tokens", "effective"), NotNegative)  # of the budget
LOOK = {"mean": Fraction, **USED}
OF_CELLS = (  # fields of a TrainConfig by which cells differ, and those of another size
    "env", "agent", "curriculum", "algorithm", "learning_rate", "seed", "num_steps", "num_problems",
    "group_size",
)  # fmt: skip


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


LAST, BEST, AT_TOKENS = "after.json", "best.json", "at-tokens.json"  # the scores of a run


def read_score(path: Path, trained: bool) -> dict[str, Any]:
    """Return the scores of a cell in a file, which must be there.

    Args:
        path: The file.
        trained: Whether the cell is one that trains, and so tells what it has used.

    Raises:
        FileError: If there is none, or it is damaged.
    """
    record = read_json(path)
    with about(path):
        used = USED if trained else {}
        check_fields(record, {"mean": Fraction, "samples": Count, "correct": Any, **used})
        if not isinstance(record["correct"], dict) or not record["correct"]:
            raise ValueError(f"`correct` must have levels, got {shown(record['correct'])}")
        for level, row in record["correct"].items():
            where = join("correct", shown(level)[1:-1])
            check_value(where, row, Naturals)
            if not row or max(row) > record["samples"]:
                raise ValueError(
                    f"`{where}` must have right answers of {record['samples']}, got {shown(row)}"
                )
    return record


def past_looks(folder: RunFolder) -> list[dict[str, float]]:
    """Return the validation scores of a run at the looks so far.

    Raises:
        FileError: If they are damaged.
    """
    curve, path = folder.read(CURVE) or {"looks": []}, folder.path / CURVE
    looks: Any = curve.get("looks")
    if not isinstance(looks, list):
        raise FileError(f"{path}: must have the looks, got {looks!r:.50}")
    with about(path):
        for place, look in enumerate(looks):
            check_fields(look, LOOK, f"looks[{place}]")
    return looks


def history(folder: RunFolder, step: int) -> list[dict[str, Any]]:
    """Return the metrics of all steps of a cell, on which its budget and its scores rest.

    Raises:
        FileError: If those of a step until `step` are missing, there more than once or damaged.
    """
    if lacking := folder.lacking(step):
        raise FileError(f"{lacking}; remove {folder.path} to run the cell again")
    needed, costs = ("step", *COSTS), checked(dict.fromkeys(COSTS, NotNegative))
    are_numbers = numbers(needed)

    def check(record: dict[str, Any]) -> None:
        are_numbers(record)
        costs(record)

    return sorted(folder.lines(METRICS, needed, check), key=lambda record: int(record["step"]))


def check_asked(path: Path, config: TrainConfig) -> None:
    """Check that the run in a folder, if there is one, is of a cell with this complete config.

    Raises:
        FileError: If it is of another, or its config.json is damaged.
    """
    place = path / "config.json"
    if not place.exists():
        return
    found, asked = read_json(place), config.record()
    for name in OF_CELLS:
        if name in found and found[name] != asked[name]:
            raise FileError(
                f"{place}: `{name}` must be {shown(asked[name])} in the cell of this folder, got "
                f"{shown(found[name])}; move {path} away to run the cell again"
            )


def check_used(path: Path, recorded: Mapping[str, Any], used: Mapping[str, float]) -> None:
    """Check that scores in the file `path` are of a run that has used so much.

    Raises:
        FileError: If they are not.
    """
    for name in ("steps", "rollouts", "tokens"):
        if recorded.get(name, used[name]) != used[name]:
            raise FileError(
                f"{path}: `{name}` must be {used[name]:.0f}, as {METRICS} has it, got "
                f"{shown(recorded[name])}; remove {path.parent} to run the cell again"
            )
