"""The metrics of a batch: how much it had to learn from, and what each arm earned."""

from __future__ import annotations

import numpy as np

from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Groups, Ints, group_advantages, spread


def of_groups(groups: Groups) -> dict[str, float]:
    """Measure how many groups are informative, by rewards and by correctness alone.

    Where wrong answers earn more or less, groups differ in rewards that have nothing right.
    """
    verified = groups.verified
    own = np.abs(group_advantages(groups.correct.astype(np.float64), verified))
    return {
        "effective_prompt_ratio": float(spread(groups.rewards, verified).mean()),
        "effective_prompt_ratio_correct": float(spread(groups.correct, verified).mean()),
        "abs_advantage": float(groups.abs_advantages[verified].mean()),
        "abs_advantage_correct": float(own[verified].mean()),
    }


def of_arms(arms: Ints, groups: Groups, rule: Rule) -> dict[str, float]:
    """Return the probability of each arm, its value, and what its groups earned.

    Rules without values give none.

    Args:
        arms: The arm of each group, shape (P,).
        groups: What the groups earned.
        rule: As it was when the batch was drawn.
    """
    probabilities, values = rule.probabilities(), rule.arm_values()
    distance = np.abs(probabilities - 1 / rule.num_arms).sum() / 2  # total variation
    metrics = {"distance_from_uniform": float(distance), **of_posed(arms, groups, rule.num_arms)}
    for arm, probability in enumerate(probabilities.tolist()):
        metrics[f"arm/{arm}_probability"] = probability
        if values is not None:
            metrics[f"arm/{arm}_value"] = float(values[arm])
    return metrics


def of_posed(arms: Ints, groups: Groups, num_arms: int) -> dict[str, float]:
    """Return the count of each arm and, for arms in the batch, means of what their groups earned."""
    counts = np.bincount(arms, minlength=num_arms).tolist()
    of_problems = {
        "reward": groups.mean(groups.rewards),
        "accuracy": groups.mean(groups.correct),
        "effective_prompt_ratio": spread(groups.rewards, groups.verified),
    }
    sums = {
        name: np.bincount(arms, values, num_arms).tolist() for name, values in of_problems.items()
    }
    metrics: dict[str, float] = {}
    for arm, count in enumerate(counts):
        metrics[f"arm/{arm}_count"] = count
        if count:
            for name, totals in sums.items():
                metrics[f"arm/{arm}_{name}"] = totals[arm] / count
    return metrics
