"""Let slow verifiers work while the policy still samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gymnasium.vector import VectorEnv

from edgewise.agents.policies.policy import Sampler, Teller
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.vector.prompt_format import opening_of


@contextmanager
def anticipated(
    envs: VectorEnv[Any, Any, Any], policy: Sampler, places: Mapping[int, int]
) -> Iterator[None]:
    """Tell `envs` of each completion that ends within this context, while others go on.

    Nothing but time depends on it, and nothing happens unless the policy tells and the task makes
    use of it. Only first turns are told and, of several ranks, what one samples of its own rows.

    Args:
        envs: A `ReasoningVectorEnv` under any wrappers, with its problems posed.
        policy: Is asked for one batch within the context.
        places: The environments of the rows of the batch; those of other ranks are left out.
    """
    base = unwrap_vector(envs)
    if not isinstance(policy, Teller) or not base.env.anticipates:
        yield
        return

    def listen(rows: Sequence[int], texts: Sequence[str]) -> None:
        for row, text in zip(rows, texts, strict=True):
            if row in places:
                base.anticipate(places[row], opening_of(envs, places[row]) + text)

    policy.listener = listen
    try:
        yield
    finally:
        policy.listener = None
