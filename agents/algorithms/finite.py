"""What a step refuses to learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.agents.policies.policy import Completions


def refuse_nonfinite(
    rewards: NDArray[Any], completions: Completions, problems: NDArray[Any]
) -> None:
    """Check that rewards and log-probabilities of B completions of `problems` are finite.

    Raises:
        FloatingPointError: If a reward or the log-probability of a token is not finite.
    """
    wrong = np.flatnonzero(~np.isfinite(rewards))
    if len(wrong):
        reward, problem = rewards[wrong[0]], problems[wrong[0]]
        raise FloatingPointError(f"`reward` must be finite, got {reward} for {problem}")
    if not completions.logprobs.isfinite().all():
        raise FloatingPointError(
            "`logprobs` of the sampled tokens must be finite, got others; "
            "the weights or what they compute are not finite, a smaller `learning_rate` may help"
        )
