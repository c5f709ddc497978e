"""Rules that pose the problems whose success is least certain, judged by their last groups.

SFL: Rutherford et al. (2024), "No Regrets: Investigating and Improving Regret Approximations for
Curriculum Discovery", arXiv 2408.15099; LILO applies it to language models. DOTS: Sun et al. (2025),
"Improving Data Efficiency for LLM Reinforcement Fine-tuning Through Difficulty-targeted Online Data
Selection and Rollout Replay", arXiv 2506.05316. PCL: arXiv 2510.01135 (2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.problem_rule import ProblemRule, draw, nearest
from edgewise.wrappers.rules.signal import Bools, Floats, Groups, Ints


@dataclass(eq=False)
class LastSuccess(ProblemRule):
    """A rule that remembers the share of completions that were right when a problem was last posed."""

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Forget all groups."""
        super().start(names, difficulties)
        self.success = np.full(len(self.names), -1.0)  # p, -1 if never posed, (N,)

    def seen(self) -> Bools:
        """Return which problems have been posed, (N,)."""
        return self.success >= 0

    def predicted(self) -> Floats:
        """Return p of each problem; if never posed that of its difficulty, or else 1/2, (N,)."""
        success = np.where(self.seen(), self.success, 0.5)
        for difficulty in np.unique(self.difficulties):
            alike = self.difficulties == difficulty
            if (alike & self.seen()).any():
                success[alike & ~self.seen()] = self.success[alike & self.seen()].mean()
        return success

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Remember the success."""
        self.success[rows] = groups.mean(groups.correct)

    def state_dict(self) -> dict[str, Any]:
        """Return the success of each problem."""
        return {"success": self.success.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the success of each problem."""
        self.success = np.array(state["success"])


@dataclass(eq=False)
class SFL(LastSuccess):
    """Sampling for learnability: draw the problems with the largest p (1 - p), and some new ones.

    p is the share of completions that were right when the problem was last posed. A share `explore`
    of each batch is new while there are new problems; problems equally learnable are drawn at
    random. Departure: SFL and LILO screen candidates, four for each problem, with rollouts that are
    not trained on; here the rollouts of training are the only ones, so p may be old.

    Example:
        >>> rule = SFL()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['a', 'c']
    """

    name: ClassVar[str] = "sfl"
    order: ClassVar[int] = 40
    paper: ClassVar[str] = "2408.15099"
    explore: float = 0.5  # in [0, 1]; ours

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0 <= self.explore <= 1:
            raise ValueError(f"`explore` must be in [0, 1], got {self.explore}")

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Take new problems and the most learnable ones."""
        seen, new = np.flatnonzero(self.seen()), np.flatnonzero(~self.seen())
        num_new = max(round(self.explore * num_problems), num_problems - len(seen))
        fresh = rng.permutation(new)[:num_new]
        p = self.success[seen]
        best = seen[nearest(-p * (1 - p), num_problems - len(fresh), rng)]
        return np.concatenate([best, fresh])


@dataclass(eq=False)
class DOTS(LastSuccess):
    """Draws in proportion to exp(-|d - 1/2| / tau), d being the share of failures of a problem.

    The released tau of 1e-3 takes the nearest to 1/2; with 0.1, as in Edgewise 0.1, much else is drawn
    too. Departures: DOTS predicts d from the rollouts of a reference set, by attention over embeddings
    of the questions; here d is that of the problem's last group or, if it has none, the mean of the
    problems of its difficulty that do, or else 1/2; there are no further rollouts. DOTS selects for
    two steps at a time, and half of each of its later batches is replayed completions.

    Example:
        >>> rule = DOTS()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['d', 'c']
    """

    name: ClassVar[str] = "dots"
    order: ClassVar[int] = 60
    paper: ClassVar[str] = "2506.05316"
    temperature: float = 1e-3  # tau, positive

    def __post_init__(self) -> None:
        """Check tau."""
        if self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Draw without replacement."""
        return draw(-np.abs(self.predicted() - 0.5) / self.temperature, num_problems, rng)


@dataclass(eq=False)
class PCL(LastSuccess):
    """Of some candidates, those whose value is nearest to a target: the selection rule of PCL.

    Of `ratio` problems at random for each one to pose, those of the smallest |V - tau| are posed.
    Departure: V is the prediction of a value model of the policy's size, trained on the mean rewards
    of groups. Here it is the success of the problem's last group or, if it has none, the mean of the
    problems of its difficulty that do, or else 1/2.

    Example:
        >>> rule = PCL()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['d', 'a']
    """

    name: ClassVar[str] = "pcl"
    order: ClassVar[int] = 100
    paper: ClassVar[str] = "2510.01135"
    target: float = 0.5  # tau, in [0, 1]
    ratio: int = 4  # at least 1

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not 0 <= self.target <= 1:
            raise ValueError(f"`target` must be in [0, 1], got {self.target}")
        if self.ratio < 1:
            raise ValueError(f"`ratio` must be at least 1, got {self.ratio}")

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Take the nearest candidates."""
        candidates = rng.permutation(len(self.names))[: self.ratio * num_problems]
        distances = np.abs(self.predicted()[candidates] - self.target)
        rows: Ints = candidates[nearest(distances, num_problems, rng)]
        return rows
