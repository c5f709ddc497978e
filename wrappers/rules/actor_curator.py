"""Actor-Curator in the form of a table: mirror descent on what an update of the policy gained.

Gu et al. (2026), "Actor-Curator", arXiv 2602.20532, and the authors' code. The paper's curator is a
network that scores problems; the tables here are what its objective comes to without one, and the
loss of the released curator, which contradicts the paper, is not followed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.probability import softmax
from edgewise.wrappers.rules.problem_rule import ProblemRule, draw
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints, Updated


@dataclass(eq=False)
class ActorCurator(Rule):
    """A table over arms: favours arms whose advantages the updated policy turned into probability.

    Of each problem trained on, u = mean of A s over its completions, where s is the ratio of the
    updated policy to the one before, the geometric mean over tokens, as in the released code. With q
    the probabilities of the arms and P problems,

        U(k) = 1 / P sum of u / q(k) over the problems of arm k,    w(k) <- w(k) exp(eta U(k)),

    and q is proportional to w, from w = 1 on, mixed with a share `floor` of uniform. The released code
    has the division by q switched off: `importance` false, then U(k) is the mean over the arm's.

    Departures: the table; eta and the floor are ours.

    Example:
        >>> rule = ActorCurator()
        >>> rule.start(num_arms=2)
        >>> advantages = np.array([[1.0, -1.0], [1.0, 1.0]])  # (P, G)
        >>> updated = Updated(advantages, log_ratios=0.01 * advantages, verified=advantages != 0)
        >>> rule.learn_after(np.array([0, 1]), updated)
        >>> rule.probabilities().round(2).tolist()
        [0.28, 0.72]
    """

    name: ClassVar[str] = "actor-curator"
    order: ClassVar[int] = 230
    paper: ClassVar[str] = "2602.20532"
    cost: ClassVar[str] = "a forward pass of the batch"
    equivariant: ClassVar[bool] = True
    explores: ClassVar[bool] = True
    learning_rate: float = 1.0  # eta, positive
    importance: bool = True  # whether to divide by the probability of the arm
    floor: float = 0.05  # share of uniform draws, in [0, 1]

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.learning_rate <= 0:
            raise ValueError(f"`learning_rate` must be positive, got {self.learning_rate}")
        if not 0 <= self.floor <= 1:
            raise ValueError(f"`floor` must be in [0, 1], got {self.floor}")

    @property
    def learns_after(self) -> bool:
        """Return True: what it learns from is the update of the policy."""
        return True

    def start(self, num_arms: int) -> None:
        """Weigh all arms alike."""
        super().start(num_arms)
        self.scores = np.zeros(num_arms)  # ln w, (K,)

    def probabilities(self) -> Floats:
        """Return q, shape (K,)."""
        return (1 - self.floor) * softmax(self.scores, 1.0) + self.floor / self.num_arms

    def learn_after(self, arms: Ints, updated: Updated) -> None:
        """Raise the weights by what the update gained."""
        super().learn_after(arms, updated)
        sums = np.bincount(arms, updated.utilities(), self.num_arms)
        counts = np.bincount(arms, minlength=self.num_arms)
        shares = self.probabilities() * len(arms) if self.importance else np.maximum(counts, 1)
        self.scores = self.scores + self.learning_rate * sums / shares

    def arm_values(self) -> Floats:
        """Return ln w less its mean, shape (K,)."""
        values: Floats = self.scores - self.scores.mean()
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return ln w."""
        return {"scores": self.scores.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up ln w."""
        self.scores = np.array(state["scores"])


@dataclass(eq=False)
class ActorCuratorProblems(ProblemRule):
    """A table over problems: `ActorCurator` with the selection of the released code.

    A problem's u, as there, is averaged over its last `window` visits, and w <- w exp(eta u). Of
    `candidates` problems at random, with q proportional to w, those that make up the largest `top` of
    q are drawn from in proportion to it without replacement, and the rest of the batch uniformly from
    the others. The first `uniform_steps` steps are uniform. There is no division by q, as in the code.

    Departures: the table; eta is ours.

    Example:
        >>> rule = ActorCuratorProblems(uniform_steps=0)
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> advantages = np.array([[1.0, -1.0], [1.0, 1.0]])  # (P, G)
        >>> updated = Updated(advantages, log_ratios=0.01 * advantages, verified=advantages != 0)
        >>> rule.learn_after(np.array([0, 1]), updated)
        >>> rule.propose(2, np.random.default_rng(0))
        ['b', 'a']
    """

    name: ClassVar[str] = "actor-curator-problems"
    order: ClassVar[int] = 110
    paper: ClassVar[str] = "2602.20532"
    cost: ClassVar[str] = "a pool and a forward pass of the batch"
    learning_rate: float = 1.0  # eta, positive
    window: int = 10  # visits, at least 1
    candidates: int = 2048  # at least 1; at least the batch is taken
    top: float = 0.9  # in (0, 1]
    uniform_steps: int = 25  # at least 0; 20 and 5 of warm-up

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.learning_rate <= 0:
            raise ValueError(f"`learning_rate` must be positive, got {self.learning_rate}")
        for name, least in (("window", 1), ("candidates", 1), ("uniform_steps", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.top <= 1:
            raise ValueError(f"`top` must be in (0, 1], got {self.top}")

    @property
    def learns_after(self) -> bool:
        """Return True: what it learns from is the update of the policy."""
        return True

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Weigh all problems alike."""
        super().start(names, difficulties)
        self.step = 0
        self.scores = np.zeros(len(self.names))  # ln w, (N,)
        self.past: list[deque[float]] = [deque(maxlen=self.window) for _ in self.names]

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Draw candidates, and from the best of them."""
        rows = rng.permutation(len(self.names))[: max(self.candidates, num_problems)]
        if self.step < self.uniform_steps:
            return rows[:num_problems]
        q = softmax(self.scores[rows], 1.0)
        order = np.argsort(-q, kind="stable")
        before = np.cumsum(q[order]) - q[order]  # of larger ones
        best, others = rows[order[before < self.top]], rows[order[before >= self.top]]
        chosen = best[draw(self.scores[best], num_problems, rng)]
        return np.concatenate([chosen, rng.permutation(others)[: num_problems - len(chosen)]])

    def learn_after(self, rows: Ints, updated: Updated) -> None:
        """Raise the weights by what the update gained."""
        for row, utility in zip(rows.tolist(), updated.utilities().tolist(), strict=True):
            self.past[row].append(utility)
            self.scores[row] += self.learning_rate * float(np.mean(self.past[row]))
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return ln w and the last visits."""
        past = [list(visits) for visits in self.past]
        return {"step": self.step, "scores": self.scores.tolist(), "past": past}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.step, self.scores = state["step"], np.array(state["scores"])
        self.past = [deque(visits, maxlen=self.window) for visits in state["past"]]
