import numpy as np
import pytest


@pytest.fixture
def taught():
    """A function that starts a rule and tells it steps: {arm: signal} or {arm: [signals]}."""

    def teach(rule, num_arms, *steps):
        rule.start(num_arms)
        for step in steps:
            told = [(arm, s) for arm, all_s in step.items() for s in np.atleast_1d(all_s)]
            rule.update(np.array([arm for arm, _ in told]), np.array([s for _, s in told]))
        return rule

    return teach
