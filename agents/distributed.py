"""Processes that train one policy together, and what they exchange.

Every rank poses and scores its shard of the problems; completions, rewards and gradients are joined,
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
ENDING: list[Callable[[], object]] = []  # what is called before the process group is destroyed
ALONE = (
    "accelerate launch was asked for several processes and started one, as it does on a CPU; "
    "use torchrun --nproc-per-node N -m edgewise, or accelerate launch --multi_gpu"
)


@contextmanager
def process_group() -> Iterator[None]:
    """Initialize the process group if torchrun or accelerate started several; destroy it at the end.

    Raises:
        UsageError: If accelerate was asked for several processes and started one.
    """
    variables = os.environ
    if "WORLD_SIZE" not in variables and {"ACCELERATE_USE_CPU", "MASTER_PORT"} <= variables.keys():
        raise UsageError(ALONE)
    if int(variables.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        while ENDING:
            ENDING.pop()()
        if dist.is_initialized():  # an engine that was one of its processes may have destroyed it
            dist.destroy_process_group()


def rank() -> int:
    """Return the rank of this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def num_ranks() -> int:
    """Return the number of processes, the world size."""
    return dist.get_world_size() if dist.is_initialized() else 1


def device(kind: str) -> torch.device:
    """Return where this process computes: the CPU, or with "cuda" its own GPU."""
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if kind == "cuda" else kind)


def all_gather(array: Any) -> NDArray[Any]:
    """Concatenate the arrays of all ranks along the first axis, in the order of ranks."""
    return np.concatenate(all_gather_object(np.asarray(array)))


def all_gather_object(thing: Shared) -> list[Shared]:
    """Return the objects of all ranks, in the order of ranks."""
    if num_ranks() == 1:
        return [thing]
    found: list[Any] = [None] * num_ranks()
    dist.all_gather_object(found, thing)
    return found


def barrier() -> None:
    """Wait until all ranks are here."""
    all_gather_object(None)


def broadcast_from_rank0(thing: Shared) -> Shared:
    """Return the object of rank 0 on all ranks."""
    return all_gather_object(thing)[0]


def run_on_rank0(function: Callable[[], Shared]) -> Shared:
    """Call `function` on rank 0 and broadcast its result, or its FileError or OSError, to all ranks."""
    made: list[Shared] = []
    failed: FileError | OSError | None = None
    if rank() == 0:
        try:
            made = [function()]
        except (FileError, OSError) as error:  # also that of a server
            failed = error
    made, failed = broadcast_from_rank0((made, failed))
    if failed is not None:
        raise failed
    return made[0]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder, on rank 0, while the block runs.

    Raises:
        FileError: On all ranks, if another process holds it.
    """
    with ExitStack() as held:
        run_on_rank0(lambda: held.enter_context(lock.locked(path)))
        yield


def shard(rows: Tensor) -> Tensor:
    """Return this rank's shard of `rows`: every n-th."""
    return rows[rank() :: num_ranks()]


def shard_weighted(rows: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return this rank's shard of `rows`, and their weights in the loss.

    Ranks that are left without a row take the first with weights of 0.0, since all ranks must compute
    at the same time where a model is sharded.
    """
    own = shard(rows)
    if len(own) or not len(rows):
        return own, shard(weights)
    return rows[:1], torch.zeros_like(weights[:1])


def all_reduce_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Sum the gradient of each weight over all ranks."""
    if num_ranks() == 1:
        return
    for weight in weights:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        if is_sharded(weight):  # FSDP has averaged it
            weight.grad *= num_ranks()
        else:
            dist.all_reduce(weight.grad)


def clip_grad_norm(weights: Sequence[nn.Parameter], max_norm: float) -> float:
    """Clip the gradient norm of all `weights` together, and return what it was.

    torch.nn.utils.clip_grad_norm_, also for weights of which only some are sharded.
    """
    kinds = [[weight for weight in weights if is_sharded(weight) is kind] for kind in (True, False)]
    if not kinds[0]:
        return float(torch.nn.utils.clip_grad_norm_(weights, max_norm))
    norms = []
    for kind in kinds:
        gradients = [weight.grad for weight in kind if weight.grad is not None]
        norm: Any = torch.nn.utils.get_total_norm(gradients)
        norms.append(norm.full_tensor() if is_sharded(norm) else norm)
    total = torch.linalg.vector_norm(torch.stack(norms))
    for kind in kinds:
        torch.nn.utils.clip_grads_with_norm_(kind, max_norm, total)
    return float(total)


def is_sharded(tensor: Tensor) -> bool:
    """Return whether `tensor` is a DTensor, of which this rank holds a shard, as with FSDP."""
    return hasattr(tensor, "device_mesh")


def full_tensor(tensor: Any) -> Any:
    """Gather a sharded tensor on the CPU of rank 0; other ranks get an empty one.

    What is not sharded is returned as it is. All ranks must call it.
    """
    if not isinstance(tensor, Tensor) or not is_sharded(tensor):
        return tensor
    found: Tensor = tensor.full_tensor()  # type: ignore[attr-defined]
    return found.cpu() if rank() == 0 else torch.empty(0)


def distribute_like(tensor: Any, like: Any) -> Any:
    """Shard a full tensor as `like` is sharded; return one of another shape unchanged."""
    if not isinstance(tensor, Tensor) or not is_sharded(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def all_reduce_dict(numbers: Mapping[str, float]) -> dict[str, float]:
    """Sum numbers over all ranks, by name; a rank need not have every name."""
    sums: dict[str, float] = defaultdict(float)
    for own in all_gather_object(numbers):
        for name, number in own.items():
            sums[name] += number
    return dict(sums)


def all_reduce(number: float) -> float:
    """Sum a number over all ranks."""
    return sum(all_gather_object(number))
