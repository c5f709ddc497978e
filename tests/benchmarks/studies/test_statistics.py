import numpy as np
import pytest

from edgewise.benchmarks.studies.statistics import improvement, interval, iqm


def test_the_best_and_the_worst_quarter_do_not_count():
    assert iqm(np.array([[-9.0, 0.2], [0.4, 9.0]])) == pytest.approx(0.3)
    assert iqm(np.arange(8.0).reshape(2, 4)) == pytest.approx(3.5)  # of 2, 3, 4 and 5


def test_improvement_is_a_mean_over_tasks_not_over_runs():
    first = np.array([[1.0, 1.0], [0.0, 0.0]])
    second = np.array([[0.0, 0.0], [1.0, 0.0]])
    # always better on the first task; on the second two ties of four, and two losses: (1 + 1/4) / 2
    assert improvement(first, second) == pytest.approx(0.625)
    assert improvement(second, first) == pytest.approx(0.375)


def mean(table):
    return table.mean(axis=(-2, -1))


def test_tasks_are_not_drawn():
    scores = np.array([[0.0, 0.0], [1.0, 1.0]])  # a bootstrap over tasks would give 0 and 1, too
    found = interval(mean, scores)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_the_interval_is_that_of_a_coin():
    coins = np.repeat([0.0, 1.0], 50)[None]
    found = interval(mean, coins)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.05, rel=0.1)
    assert found == interval(mean, coins)  # the same seed


def test_one_run_of_each_task_has_no_interval():
    found = interval(iqm, np.array([[0.2], [0.4]]))
    assert found.value == pytest.approx(0.3) and np.isnan([found.low, found.high]).all()
