"""A lesson is changed by its methods alone, also by trainers that make completions elsewhere."""

import numpy as np
import pytest

from edgewise.wrappers import SEC, Random
from edgewise.wrappers.lessons.batch import OUTCOMES
from edgewise.wrappers.lessons.kinds import ArmLesson

ALL = np.ones(2, np.bool_)


def lesson(rule=None):
    """Two groups of three, drawn among four arms."""
    made = ArmLesson(rule or Random(), 4, (2, 3))
    made.seed(0)
    made.draw(ALL)
    return made


def fill(made, rewards, verified=True):
    """Set what all completions earned, (2, 3)."""
    for group, row in enumerate(rewards):
        made.set_outcomes(group, row, np.array(row) > 0, verified, [4, 5, 6])


@pytest.mark.parametrize("name", ["arms", "chances", "rewards", "correct", "verified"])
def test_what_is_known_of_a_batch_is_read_only(name):
    made = lesson()
    with pytest.raises(ValueError, match="read-only"):
        getattr(made, name)[0] = 1
    with pytest.raises(AttributeError):
        setattr(made, name, np.zeros(2))


def test_a_draw_that_was_taken_is_learned_after_the_next():
    made = lesson(SEC())
    made.set_problems(ALL, np.array(["a", "b"], object))
    first = made.take()
    assert made.is_empty and made.arms.tolist() == [-1, -1]
    made.draw(ALL)
    second = made.take()
    made.put_back(first)
    assert made.arms.tolist() == first.arms.tolist() and 0 < made.chances.max() < 1
    fill(made, [[1, 0, 0], [0, 0, 0]])
    assert made.is_complete
    made.learn()
    assert [record["problem"] for record in made.records()] == ["a", "b"]
    assert made.rule.values[first.arms[0]] > 0 and made.is_empty
    made.put_back(second)
    assert made.arms.tolist() == second.arms.tolist() and made.is_empty


def gather_with(batch, place):
    """Join what a rank passes, in the order of OUTCOMES, with the other group of `batch`."""
    others = iter([batch[name][1 - place] for name in OUTCOMES])
    return lambda own: np.concatenate([own, next(others)] if place == 0 else [next(others), own])


def test_ranks_that_hold_the_whole_batch_exchange_what_they_answered():
    ranks = lesson(), lesson()
    for place, made in enumerate(ranks):  # one group each
        made.set_outcomes(place, [1, 0, 0], [True, False, False], [True, False, True], [1, 2, 3])
    before = [made.batch() for made in ranks]
    for place, made in enumerate(ranks):
        own = slice(3 * place, 3 * place + 3)
        made.exchange(own, gather_with(before[1 - place], place))
    assert ranks[0].batch() == ranks[1].batch() and ranks[0].is_complete
    assert ranks[0].rewards.tolist() == [[1, 0, 0]] * 2
    assert ranks[0].verified.tolist() == [[True, False, True]] * 2


def test_a_group_with_a_completion_that_was_not_verified_is_excluded():
    made = lesson(SEC())
    fill(made, [[1, 0, 0], [1, 0, 0]])
    made.set_outcomes(1, [1, 0, 0], [True, False, False], [True, True, False], [4, 5, 6])
    made.exclude_partly_verified()
    assert made.verified.tolist() == [[True] * 3, [False] * 3]
    arms = made.arms.tolist()
    made.learn()
    assert np.flatnonzero(made.rule.values).tolist() == arms[:1]
