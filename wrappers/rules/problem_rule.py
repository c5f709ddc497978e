"""The base class of curricula that choose single problems out of a pool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.signal import Floats, Groups, Ints, Updated


@dataclass(eq=False)
class ProblemRule(ABC):
    """Choose among the N problems of a pool. It knows them by name and by difficulty alone.

    A rule is a dataclass whose fields are its hyperparameters; `start` makes the state. Draws are
    made with the generator that `propose` is given. Subclasses call `start` of this class first. A
    rule in this package that sets `name` is in the catalogue.

    Example:
        >>> @dataclass(eq=False)
        ... class Hardest(ProblemRule):
        ...     def choose(self, num_problems, rng):
        ...         return np.argsort(-self.difficulties)[:num_problems]
        >>> rule = Hardest()
        >>> rule.start(["a", "b", "c"], difficulties=[0, 100, 50])
        >>> rule.propose(2, np.random.default_rng(0))
        ['b', 'c']
    """

    name: ClassVar[str] = ""  # by which `make_rule`, the command line and records call it
    order: ClassVar[int] = 1000  # place in lists, ascending
    paper: ClassVar[str] = ""  # its arXiv id
    cost: ClassVar[str] = "a pool"  # what is needed beside the completions trained on
    example: ClassVar[str] = ""  # arguments for the fields without a default, such as "low=0.5"

    @property
    def learns_after(self) -> bool:
        """Return whether to call `learn_after`, which costs a forward pass of the batch."""
        return False

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Reset the state, for a pool of problems with `names` and `difficulties`, both (N,).

        Args:
            names: All different.
            difficulties: In [0, 100]; of levels, evenly from 0 to 100.

        Raises:
            ValueError: If names are equal or lacking, or not as many as difficulties.
        """
        self.names = list(names)
        self.rows = {name: row for row, name in enumerate(names)}
        self.difficulties = np.asarray(difficulties, np.float64)
        if not self.names or len(self.rows) < len(self.names):
            raise ValueError("`names` must be different, and at least one")
        if self.difficulties.shape != (len(self.names),):
            raise ValueError(f"`difficulties` must be of {len(self.names)} problems")

    def propose(self, num_problems: int, rng: np.random.Generator) -> list[str]:
        """Return the names of `num_problems` different problems to pose next.

        Raises:
            ValueError: If the pool has fewer.
        """
        if not 1 <= num_problems <= len(self.names):
            raise ValueError(
                f"`num_problems` must be at least 1 and at most {len(self.names)}, the size of the "
                f"pool, got {num_problems}"
            )
        return [self.names[row] for row in self.choose(num_problems, rng).tolist()]

    def observe(self, names: Sequence[str], groups: Groups) -> None:
        """Learn from one training step.

        Args:
            names: The problems, (P,).
            groups: What their completions earned.

        Raises:
            ValueError: If a problem is not in the pool, or groups are missing or not finite.
        """
        if unknown := [name for name in names if name not in self.rows]:
            raise ValueError(f"`names` must be of the pool, got {unknown[0]!r}")
        if not names or len(groups.rewards) != len(names):
            raise ValueError(f"`groups` must be of {len(names)} problems, at least one")
        if not (np.isfinite(groups.rewards).all() and np.isfinite(groups.abs_advantages).all()):
            raise ValueError("`groups` must have finite rewards and advantages")
        self.learn(np.array([self.rows[name] for name in names]), groups)

    @abstractmethod
    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Return different rows of the pool, (num_problems,)."""

    def learn(self, rows: Ints, groups: Groups) -> None:  # noqa: B027
        """Learn from the groups of the problems in `rows`, (P,)."""

    def learn_after(self, rows: Ints, updated: Updated) -> None:  # noqa: B027
        """Learn what the update of the policy did, called after `observe` if `learns_after`.

        Args:
            rows: The problems in the pool that the policy was trained on, shape (P,).
            updated: Advantages and ratios of their completions.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state that `choose` and `learn` change, as plain numbers and lists."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Restore a state that `state_dict` returned."""


@dataclass(eq=False)
class RandomProblems(ProblemRule):
    """Problems of the pool at random: the baseline of rules over problems.

    Example:
        >>> rule = RandomProblems()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> rule.propose(2, np.random.default_rng(0))
        ['c', 'a']
    """

    name: ClassVar[str] = "random-problems"
    order: ClassVar[int] = 10

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Draw without replacement."""
        rows: Ints = rng.permutation(len(self.names))[:num_problems]
        return rows


def draw(log_weights: Floats, num_draws: int, rng: np.random.Generator) -> Ints:
    """Draw places without replacement, each in proportion to exp(log weight), (num_draws,).

    The largest of log weights plus Gumbel noise are such a draw, and no weight is too small for it.
    """
    keys = log_weights + rng.gumbel(size=len(log_weights))
    places: Ints = np.argsort(-keys, kind="stable")[:num_draws]
    return places


def nearest(distances: Floats, num_draws: int, rng: np.random.Generator) -> Ints:
    """Return the places of the smallest distances, equal ones at random, (num_draws,)."""
    order = rng.permutation(len(distances))
    places: Ints = order[np.argsort(distances[order], kind="stable")[:num_draws]]
    return places
