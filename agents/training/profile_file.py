"""What a profile says of each problem: its name, and how often a model solves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.files import FileError, numbered_jsonl
from edgewise.names import read_name


@dataclass(frozen=True)
class Measured:
    """A problem of a profile."""

    name: str
    pass_rate: float  # the share of completions that were right


def read_profile(path: Path) -> list[Measured]:
    """Return the problems of a file that `edgewise profile` wrote.

    Raises:
        FileError: If a line has no problem or pass rate, with the path and the line.
    """
    found = []
    for line, record in numbered_jsonl(path, ("problem", "pass_rate")):
        rate, name = record["pass_rate"], dumps(record["problem"])
        if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 <= rate <= 1:
            raise FileError(f"{path}:{line}: `pass_rate` must be in [0, 1], got {rate!r}")
        try:
            read_name(name)
        except ValueError as error:
            raise FileError(f"{path}:{line}: {error}") from error
        found.append(Measured(name, float(rate)))
    if not found:
        raise FileError(f"{path}: must have problems, got none")
    return found


def divided(errors: Sequence[float], num_levels: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Divide problems at the quantiles of their error rates, as `ProblemSet-v0` does.

    Args:
        errors: The error rate of each of N problems.
        num_levels: K, how many parts there are; some are empty if many problems are equally hard.

    Returns:
        The borders, shape (K - 1,), and the part of each problem, in range(K), shape (N,).
    """
    edges = np.quantile(errors, np.arange(1, num_levels) / num_levels)
    return edges, np.digitize(errors, edges)


def most_levels(errors: Sequence[float], num_levels: int) -> int:
    """Return the largest number of parts, at most `num_levels`, of which none is empty."""
    while len(set(divided(errors, num_levels)[1].tolist())) < num_levels:
        num_levels -= 1
    return num_levels


def in_band(problems: Sequence[Measured], least: float, most: float) -> list[Measured]:
    """Return the problems whose pass rate is in [least, most]."""
    return [problem for problem in problems if least <= problem.pass_rate <= most]


def control(problems: Sequence[Measured], size: int, seed: int) -> list[Measured]:
    """Return `size` problems at random: what a selection of that size is to be compared with."""
    chosen = np.random.default_rng(seed).permutation(len(problems))[:size]
    return [problems[place] for place in sorted(chosen.tolist())]
