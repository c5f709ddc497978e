"""PLR: pose again the problems that were most surprising, and those not posed for long.

Jiang et al. (2021), "Prioritized Level Replay", arXiv 2010.03934, and the authors' code,
facebookresearch/level-replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.problem_rule import ProblemRule, draw
from edgewise.wrappers.rules.signal import Floats, Groups, Ints, MeanAbsAdvantage, Signal

AGES = ("draws", "steps")


@dataclass(eq=False)
class PLR(ProblemRule):
    """Prioritized replay of problems already posed, mixed with new ones.

    The score S of a problem is its last signal, and its age c - C the time since it was last posed.
    Replay is drawn from

        P = (1 - rho) P_S + rho P_C,
        P_S proportional to (1 / rank(S))^(1 / beta),    P_C proportional to c - C.

    As in the released code with its defaults, nothing is replayed before a share `after` of the pool
    was posed; from then on a new problem is posed instead with probability 1 - (share already posed),
    or 1 - `replay`. Ages are there in draws, of which the last has age 0; with "steps" they are in
    training steps, the last having age 1, as in Edgewise 0.1, which had `after` 0. The code's default
    of rho is 0; that of beta and rho here is of the run in its README.

    Departures: no problem is twice in a batch; problems of equal scores are ranked in the order of the
    pool.

    Example:
        >>> rule = PLR(replay=1.0, after=0.0)
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['b', 'a']
    """

    name: ClassVar[str] = "plr"
    order: ClassVar[int] = 20
    paper: ClassVar[str] = "2010.03934"
    beta: float = 0.1  # positive; smaller prefers the largest scores more
    staleness: float = 0.1  # rho, in [0, 1]
    replay: float | None = None  # in [0, 1]; None is the share of the pool already posed
    after: float = 1.0  # share of the pool posed before any is replayed, in [0, 1]
    ages: Literal["draws", "steps"] = "draws"  # in what c - C is counted
    signal: Signal = field(default=MeanAbsAdvantage(), kw_only=True)  # with PPO's |A|, value error

    def __post_init__(self) -> None:
        """Check beta, rho and the share."""
        if self.beta <= 0:
            raise ValueError(f"`beta` must be positive, got {self.beta}")
        if not 0 <= self.staleness <= 1:
            raise ValueError(f"`staleness` must be in [0, 1], got {self.staleness}")
        if not 0 <= self.after <= 1:
            raise ValueError(f"`after` must be in [0, 1], got {self.after}")
        if self.ages not in AGES:
            raise ValueError(unknown("ages", self.ages, AGES))
        if self.replay is not None and not 0 <= self.replay <= 1:
            raise ValueError(f"`replay` must be in [0, 1], got {self.replay}")

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Forget all scores."""
        super().start(names, difficulties)
        self.signal.start(len(self.names))
        self.step = 1  # c
        self.scores = np.zeros(len(self.names))  # S, (N,)
        self.posed = np.zeros(len(self.names), np.int64)  # C in steps, 0 if never, (N,)
        self.drawn = np.zeros(len(self.names), np.int64)  # draws since the last of each, (N,)

    def replay_probabilities(self) -> Floats:
        """Return P of the problems already posed, in the order of the pool."""
        seen = np.flatnonzero(self.posed)
        ranks = np.empty(len(seen))
        ranks[np.argsort(-self.scores[seen], kind="stable")] = np.arange(1, len(seen) + 1)
        by_score = ranks ** (-1 / self.beta)
        by_age = self.drawn[seen] if self.ages == "draws" else self.step - self.posed[seen]
        ages = by_age.sum() or 1
        mixed: Floats = (1 - self.staleness) * by_score / by_score.sum()
        return mixed + self.staleness * by_age / ages

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Draw problems to replay, and new ones, and let the others grow old."""
        rows = self.choose_rows(num_problems, rng)
        self.drawn += num_problems
        self.drawn[rows] = np.arange(num_problems)[::-1]
        return rows

    def choose_rows(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Return `num_problems` rows: what to replay, and then what is new."""
        seen, new = np.flatnonzero(self.posed), np.flatnonzero(self.posed == 0)
        share = len(seen) / len(self.names) if self.replay is None else self.replay
        wanted = int((rng.random(num_problems) < share).sum())
        if len(seen) < self.after * len(self.names):
            wanted = 0
        num_replayed = min(max(wanted, num_problems - len(new)), len(seen))
        fresh = rng.permutation(new)[: num_problems - num_replayed]
        if not num_replayed:
            return fresh
        again = seen[draw(np.log(self.replay_probabilities()), num_replayed, rng)]
        return np.concatenate([again, fresh])

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Score the problems."""
        self.scores[rows] = self.signal(groups, rows)
        self.posed[rows] = self.step
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the step, the scores and when each problem was posed."""
        return {
            "step": self.step,
            "scores": self.scores.tolist(),
            "posed": self.posed.tolist(),
            "drawn": self.drawn.tolist(),
            "signal": self.signal.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step = state["step"]
        self.scores = np.array(state["scores"])
        self.posed = np.array(state["posed"], np.int64)
        self.drawn = np.array(state.get("drawn", self.drawn), np.int64)  # early states have none
        self.signal.load_state_dict(state["signal"])
