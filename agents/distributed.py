"""Processes that train one policy together: which of them this is, and what they exchange.

Every rank poses and scores its share of the problems; completions, rewards and gradients are joined,
so that weights and curricula are the same on all ranks. With one process nothing is exchanged.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise import lock
from edgewise.errors import UsageError
from edgewise.files import FileError

Shared = TypeVar("Shared")
ALONE = (
    "accelerate launch was asked for several processes and started one, as it does on a CPU; "
    "use torchrun --nproc-per-node N -m edgewise, or accelerate launch --multi_gpu"
)


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes, if torchrun or accelerate started several; leave them at the end.

    Raises:
        UsageError: If accelerate was asked for several and started one.
    """
    told = os.environ
    if "WORLD_SIZE" not in told and {"ACCELERATE_USE_CPU", "MASTER_PORT"} <= told.keys():
        raise UsageError(ALONE)
    if int(told.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Return the place of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def num_ranks() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def device(kind: str) -> torch.device:
    """Return where this process computes: the CPU, or with "cuda" its own GPU."""
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if kind == "cuda" else kind)


def gather(array: Any) -> NDArray[Any]:
    """Join the arrays of all ranks along the first axis, in the order of ranks."""
    return np.concatenate(everyones(np.asarray(array)))


def everyones(thing: Shared) -> list[Shared]:
    """Return what each rank has, in the order of ranks."""
    if num_ranks() == 1:
        return [thing]
    found: list[Any] = [None] * num_ranks()
    dist.all_gather_object(found, thing)
    return found


def wait() -> None:
    """Wait until all ranks are here."""
    everyones(None)


def of_first(thing: Shared) -> Shared:
    """Return what rank 0 has."""
    return everyones(thing)[0]


def from_first(make: Callable[[], Shared]) -> Shared:
    """Return what `make` returns on rank 0; a FileError there is raised on all ranks."""
    made: list[Shared] = []
    reason = ""
    if rank() == 0:
        try:
            made = [make()]
        except FileError as error:
            reason = str(error)
    made, reason = of_first((made, reason))
    if not made:
        raise FileError(reason)
    return made[0]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder, on rank 0, while the block runs.

    Raises:
        FileError: On all ranks, if another process holds it.
    """
    with ExitStack() as held:
        from_first(lambda: held.enter_context(lock.locked(path)))
        yield


def share(rows: Tensor) -> Tensor:
    """Return the rows that are this rank's to compute: every n-th."""
    return rows[rank() :: num_ranks()]


def share_weighted(rows: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows that are this rank's to learn from, and their weights in the loss.

    If there are fewer rows than ranks, those left over take the first, with weights of 0.0: where a
    model is divided, all ranks must compute at the same time.
    """
    own = share(rows)
    if len(own) or not len(rows):
        return own, share(weights)
    return rows[:1], torch.zeros_like(weights[:1])


def add_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Make the gradient of each weight the sum of those of all ranks."""
    if num_ranks() == 1:
        return
    for weight in weights:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        if is_divided(weight):  # FSDP has averaged it
            weight.grad *= num_ranks()
        else:
            dist.all_reduce(weight.grad)


def clip_gradients(weights: Sequence[nn.Parameter], max_norm: float) -> float:
    """Cut the gradient of all `weights` to `max_norm`, and return the norm that it had."""
    kinds = [[weight for weight in weights if is_divided(weight) is kind] for kind in (True, False)]
    if not kinds[0]:
        return float(torch.nn.utils.clip_grad_norm_(weights, max_norm))
    norms = []
    for kind in kinds:
        gradients = [weight.grad for weight in kind if weight.grad is not None]
        norm: Any = torch.nn.utils.get_total_norm(gradients)
        norms.append(norm.full_tensor() if is_divided(norm) else norm)
    total = torch.linalg.vector_norm(torch.stack(norms))
    for kind in kinds:
        torch.nn.utils.clip_grads_with_norm_(kind, max_norm, total)
    return float(total)


def is_divided(tensor: Tensor) -> bool:
    """Return whether this rank holds a part of `tensor` only, as with FSDP."""
    return hasattr(tensor, "device_mesh")


def whole(tensor: Any) -> Any:
    """Return all of a tensor that is divided, on the CPU of rank 0; the others get nothing.

    What is not divided is returned as it is. All ranks must call it.
    """
    if not isinstance(tensor, Tensor) or not is_divided(tensor):
        return tensor
    found: Tensor = tensor.full_tensor()  # type: ignore[attr-defined]
    return found.cpu() if rank() == 0 else torch.empty(0)


def part(tensor: Any, like: Any) -> Any:
    """Return this rank's part of a tensor, divided as `like` is; others are returned as they are."""
    if not isinstance(tensor, Tensor) or not is_divided(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def totals(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the sums of the numbers of all ranks, by name; a rank need not have them all."""
    sums: dict[str, float] = defaultdict(float)
    for part in everyones(numbers):
        for name, number in part.items():
            sums[name] += number
    return dict(sums)


def total(number: float) -> float:
    """Return the sum of the numbers of all ranks."""
    return sum(everyones(number))
