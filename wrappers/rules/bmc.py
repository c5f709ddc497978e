"""BMC: Thompson sampling down a tree over problems, on how surprising their advantages were.

"Manifold Bandits" (2026), arXiv 2606.19750, Bayesian manifold curriculum, and the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.signal import Floats, Groups, Ints

FORGETTING = (0.2, 10.0)  # bounds of lambda
LEAST_VARIANCE = 0.05
JITTER = 1e-8


@dataclass(eq=False)
class BMC(ProblemRule):
    """A normal belief N(mu, sigma^2) of each problem, pooled over its cluster.

    The signal of a group is v, the mean of |r - mean r| with r in {-1, 1}, clipped to
    [eps, 1 - eps] with eps = 1 / n^2, and x = logit(v). Beliefs begin with mu = 0, lambda = 1 and
    sigma^2 = (m / 3.5)^2, where m = |logit(1 - eps)|. Until every problem has been posed, those that
    were not come first, and

        mu <- (lambda mu + x) / (lambda + 1),    lambda <- lambda + 1.

    Then, with the surprise s = (x - mu) / sigma within [-m / sigma, m / sigma], l = lambda exp(-s^2)
    and then lambda = l + 1, both within [0.2, 10], mu <- (l mu + x) / lambda and

        sigma^2 <- sigma^2 l / lambda + ln(1 + s^2 + a P / N) / lambda,  within [0.05, (m / 3)^2],

    where a is the number of steps since the problem was last posed, P the problems of the step and N
    those of the pool. A node of the tree has tau = max(variance of its children's mu - mean of their
    sigma^2, 0), and the mean and variance of its children weighted by 1 / (sigma^2 + tau). Each place
    of a batch goes down to the child with the largest draw of N(mu, sigma^2 + tau of the parent).

    Departures: the tree is over hidden states of the model, clustered again and again; here problems
    of equal difficulty are a cluster, under one root. There is no bonus for a target set (BMC-T).

    Example:
        >>> rule = BMC()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['c', 'd']
    """

    name: ClassVar[str] = "bmc"
    order: ClassVar[int] = 130
    paper: ClassVar[str] = "2606.19750"
    group_size: int = 8  # n, at least 2

    def __post_init__(self) -> None:
        """Check n."""
        if self.group_size < 2:
            raise ValueError(f"`group_size` must be at least 2, got {self.group_size}")

    @property
    def epsilon(self) -> float:
        """Return eps."""
        return 1 / self.group_size**2

    @property
    def largest(self) -> float:
        """Return m, the largest |x|."""
        return math.log((1 - self.epsilon) / self.epsilon)

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Believe the same of every problem."""
        super().start(names, difficulties)
        size = len(self.names)
        self.means = np.zeros(size)  # mu, (N,)
        self.counts = np.ones(size)  # lambda, (N,)
        self.variances = np.full(size, (self.largest / 3.5) ** 2)  # sigma^2, (N,)
        self.ages = np.zeros(size, np.int64)  # a, (N,)
        self.seen = np.zeros(size, np.bool_)  # (N,)
        kinds = np.unique(self.difficulties, return_inverse=True)[1]
        self.clusters: list[Ints] = [
            np.flatnonzero(kinds == kind) for kind in range(kinds.max() + 1)
        ]

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Pose what was never posed, then go down the tree for each place."""
        chosen = rng.permutation(np.flatnonzero(~self.seen))[:num_problems].tolist()
        free = np.ones(len(self.names), np.bool_)
        free[chosen] = False
        nodes = [pooled(self.means[rows], self.variances[rows]) for rows in self.clusters]
        mean, variance, own = np.array(nodes).T
        spread = pooled(mean, variance)[2]
        while len(chosen) < num_problems:
            draws = rng.normal(mean, np.sqrt(variance + spread))
            open_to = [bool(free[rows].any()) for rows in self.clusters]
            cluster = int(np.argmax(np.where(open_to, draws, -np.inf)))
            rows = self.clusters[cluster][free[self.clusters[cluster]]]
            scale = np.sqrt(self.variances[rows] + own[cluster])
            row = int(rows[np.argmax(rng.normal(self.means[rows], scale))])
            chosen.append(row)
            free[row] = False
        return np.array(chosen)

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Correct the beliefs of the problems posed, and let the others grow old."""
        p = groups.mean(groups.correct)
        v = np.clip(4 * p * (1 - p), self.epsilon, 1 - self.epsilon)
        correct = self.surprise if self.seen.all() else self.average
        for row, x in zip(rows.tolist(), np.log(v / (1 - v)).tolist(), strict=True):
            correct(row, x, len(rows))
        self.ages += 1
        self.ages[rows] = 0
        self.seen[rows] = True

    def average(self, row: int, x: float, num_problems: int) -> None:
        """Add x to the mean of the problem `row`, asked `num_problems` to a batch."""
        count = self.counts[row]
        self.means[row] = (count * self.means[row] + x) / (count + 1)
        self.counts[row] += 1

    def surprise(self, row: int, x: float, num_problems: int) -> None:
        """Forget more of the problem `row`, of a batch of `num_problems`, and believe it less, the more x surprises."""
        scale = math.sqrt(self.variances[row])
        s = float(
            np.clip((x - self.means[row]) / scale, -self.largest / scale, self.largest / scale)
        )
        kept = float(np.clip(self.counts[row] * math.exp(-(s**2)), *FORGETTING))
        count = float(np.clip(kept + 1, *FORGETTING))
        stale = self.ages[row] * num_problems / len(self.names)
        self.means[row] = (kept * self.means[row] + x) / count
        variance = self.variances[row] * kept / count + math.log(1 + s**2 + stale) / count
        self.variances[row] = np.clip(variance, LEAST_VARIANCE, (self.largest / 3) ** 2)
        self.counts[row] = count

    def state_dict(self) -> dict[str, Any]:
        """Return the beliefs and when each problem was posed."""
        parts = ("means", "counts", "variances", "ages", "seen")
        return {part: getattr(self, part).tolist() for part in parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        for part in ("means", "counts", "variances"):
            setattr(self, part, np.array(state[part], np.float64))
        self.ages, self.seen = np.array(state["ages"], np.int64), np.array(state["seen"], np.bool_)


def pooled(means: Floats, variances: Floats) -> tuple[float, float, float]:
    """Return the mean, the variance and tau of a node from those of its children, both (C,)."""
    tau = max(float(means.var() - variances.mean()), 0.0)
    weights = 1 / (variances + tau + JITTER)
    return float(weights @ means / weights.sum()), float(1 / weights.sum()), tau
