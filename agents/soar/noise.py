r"""How much of what data sets earn is theirs, and how much a teacher can learn from it.

The reward of data set k is the mean of r students, R_k = S_k + mean_j e_kj: S_k, what the set is worth,
with variance s^2 between sets, and e_kj, with variance w^2, what chance adds to a student. The analysis
of variance estimates both,

    w^2 = mean_k var_j R_kj,    s^2 = var_k R_k - w^2 / r, at least 0,

and the reliability of R_k is c^2 = s^2 / (s^2 + w^2 / r). The advantages of an outer step have then as much
to say about which of its problems are worth writing as g c^2 problems whose own reward is known: all n
problems of a set share one reward, so that n is no gain, but for what it does to s.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.agents.soar.promotion import Floats


@dataclass(frozen=True)
class Noise:
    """The estimates of one outer step, or of several with the same baseline."""

    mean: float  # reward
    spread: float  # s, standard deviation
    noise: float  # w
    num_datasets: int  # g
    num_students: int  # r

    @classmethod
    def of(cls, rewards: Floats) -> Noise:
        """Estimate from rewards, (g, r), without those of crashed students.

        Raises:
            ValueError: If there are fewer than two data sets or two students of each.
        """
        num_datasets, num_students = rewards.shape
        if num_datasets < 2 or num_students < 2:
            raise ValueError(
                f"`rewards` must be of at least 2 data sets and 2 students, got {rewards.shape}"
            )
        within = float(rewards.var(axis=1, ddof=1).mean())
        between = max(float(rewards.mean(axis=1).var(ddof=1)) - within / num_students, 0.0)
        return cls(float(rewards.mean()), between**0.5, within**0.5, num_datasets, num_students)

    @property
    def reliability(self) -> float:
        """Return c^2, 0 where nothing differs."""
        total = self.spread**2 + self.noise**2 / self.num_students
        return self.spread**2 / total if total else 0.0

    @property
    def known(self) -> float:
        """Return how many problems with a reward of their own an outer step is worth, g c^2."""
        return self.num_datasets * self.reliability
