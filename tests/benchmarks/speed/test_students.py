"""What a row costs in a batch of one student, and of several."""

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.soar.presets import GAMES  # noqa: E402
from edgewise.benchmarks.speed.students import measure  # noqa: E402


def test_both_parts_of_a_batch_are_timed_and_leave_the_weights(tiny_model):
    policy = TransformersPolicy.load(tiny_model)
    before = [weight.clone() for weight in policy.parameters()]
    sampling, learning = measure(policy, GAMES["seedling"], ["1+1", "2+3"], 8)
    assert sampling > 0 and learning > 0
    for weight, old in zip(policy.parameters(), before, strict=True):
        assert torch.equal(weight, old) and weight.grad is None
