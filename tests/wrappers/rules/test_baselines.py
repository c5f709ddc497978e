import pytest

from edgewise.wrappers import Balanced, Random, Subset


def started(rule, num_arms):
    rule.start(num_arms)
    return rule.probabilities().tolist()


def test_random_follows_the_sizes_and_balanced_does_not():
    assert started(Random(sizes=[30, 10, 10]), 3) == [0.6, 0.2, 0.2]
    assert started(Random(), 4) == started(Balanced(), 4) == [0.25] * 4


def test_a_subset_is_uniform_over_its_arms():
    assert started(Subset([3]), 4) == [0, 0, 0, 1]
    assert started(Subset([2, 3]), 4) == [0, 0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Random(sizes=[0, 0]), "`sizes` must be at least 0 and not all 0"),
        (lambda: Random(sizes=[1, -1]), "`sizes` must be at least 0 and not all 0"),
        (lambda: started(Random(sizes=[1, 1]), 3), "`sizes` must be of 3 arms, got 2"),
        (lambda: Subset([]), "`arms` must be different arms, at least one"),
        (lambda: Subset([1, 1]), "`arms` must be different arms, at least one"),
        (lambda: started(Subset([3]), 3), r"`arms` must be in range\(3\), got \[3\]"),
        (lambda: started(Balanced(), 0), "`num_arms` must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
