"""The heads of a model: log-probabilities from last states, and the values that PPO learns beside it.

Whether a head is what its class says is seen here too: it may have hooks, or a replaced forward.
Only a chunk has its logits at a time, which are computed again in the backward pass. What others offer:
`torch.nn.functional.linear_cross_entropy` (2.13) has chunks and losses of single tokens, but rounds
these to the precision of the weights, 0.1 nats in bfloat16, and knows no temperature; the chunked losses
of Liger return one number for the batch, and need Triton.

Shapes: N tokens, H hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import linear
from torch.nn.utils import skip_init
from torch.utils.checkpoint import checkpoint

from edgewise.agents.policies.sampling import score

LIBRARIES = (
    "transformers.utils.output_capturing",  # hooks that wait for calls that ask for more output
    "torch.distributed.fsdp",  # gathers weights; a sharded model is never decoded the fast way
)


@dataclass(frozen=True)
class Head:
    """What maps last states, (N, H), to logits, (N, V)."""

    apply: Callable[[Tensor], Tensor]
    weight: Tensor | None = None  # (V, H), if it does nothing but multiply by it and add a bias
    bias: Tensor | None = None  # (V,)

    @classmethod
    def of(cls, module: nn.Module) -> Head:
        """Return what `module` does now, whatever its forward is replaced by later."""
        if type(module) is nn.Linear:
            return cls(module.forward, module.weight, module.bias)
        return cls(module.forward)


@contextmanager
def replaced_forward(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Let `module` do something else; what is around it, such as FSDP's hooks, stays."""
    kept = vars(module).get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if kept is not None:
            module.forward = kept


def token_logprobs(head: Head, states: Tensor, tokens: Tensor, scale: float, chunk: int) -> Tensor:
    """Return the log-probabilities of `tokens`, (N,), in nats, in float32.

    Args:
        head: Maps states to logits.
        states: The state before each token, shape (N, H).
        tokens: Shape (N,).
        scale: What the logits are divided by.
        chunk: Tokens whose logits are there at once. Fewer than a quarter take the undivided way, with
            autograd, which holds four times as much for each.
    """

    def scored(states: Tensor, tokens: Tensor) -> Tensor:
        return score(head.apply(states), tokens, scale)

    few = max(1, chunk // 4)
    if len(tokens) <= few:
        return scored(states, tokens)
    if head.weight is not None:
        apply: Callable[..., Tensor] = Chunked.apply
        found = apply(states, head.weight, head.bias, tokens, scale, chunk)
        return found
    parts = zip(states.split(few), tokens.split(few), strict=True)
    return torch.cat([checkpoint(scored, *part, use_reentrant=False) for part in parts])


class Chunked(Function):
    """`score` of a matrix product, with the logits of one chunk at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        tokens: Tensor,
        scale: float,
        chunk: int,
    ) -> Tensor:
        """Return the log-probabilities, (N,), keeping the logarithms of the sums."""
        chosen, sums = (states.new_empty(len(tokens), dtype=torch.float32) for _ in range(2))
        for start in range(0, len(tokens), chunk):
            part = slice(start, start + chunk)
            logits = logits_of(states[part], weight, bias, scale)
            chosen[part] = logits.gather(1, tokens[part, None])[:, 0]
            highest = logits.amax(dim=1, keepdim=True)
            sums[part] = logits.sub_(highest).exp_().sum(dim=1).log_().add_(highest[:, 0])
            del logits  # before the next ones are there
        ctx.save_for_backward(states, weight, bias, tokens, sums)
        ctx.scale, ctx.chunk = scale, chunk
        return chosen - sums

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Compute each chunk again; the gradient of the weights is summed in float32."""
        states, weight, bias, tokens, sums = ctx.saved_tensors
        of_states = torch.empty_like(states)
        of_weight, of_bias = (
            torch.zeros_like(part, dtype=torch.float32) if needed and part is not None else None
            for part, needed in zip((weight, bias), ctx.needs_input_grad[1:3], strict=True)
        )
        for start in range(0, len(tokens), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            own = grads[0][part, None]
            logits = logits_of(states[part], weight, bias, ctx.scale)
            logits.sub_(sums[part, None]).exp_().mul_(-own)
            logits.scatter_add_(1, tokens[part, None], own)
            if ctx.scale != 1:
                logits /= ctx.scale
            if of_bias is not None:
                of_bias += logits.sum(dim=0)
            logits = logits.to(weight.dtype)
            of_states[part] = logits @ weight
            if of_weight is not None and weight.dtype == torch.float32:
                of_weight.addmm_(logits.T, states[part])
            elif of_weight is not None:
                of_weight += logits.T @ states[part]
            del logits
        return (
            of_states,
            None if of_weight is None else of_weight.to(weight.dtype),
            None if of_bias is None else of_bias.to(bias.dtype),
            *(None,) * 3,
        )


def logits_of(states: Tensor, weight: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """Return the scaled logits of `states`, (N, V), in float32, which nothing else holds."""
    logits = linear(states, weight, bias).float()
    return logits if scale == 1 else logits.div_(scale)


def value_head(model: Any) -> nn.Module:
    """Return a linear map, 0 everywhere, from the last hidden states of `model` to values."""
    size = model.config.get_text_config().hidden_size
    head: nn.Linear = skip_init(nn.Linear, size, 1, device=model.device)
    for weight in head.parameters():
        nn.init.zeros_(weight)
    return head


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
