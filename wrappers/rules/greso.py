"""GRESO: problems whose last groups were all right or all wrong are mostly skipped.

Zheng et al. (2025), "Act Only When It Pays: Efficient Reinforcement Learning for LLM Reasoning via
Selective Rollouts", arXiv 2506.02177.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.signal import Floats, Groups, Ints, spread

EASY, HARD = 0, 1
EASY_REWARD, HARD_REWARD = 0.98, 0.11  # means of a group, bounds of the released code
VARIANTS = ("code", "v0.1")
MAX_PASSES = 2  # over the pool for one batch, before problems are taken as they come


@dataclass(eq=False)
class GRESO(ProblemRule):
    """Selective rollouts: the pool is passed over in random order, and problems are skipped.

    A problem whose last z groups were easy, or whose last z groups were hard, is skipped with
    probability 1 - max(e^z, `keep`), where e is `explore` at first and is kept for both kinds. After
    each training step but those of the first pass, the e of either kind falls by `step` if the share
    of its groups among all is at least its target, else it rises by it, in [`least`, `most`].

    As in the released code, groups are easy for z if their mean reward is at least 0.98 and hard if
    it is at most 0.11, so a group of one right answer in sixteen may be hard; for the shares, easy
    ones are all right and hard ones have equal rewards and are not. The two targets add up to the
    0.25 of its scripts.

    The variant "v0.1" is what Edgewise 0.1 did: z counts groups of equal rewards of either kind, as one
    streak; e moves from the first step, falls only above its target, and may be 1; `keep` is 0.

    Departures: the code takes for hard, in the shares, only groups whose rewards are all those of a
    formatted wrong answer. Its queue is that of a pass over the data and problems skipped in it come
    back in the next; here, after two passes without enough problems, none is skipped. It poses 1.25
    times what is expected to be lost, at most 384 problems at once; here a filter has its own rounds.

    Example:
        >>> rule = GRESO()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['d', 'b']
    """

    name: ClassVar[str] = "greso"
    order: ClassVar[int] = 50
    paper: ClassVar[str] = "2506.02177"
    explore: float = 0.5  # the first e of both kinds, in [least, 1]
    target_easy: float = 1 / 12  # share of groups that are all right
    target_hard: float = 1 / 6  # share of groups of equal rewards that are not all right
    step: float = 0.01  # positive
    least: float = 0.05  # positive
    most: float = 0.95  # of e once it moves, in [least, 1]
    keep: float = 0.01  # least probability of a problem not to be skipped, in [0, 1]
    variant: Literal["code", "v0.1"] = "code"

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.step <= 0:
            raise ValueError(f"`step` must be positive, got {self.step}")
        if not 0 < self.least <= self.explore <= 1:
            raise ValueError(f"`explore` must be in [{self.least}, 1], got {self.explore}")
        if not self.least <= self.most <= 1:
            raise ValueError(f"`most` must be in [{self.least}, 1], got {self.most}")
        if self.variant not in VARIANTS:
            raise ValueError(unknown("variant", self.variant, VARIANTS))
        for name in ("target_easy", "target_hard", "keep"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be in [0, 1], got {getattr(self, name)}")

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Forget all groups."""
        super().start(names, difficulties)
        self.chances = np.full(2, self.explore)  # e, of easy and hard
        self.streaks = np.zeros(len(self.names), np.int64)  # z, (N,)
        self.kinds = np.full(len(self.names), EASY)  # of the last group of equal rewards, (N,)
        self.queue: list[int] = []  # the rows that remain of this pass
        self.passes = 0  # begun

    def keep_probabilities(self) -> Floats:
        """Return how likely each problem is not skipped, (N,)."""
        kept: Floats = np.maximum(self.chances[self.kinds] ** self.streaks, self.keep)
        return kept

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Go on with the pass until there are enough problems."""
        kept, passes = self.keep_probabilities(), 0
        chosen: dict[int, None] = {}  # in order
        while len(chosen) < num_problems:
            if not self.queue:
                self.queue = rng.permutation(len(self.names)).tolist()
                passes += 1
                self.passes += 1
            row = self.queue.pop()
            if passes > MAX_PASSES or rng.random() < kept[row]:
                chosen[row] = None
        return np.array(list(chosen))

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Lengthen or end the streaks, and move e."""
        equal = ~spread(groups.rewards, groups.verified)
        kinds = np.where((groups.correct | ~groups.verified).all(axis=1), EASY, HARD)
        released = self.variant == "code"
        same, of_kind = equal, kinds  # which groups lengthen a streak, and of which kind
        if released:
            means = groups.mean(groups.rewards)
            same = (means >= EASY_REWARD) | (means <= HARD_REWARD)
            of_kind = np.where(means >= EASY_REWARD, EASY, HARD)
        for row, long, kind in zip(rows.tolist(), same.tolist(), of_kind.tolist(), strict=True):
            goes_on = long and not (released and kind != self.kinds[row])
            self.streaks[row] = self.streaks[row] + 1 if goes_on else int(long)
            self.kinds[row] = kind
        if released and self.passes < 2:
            return
        for kind, target in ((EASY, self.target_easy), (HARD, self.target_hard)):
            share = (equal & (kinds == kind)).mean()
            falls = share >= target if released else share > target
            moved = self.chances[kind] + (-self.step if falls else self.step)
            self.chances[kind] = min(max(moved, self.least), self.most)

    def state_dict(self) -> dict[str, Any]:
        """Return e, the streaks and the pass."""
        arrays = {"chances": self.chances, "streaks": self.streaks, "kinds": self.kinds}
        lists = {key: array.tolist() for key, array in arrays.items()}
        return {**lists, "queue": [*self.queue], "passes": self.passes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.chances = np.array(state["chances"])
        self.streaks = np.array(state["streaks"], np.int64)
        self.kinds = np.array(state["kinds"], np.int64)
        self.queue = list(state["queue"])
        self.passes = state.get("passes", 0)  # of which early states do not tell
