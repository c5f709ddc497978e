"""The inner loop of SOAR: train the students of an outer step, in turn or together, and ask them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.players import Cohort, Student, Weights
from edgewise.pool import WorkerError

CRASHES = (ArithmeticError, MemoryError, RuntimeError)  # of a student; a loss that is not finite is


def train_each(
    student: Student,
    baseline: Weights,
    datasets: Sequence[Sequence[Pair]],
    asked: Sequence[Pair],
    num_steps: int,
    seeds: Sequence[Sequence[int]],
) -> Iterator[tuple[list[float], list[Weights | None]]]:
    """Train students on each data set, for each of its seeds, all together if they can be.

    Yields:
        Their accuracies on `asked`, NaN if one crashed, and their weights, a data set after the other.
    """
    flat = [seed for row in seeds for seed in row]
    posed = [dataset for dataset, row in zip(datasets, seeds, strict=True) for _ in row]
    trained = None
    if isinstance(student, Cohort):
        trained = student.train_all(baseline, posed, num_steps, flat)
    if not isinstance(student, Cohort) or trained is None:
        for dataset, row in zip(datasets, seeds, strict=True):
            yield train_students(student, baseline, dataset, asked, num_steps, row)
        return
    right = iter(student.accuracies([own for own in trained if own is not None], asked))
    accuracies = [np.nan if own is None else next(right) for own in trained]
    for places in np.split(np.arange(len(flat)), np.cumsum([len(row) for row in seeds])[:-1]):
        yield [accuracies[place] for place in places], [trained[place] for place in places]


def train_students(
    student: Student,
    baseline: Weights,
    dataset: Sequence[Pair],
    asked: Sequence[Pair],
    num_steps: int,
    seeds: Sequence[int],
) -> tuple[list[float], list[Weights | None]]:
    """Train a student for each seed; return its accuracy on `asked`, NaN if it crashed, and its weights.

    All start from `baseline`, whatever happened to the one before.
    """
    accuracies: list[float] = []
    trained: list[Weights | None] = []
    weights: Weights | None
    for seed in seeds:
        student.restore(baseline)
        try:
            student.train(dataset, num_steps, seed)
            accuracy, weights = student.accuracy(asked), student.snapshot()
        except WorkerError:  # it is not the student that cannot go on
            raise
        except CRASHES:
            accuracy, weights = np.nan, None
        accuracies.append(accuracy)
        trained.append(weights)
    return accuracies, trained
