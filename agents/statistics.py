"""Intervals and tests of evaluations: pass@k, Wilson over problems, paired differences, bootstraps.

Completions of one problem are alike, so the unit that is drawn is the problem and not the completion.

- `wilson`: the interval of Wilson (1927) with the size of the simple sample that would have the same
  standard error, as Korn and Graubard (1998) do for surveys; at 0 and 1 that size is Kish's (1965), of
  the weights alone, so no interval has zero width. In simulations with 200 problems of 8 completions,
  93 to 96 % of them cover the truth; with 60 problems and a truth of .02, 90 %.
- `paired_difference` and `sign_flip_test`: two agents on the same problems. The test flips the signs of
  the differences, exact but for the draws if both agents are alike and were asked equally often.
- `stratified_bootstrap`: any statistic of samples that are each drawn with replacement, by
  `scipy.stats.bootstrap`, percentile method.
- `hierarchical_bootstrap`: groups are drawn, runs within each, and problems. SciPy has none.
- `mean_interval`: Student's t of a mean over seeds.

No interval or p-value is corrected for the number of comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb, nan

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Runs = (
    Sequence[Sequence[Floats]] | Floats
)  # by group and run, the values of the problems of one level
CONFIDENCE = 0.95
PERCENTILES = (2.5, 97.5)
NUM_DRAWS = 10_000  # of tests and bootstraps over problems
NUM_RESAMPLES = 2_000  # of bootstraps over runs
TIE = 1e-9  # largest difference of two equal sums that were rounded


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Format it with three decimals."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2

    @property
    def signed(self) -> str:
        """Format a difference with three decimals and signs.

        >>> Estimate(0.25, -0.5, 1.0).signed
        '+0.250 [-0.500, +1.000]'
        """
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    @property
    def points(self) -> str:
        """Format a difference of accuracies in percentage points.

        >>> Estimate(0.25, -0.5, 1.0).points
        '+25.0 [-50.0, +100.0]'
        """
        return f"{100 * self.value:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"

    @property
    def percent(self) -> str:
        """Format an accuracy in percent.

        >>> Estimate(0.25, 0.2, 0.3).percent
        '25.0 [20.0, 30.0]'
        """
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Stratum:
    """One value per problem of a level, and the weight of their mean."""

    rates: Floats  # (N,)
    weight: float = 1.0


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Estimate without bias the probability that at least one of k samples is correct.

    1 - C(n - c, k) / C(n, k), of Chen et al. (2021), arXiv 2107.03374.

    >>> pass_at_k(4, 1, 2)
    0.5
    """
    return 1 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def powers_of_two(num_samples: int) -> list[int]:
    """List the k for which pass@k of so many samples is reported.

    >>> powers_of_two(8), powers_of_two(6)
    ([1, 2, 4, 8], [1, 2, 4])
    """
    return [2**power for power in range(num_samples.bit_length())]


def weighted_mean(strata: Sequence[Stratum]) -> float:
    """Sum the means of the strata, each times its weight."""
    return float(sum(stratum.weight * stratum.rates.mean() for stratum in strata))


def wilson(strata: Sequence[Stratum], num_samples: int | None = None) -> Estimate:
    """Compute the weighted mean of strata and its Wilson interval over problems.

    Args:
        strata: At least one, each with at least one problem and rates in [0, 1].
        num_samples: The size of the sample if problems did not differ, such as the number of
            completions; by default the number of problems.

    Example:
        >>> str(wilson([Stratum(np.array([1.0, 0.5, 0.0, 0.5]))]))
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
    effective = float(1 / np.sum(weights**2 / sizes))  # Kish's effective sample size
    if 0 < value < 1:
        most = num_problems if num_samples is None else num_samples
        effective = min(value * (1 - value) / variance, most) if variance > 0 else most
    z2 = student_quantile(max(num_problems - len(strata), 1)) ** 2
    center = (value + z2 / (2 * effective)) / (1 + z2 / effective)
    half = np.sqrt(z2 * (value * (1 - value) / effective + z2 / (4 * effective**2)))
    half /= 1 + z2 / effective
    return Estimate(value, float(max(0.0, center - half)), float(min(1.0, center + half)))


def student_quantile(degrees: int) -> float:
    """Return how many standard errors a two-sided 95 % interval of Student's t reaches."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, degrees))


def mean_interval(values: Sequence[float] | Floats) -> Estimate:
    """Compute a mean over seeds with its 95 % interval of Student's t; nan bounds for one value.

    >>> str(mean_interval([1.0, 2.0, 3.0]))
    '2.000 [-0.484, 4.484]'
    """
    mean, size = float(np.mean(values)), len(values)
    if size < 2:
        return Estimate(mean, nan, nan)
    reach = student_quantile(size - 1) * float(np.std(values, ddof=1)) / size**0.5
    return Estimate(mean, mean - reach, mean + reach)


