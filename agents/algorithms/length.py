"""What becomes of completions that reach the token limit, or come near it; by default nothing.

Yu et al. (2025), "DAPO", arXiv 2503.14476, section 3.4: overlong filtering leaves truncated completions
out of the loss, for their reward says nothing of their reasoning; the soft overlong punishment takes
from the reward of a completion that is near the limit.

Shapes: P problems a step, G completions a problem, B completions, T tokens of a row.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from edgewise.agents.algorithms.hyperparameters import LengthConfig
from edgewise.agents.algorithms.rollout import Rollout
from edgewise.agents.policies.policy import Completions


def penalized(rollout: Rollout, config: LengthConfig) -> Rollout:
    """Return `rollout` with rewards less the soft overlong punishment.

    With limit L, buffer C and penalty c a completion of n tokens, of all its turns, loses
    c max(0, min(1, (n - (L - C)) / C)): nothing up to L - C, and c from L on. Advantages, and the
    metrics of rewards, are those of what is left; a filter, and the records, have the reward itself.

    Raises:
        ValueError: If the buffer is larger than the limit.
    """
    check_buffer(config)
    if config.overlong_buffer is None:
        return rollout
    limit, buffer = config.sampling.max_tokens, config.overlong_buffer
    lengths = rollout.counted().mask.sum(dim=1)  # (B,)
    loss = config.overlong_penalty * ((lengths - (limit - buffer)) / buffer).clamp(0, 1)
    return replace(rollout, rewards=rollout.rewards - rollout.in_groups(loss.cpu()))


def check_buffer(config: LengthConfig) -> None:
    """Raise ValueError if the buffer is larger than the limit."""
    limit, buffer = config.sampling.max_tokens, config.overlong_buffer
    if buffer is not None and buffer > limit:
        raise ValueError(f"`overlong_buffer` must be at most `max_tokens`, {limit}, got {buffer}")


def within_limit(
    completions: Completions, used: Tensor, config: LengthConfig
) -> tuple[Completions, Tensor]:
    """Mask completions that reached the token limit, if asked; their groups had them in the mean.

    As TRL's `mask_truncated_completions`: no mean over tokens counts theirs.

    Args:
        completions: The batch, B.
        used: Which of them may have a gradient, shape (B,).
        config: Says whether.
    """
    if not config.mask_truncated:
        return completions, used
    ended = completions.ended
    mask = completions.mask * ended.to(completions.mask)[:, None]
    return replace(completions, mask=mask), used & ended.to(used)
