"""Which modules do more, when they are called, than their class says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

LIBRARIES = (
    "transformers.utils.output_capturing",  # hooks that wait for calls that ask for more output
    "torch.distributed.fsdp",  # gathers weights; a sharded model is never decoded the fast way
)


def is_hooked(module: nn.Module) -> bool:
    """Return whether `module` has hooks of a user's own or a replaced forward."""
    kinds: list[Mapping[int, Any]] = [module._forward_hooks, module._forward_pre_hooks]
    kinds += [module._backward_hooks, module._backward_pre_hooks]
    hooks = [hook for kind in kinds for hook in kind.values()]
    replaced = getattr(module.forward, "__func__", None) is not type(module).forward
    return replaced or any(
        not str(getattr(hook, "__module__", None)).startswith(LIBRARIES) for hook in hooks
    )


def enclosing(model: nn.Module, part: nn.Module) -> Iterator[nn.Module]:
    """Yield `model`, the modules on the way to `part`, and `part`."""
    path = next(name for name, module in model.named_modules() if module is part).split(".")
    for depth in range(len(path) + 1):
        yield model.get_submodule(".".join(path[:depth]))
