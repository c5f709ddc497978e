"""The lessons: a batch whose arms a `Rule` draws, or of problems that a `ProblemRule` chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.wrappers.lessons.batch import Gather
from edgewise.wrappers.lessons.lesson import Lesson
from edgewise.wrappers.lessons.refill import Refill
from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.rule_record import as_rule
from edgewise.wrappers.rules.signal import Floats, Groups, Ints, group_advantages, spread


class ArmLesson(Lesson):
    """A batch whose arms a `Rule` draws."""

    rule: Rule

    def __init__(
        self,
        rule: Rule | Mapping[str, Any],
        num_arms: int,
        shape: tuple[int, int],
        rank: int = 0,
        gather: Gather | None = None,
    ) -> None:
        """Start `rule`, or what `to_json` made of it."""
        made = as_rule(rule)
        if not isinstance(made, Rule):
            raise ValueError(f"`rule` must choose arms, got {type(made).__name__}, of problems")
        self.rule = made
        self.rule.start(num_arms)
        self.refill: Refill | None = None
        self._drawn: Ints = np.zeros(0, np.int64)  # the arms of the first draw of the batch
        super().__init__(shape, rank, gather)

    def keep_ratios(self, refill: Refill) -> None:
        """Let `refill` draw the arms of rejected groups, unless another does."""
        if self.refill is None:
            self.refill = refill
            self.refill.start(self.rule.num_arms)

    def choose(self, num_groups: int, kept: Ints) -> tuple[Ints, Floats]:
        """Draw arms with the probabilities of the rule, or of the refill what was rejected."""
        if self._num_draws == 0:
            self.rule.resample(self._rng)
        if self._num_draws and self.refill is not None:
            probabilities = self.refill.probabilities(self._drawn, kept)
        else:
            probabilities = self.rule.probabilities()
        arms: Ints = self._rng.choice(self.rule.num_arms, size=num_groups, p=probabilities)
        if self._num_draws == 0:
            self._drawn = arms
        return arms, probabilities[arms]

    def names(self, arms: Ints) -> list[str]:
        """Return the arms as texts."""
        return [str(arm) for arm in arms.tolist()]

    def update(self, arms: Ints, groups: Groups) -> None:
        """Let the rule learn from its signal; what is refused leaves both as they were."""
        self.rule.check_arms(arms)
        before = self.rule.signal.state_dict()
        metrics = {**of_groups(groups), **of_arms(arms, groups, self.rule)}
        try:
            self.rule.update(arms, self.rule.signal(groups, arms))
        except ValueError:
            self.rule.signal.load_state_dict(before)
            raise
        if self.refill is not None:
            self.refill.observe(arms, ~spread(groups.rewards, groups.verified))
        self.metrics = metrics

    def rule_state(self) -> dict[str, Any]:
        """Return the state of the rule and of its signal."""
        state = {"rule": self.rule.state_dict(), "signal": self.rule.signal.state_dict()}
        return state if self.refill is None else {**state, "refill": self.refill.to_json()}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        """Restore the state of the rule and of its signal."""
        self.rule.load_state_dict(state["rule"])
        self.rule.signal.load_state_dict(state["signal"])
        if "refill" in state:
            self.refill = Refill.from_json(state["refill"])


class ProblemLesson(Lesson):
    """A batch whose arms are the rows of a pool, chosen by a `ProblemRule`."""

    rule: ProblemRule

    def __init__(
        self,
        rule: ProblemRule | Mapping[str, Any],
        pool: tuple[Sequence[str], Sequence[float]],
        shape: tuple[int, int],
        rank: int = 0,
        gather: Gather | None = None,
    ) -> None:
        """Start `rule`, or what `to_json` made of it, on the names and difficulties of `pool`."""
        made = as_rule(rule)
        if not isinstance(made, ProblemRule):
            raise ValueError(f"`rule` must choose problems, got {type(made).__name__}, of arms")
        self.rule = made
        self.rule.start(*pool)
        self._seen = np.zeros(len(self.rule.names), dtype=np.bool_)  # (N,)
        super().__init__(shape, rank, gather)

    def choose(self, num_groups: int, kept: Ints) -> tuple[Ints, Floats]:
        """Return the rows that the rule proposes, each with probability 1."""
        names = self.rule.propose(num_groups, self._rng)
        return np.array([self.rule.rows[name] for name in names]), np.ones(num_groups)

    def names(self, arms: Ints) -> list[str]:
        """Return the names of the problems."""
        return [self.rule.names[row] for row in arms.tolist()]

    def update(self, arms: Ints, groups: Groups) -> None:
        """Let the rule observe the groups; metrics are of difficulties, as if they were arms."""
        self.rule.observe(self.names(arms), groups)
        self._seen[arms] = True
        ladder, places = np.unique(self.rule.difficulties, return_inverse=True)
        self.metrics = {
            **of_groups(groups),
            **of_posed(places[arms], groups, len(ladder)),
            "pool/difficulty": float(self.rule.difficulties[arms].mean()),
            "pool/num_seen": int(self._seen.sum()),
        }
        for place in range(len(ladder)):  # what it came to, for a rule only proposes
            share = self.metrics[f"arm/{place}_count"] / len(arms)
            self.metrics[f"arm/{place}_probability"] = share

    def pool(self) -> dict[str, Any]:
        """Return the names and difficulties of the pool, for JSON."""
        return {"names": list(self.rule.names), "difficulties": self.rule.difficulties.tolist()}

    def rule_state(self) -> dict[str, Any]:
        """Return the state of the rule, and which problems were posed."""
        return {"rule": self.rule.state_dict(), "seen": self._seen.tolist()}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `rule_state` returned."""
        self.rule.load_state_dict(state["rule"])
        self._seen = np.array(state["seen"])


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
