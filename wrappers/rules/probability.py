"""How values of arms become probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.wrappers.rules.signal import Floats

NORMAL = np.linspace(-9.0, 9.0, 4001)  # in standard deviations
NORMAL_CDF = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in NORMAL.tolist()])
NODES = np.linspace(-8.0, 8.0, 257)  # where the density of a normal distribution is looked at
NODE_WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()


def softmax(values: Floats, temperature: float) -> Floats:
    """Return exp(values / temperature) over its sum, shape (K,)."""
    weights = np.exp((values - values.max()) / temperature)
    probabilities: Floats = weights / weights.sum()
    return probabilities


def greedy(values: Floats) -> Floats:
    """Return 1 / m for each of the m arms of the largest value, 0 for the others, shape (K,)."""
    best = values == values.max()
    probabilities: Floats = best / best.sum()
    return probabilities


def largest_normal(means: Floats, variances: Floats) -> Floats:
    """Return the probability that a draw from each N(mean, variance) is the largest, shape (K,).

    That is the integral over x of the density of the one times the distribution functions of the
    others, a sum over 257 points; its error is below 1e-5 for variances within a factor of 1000.
    """
    scales = np.sqrt(variances)
    x = means[:, None] + scales[:, None] * NODES  # (K, N)
    z = (x[:, None, :] - means[None, :, None]) / scales[None, :, None]  # (K, K, N)
    below = np.interp(z, NORMAL, NORMAL_CDF)
    arms = np.arange(len(means))
    below[arms, arms] = 1.0  # an arm is not compared with itself
    chances = (below.prod(axis=1) * NODE_WEIGHTS).sum(axis=1)
    probabilities: Floats = chances / chances.sum()
    return probabilities


def largest_sample(samples: Sequence[Sequence[float]]) -> Floats:
    """Return the probability that each of K arms has the largest of values drawn from `samples`.

    Equal values share. That an arm has v is weighed with the integral over x in [0, 1] of the
    product, over the other arms, of P(value < v) + x P(value = v): with m others at v and the rest
    below that gives 1 / (m + 1). Gauss-Legendre nodes make it exact.
    """
    nodes, weights = np.polynomial.legendre.leggauss(len(samples) // 2 + 1)
    x, weights = (nodes + 1) / 2, weights / 2  # (X,), on [0, 1]
    values = np.unique(np.concatenate([np.asarray(own) for own in samples]))  # (V,)
    drawn = [np.asarray(own)[:, None] for own in samples]
    below = np.array([(own < values).mean(axis=0) for own in drawn])  # (K, V)
    equal = np.array([(own == values).mean(axis=0) for own in drawn])  # (K, V)
    reached = below[:, :, None] + equal[:, :, None] * x  # (K, V, X)
    probabilities: Floats = np.array(
        [
            equal[arm] @ (np.delete(reached, arm, axis=0).prod(axis=0) @ weights)
            for arm in range(len(samples))
        ]
    )
    return probabilities


def slope(times: Sequence[float], scores: Sequence[float]) -> float:
    """Return the slope of the least-squares line through at least two points."""
    t = np.asarray(times, np.float64)
    centered = t - t.mean()
    return float(centered @ np.asarray(scores) / (centered @ centered))


def floored(weights: Floats, floor: float) -> Floats:
    """Return weights as probabilities of which none is below floor / K before the last division.

    Args:
        weights: At least 0, (K,); if all are 0, arms are alike.
        floor: In [0, 1].
    """
    if not weights.any():
        return np.full(len(weights), 1 / len(weights))
    raised = np.maximum(weights / weights.sum(), floor / len(weights))
    probabilities: Floats = raised / raised.sum()
    return probabilities


def informative_chance(success: Floats, size: int) -> Floats:
    """Return 1 - p^n - (1 - p)^n: how likely a group of n completions has right and wrong ones."""
    chance: Floats = 1 - success**size - (1 - success) ** size
    return chance


def beta_quantiles(a: Floats, b: Floats, levels: Floats) -> Floats:
    """Return the quantiles of Beta(a, b) at `levels`, (K, Q); a and b, (K,), are at least 1.

    The density is summed at 2,049 points, which are close where p is near 0 or 1.
    """
    angle = np.linspace(0, np.pi / 2, 2049)[1:-1]  # p = sin^2
    logs = np.outer(2 * a - 1, np.log(np.sin(angle))) + np.outer(2 * b - 1, np.log(np.cos(angle)))
    density = np.exp(logs - logs.max(axis=1, keepdims=True))
    below = density.cumsum(axis=1) - density / 2
    below /= density.sum(axis=1, keepdims=True)
    found = [np.interp(levels, own, np.sin(angle) ** 2) for own in below]
    return np.array(found)


def largest_draw(samples: Floats) -> Floats:
    """Return how likely each of K arms draws the largest of its equally likely samples, (K, Q).

    Equal samples of two arms share; of more they do so but for the division by the sum.
    """
    below = np.empty((len(samples), *samples.shape))  # of the others, at each sample: (K, K, Q)
    for other, own in enumerate(np.sort(samples, axis=1)):
        ranks = np.searchsorted(own, samples) + np.searchsorted(own, samples, side="right")
        below[other] = ranks / (2 * len(own))
    arms = np.arange(len(samples))
    below[arms, arms] = 1.0  # an arm is not compared with itself
    chances = below.prod(axis=0).mean(axis=1)
    probabilities: Floats = chances / chances.sum()
    return probabilities
