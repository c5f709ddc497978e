"""A reward function for verl's own agent loops: it verifies by the name of the problem."""

from __future__ import annotations

from typing import Any

from edgewise.agents.integrations import named


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Any = None, **kwargs: Any
) -> dict[str, float]:
    """Return the reward of a completion, and whether it is correct, for `reward.custom_reward_function`.

    Example:
        >>> env = gym.make("Countdown-v0", preset="seedling")
        >>> _, info = env.reset(seed=0)
        >>> right = env.unwrapped.demonstrate(env.unwrapped.problem)
        >>> compute_score("edgewise", right, info["problem"])["score"]
        1.0

    Args:
        data_source: Unused.
        solution_str: The completion.
        ground_truth: The problem's name.
        extra_info: Unused.
        kwargs: Unused.

    Raises:
        RuntimeError: If it could not be verified; verl then goes on without it.
        ValueError: If the name is of another version of its environment, or of none.
    """
    outcome = named.score([ground_truth], [solution_str], begun=False)[0]
    if not outcome.verified:
        raise RuntimeError("the answer could not be verified")
    return {
        "score": outcome.reward,
        "correct": float(outcome.correct is True),
        "formatted": float(outcome.formatted),
        "length": len(solution_str),
    }