def stratified_bootstrap(
    statistic: Callable[..., Floats],
    samples: Sequence[Floats],
    rng: np.random.Generator,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """Compute a statistic of several samples with the percentile interval of its bootstrap.

    A sample of one value is not resampled, as there is nothing else to draw.

    Args:
        statistic: Takes all samples, whose last axis is that of the values, and reduces it.
        samples: Drawn on their own, each with replacement, (N,) of its own size.
        rng: Of the draws.
        num_resamples: How often all samples are drawn.
    """
    from scipy.stats import bootstrap

    value = float(statistic(*samples))
    drawn = [place for place, sample in enumerate(samples) if len(sample) > 1]
    if not drawn:
        return Estimate(value, value, value)

    def of_drawn(*resampled: Floats, axis: int) -> Floats:
        found: list[Floats] = list(samples)
        for place, values in zip(drawn, resampled, strict=True):
            found[place] = np.moveaxis(values, axis, -1)
        return statistic(*found)

    size = sum(len(sample) for sample in samples)
    interval = bootstrap(
        [samples[place] for place in drawn],
        of_drawn,
        vectorized=True,
        n_resamples=num_resamples,
        batch=max(1, 2**20 // size),  # values at a time
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))


def paired_difference(
    strata: Sequence[Stratum], rng: np.random.Generator, num_draws: int = NUM_DRAWS
) -> Estimate:
    """Compute the weighted mean of differences per problem, with a bootstrap over problems.

    Problems, with all their completions, are drawn within each stratum.
    """
    weights = [stratum.weight for stratum in strata]

    def total(*samples: Floats) -> Floats:
        parts = [weight * s.mean(axis=-1) for weight, s in zip(weights, samples, strict=True)]
        return np.asarray(sum(parts), dtype=np.float64)

    return stratified_bootstrap(total, [stratum.rates for stratum in strata], rng, num_draws)


def sign_flip_test(
    strata: Sequence[Stratum], rng: np.random.Generator, num_draws: int = NUM_DRAWS
) -> float:
    """Compute the two-sided p-value of a permutation test that flips the signs of differences.

    It is the share of draws whose weighted mean is as far from 0, the observed one among them. This
    is `scipy.stats.permutation_test` of paired samples, at a twentieth of the time.
    """
    sums = np.zeros(num_draws)
    for stratum in strata:
        size = len(stratum.rates)
        signs = rng.integers(2, size=(num_draws, size), dtype=np.int8) * 2.0 - 1
        sums += stratum.weight * (signs @ stratum.rates) / size
    as_far = np.abs(sums) >= abs(weighted_mean(strata)) - TIE
    return float((1 + as_far.sum()) / (1 + num_draws))


def hierarchical_bootstrap(
    levels: Sequence[Runs], rng: np.random.Generator, *, shared: bool
) -> Estimate:
    """Compute the mean over levels, groups, runs and problems, with its nested bootstrap interval.

    See `hierarchical_draws` for the arguments.
    """
    center = float(np.mean([hierarchical_mean(runs) for runs in levels]))
    draws = hierarchical_draws(levels, rng, shared=shared)
    low, high = np.percentile(draws, PERCENTILES)
    return Estimate(center, float(low), float(high))


def hierarchical_mean(runs: Runs) -> float:
    """Compute the mean over groups of the means of their runs."""
    return float(np.mean([np.mean([values.mean() for values in group]) for group in runs]))


def hierarchical_draws(
    levels: Sequence[Runs],
    rng: np.random.Generator,
    *,
    shared: bool,
    num_resamples: int = NUM_RESAMPLES,
) -> Floats:
    """Resample groups, runs within each and problems; return the means, (num_resamples,).

    Groups are models or teachers, runs their seeds or students. The same runs are drawn for every
    level, and levels themselves are not drawn.

    Args:
        levels: For each level, the values of each problem by group and run; all have the same runs.
        rng: Of the draws.
        shared: Whether the runs of a level share their problems, which are then drawn once for all of
            them; else each run that is drawn has its own draw of problems.
        num_resamples: How often everything is drawn.
    """
    sizes = [len(group) for group in levels[0]]
    counts = run_counts(sizes, rng, num_resamples)
    weights = np.repeat([1 / (len(sizes) * size) for size in sizes], sizes)  # of a run drawn once
    means = np.zeros(num_resamples)
    for runs in levels:
        rows = [values for group in runs for values in group]
        if shared:
            table = np.stack(rows)  # (runs, problems)
            size = table.shape[1]
            drawn = rng.multinomial(size, np.full(size, 1 / size), num_resamples) / size
            means += ((counts * weights @ table) * drawn).sum(axis=1)
            continue
        for row, count, weight in zip(rows, counts.T, weights, strict=True):
            drawn = rng.multinomial(count * len(row), np.full(len(row), 1 / len(row)))
            means += weight * (drawn @ row) / len(row)
    return means / len(levels)


def run_counts(
    sizes: Sequence[int], rng: np.random.Generator, num_resamples: int
) -> NDArray[np.int64]:
    """Draw groups with replacement and, of each, as many of its runs as it has.

    Returns:
        How often each run was drawn, (num_resamples, runs of all groups).
    """
    num_groups = len(sizes)
    groups = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), num_resamples)
    return np.concatenate(
        [
            rng.multinomial(count * size, np.full(size, 1 / size))
            for count, size in zip(groups.T, sizes, strict=True)
        ],
        axis=1,
    )
