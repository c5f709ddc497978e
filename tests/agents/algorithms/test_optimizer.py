"""Updates of weights of low precision add up; others are AdamW's."""

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.grpo import GRPOConfig, start, train  # noqa: E402
from edgewise.agents.algorithms.on_policy import OnPolicyConfig  # noqa: E402
from edgewise.agents.algorithms.optimizer import (  # noqa: E402
    MasterAdamW,
    OptimizerConfig,
    anneal,
    optimizer_of,
    schedule,
)
from edgewise.agents.policies.options import Sampling  # noqa: E402


def trained(dtype, num_steps, optimizer=None, weight=None):
    """Descend a slope of 1 from 1, where bfloat16 has steps of 1/256."""
    weight = torch.nn.Parameter(torch.ones(3, dtype=dtype)) if weight is None else weight
    optimizer = optimizer or MasterAdamW([{"params": [weight]}], 1e-3)
    for _ in range(num_steps):
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()
    return weight, optimizer


def test_weights_of_full_precision_are_updated_as_by_adamw():
    weight = torch.nn.Parameter(torch.ones(3))
    theirs = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.0)
    trained(torch.float32, 10, theirs, weight)
    assert torch.equal(weight, trained(torch.float32, 10)[0])


def test_small_updates_of_bfloat16_add_up():
    plain = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    trained(torch.bfloat16, 20, torch.optim.AdamW([plain], lr=1e-3, weight_decay=0.0), plain)
    assert (plain == 1).all()  # every update was rounded away
    weight, _ = trained(torch.bfloat16, 20)
    torch.testing.assert_close(weight.float(), torch.full((3,), 0.98), rtol=0, atol=1 / 256)


def test_gradients_add_up_until_they_are_cleared():
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = MasterAdamW([{"params": [weight]}], 1e-3)
    for _ in range(2):
        weight.sum().backward()
    [group] = optimizer.param_groups
    assert weight.grad is None and group["params"][0].grad.tolist() == [2.0, 2.0, 2.0]
    optimizer.zero_grad()
    assert group["params"][0].grad is None


def test_a_state_continues_exactly():
    expected = trained(torch.bfloat16, 10)[1].state_dict()
    weight, half = trained(torch.bfloat16, 5)
    weight = torch.nn.Parameter(weight.detach().clone())
    again = MasterAdamW([{"params": [weight]}], 1e-3)
    again.load_state_dict(half.state_dict())
    trained(torch.bfloat16, 5, again, weight)
    torch.testing.assert_close(again.state_dict(), expected, rtol=0, atol=0)


def test_one_optimizer_after_the_other_trains_the_same_weights():
    weight, first = trained(torch.bfloat16, 5)
    first.release()
    before = weight.detach().clone()
    _, second = trained(torch.bfloat16, 20, MasterAdamW([{"params": [weight]}], 1e-3), weight)
    assert (weight < before).all() and second.copies[0][1].grad is not None


@pytest.mark.parametrize("shape", ["constant", "linear", "cosine"])
def test_without_warm_up_a_schedule_is_that_of_transformers(shape):
    transformers = pytest.importorskip("transformers")
    optimizer = MasterAdamW([{"params": [torch.nn.Parameter(torch.ones(1))]}], 1.0)
    theirs = transformers.get_scheduler(shape, optimizer, 0, 20).lr_lambdas[0]
    expected = pytest.approx([theirs(step) for step in range(20)])
    assert [schedule(step, 20, 0, shape) for step in range(20)] == expected


@pytest.mark.parametrize("warmup", [3, 0.3, 0.21])  # 0.21 of 10 steps are 3, rounded up
def test_rates_rise_and_fall_by_steps_each_group_from_its_own(warmup):
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    config = OptimizerConfig(learning_rate=0.1, lr_schedule="linear", warmup_steps=warmup)
    optimizer = optimizer_of(config, [{"params": weights[:1]}, {"params": weights[1:], "lr": 1.0}])
    found = []
    for step in range(10):
        metrics = anneal(config, optimizer, step, 10)
        found.append([group["lr"] for group in optimizer.param_groups])
        assert metrics == {"learning_rate": found[-1][0]}
    shares = [1 / 3, 2 / 3, 1, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7]
    expected = [[pytest.approx(0.1 * share), pytest.approx(share)] for share in shares]
    assert found == expected


def test_weight_decay_and_betas_are_those_of_adamw():
    config = OptimizerConfig(learning_rate=1e-3, weight_decay=0.1, adam_beta1=0.8, adam_beta2=0.99)
    weight, again = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    theirs = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.1, betas=(0.8, 0.99))
    trained(torch.float32, 10, theirs, weight)
    trained(torch.float32, 10, optimizer_of(config, [{"params": [again]}]), again)
    assert torch.equal(weight, again) and not torch.equal(weight, trained(torch.float32, 10)[0])


@pytest.mark.parametrize(
    ("field", "value", "condition"),
    [
        ("weight_decay", -0.1, "at least 0"),
        ("adam_beta2", 1.0, r"in \[0, 1\)"),
        ("warmup_steps", -1, "at least 0"),
        ("lr_schedule", "cosin", "one of"),
    ],
)
def test_what_no_optimiser_can_have_is_refused(field, value, condition):
    with pytest.raises(ValueError, match=f"`{field}` must be {condition}"):
        OnPolicyConfig(**{field: value})


def test_a_schedule_goes_on_where_it_stopped(bandit):
    config = GRPOConfig(
        num_steps=6, learning_rate=0.1, lr_schedule="cosine", warmup_steps=2, weight_decay=0.1,
        sampling=Sampling(max_tokens=1),
    )  # fmt: skip

    def run(policy, envs, saved=None, num_steps=6):
        state = start(policy, config)
        if saved is not None:
            state.load_state_dict(saved)
        steps = train(envs, policy, config, state)
        rates = [next(steps)["learning_rate"] for _ in range(num_steps)]
        return rates, state.state_dict()

    whole, expected = run(bandit.TablePolicy(), bandit.make(16))
    policy, envs = bandit.TablePolicy(), bandit.make(16)
    first, saved = run(policy, envs, num_steps=3)
    rest, found = run(policy, envs, saved, num_steps=3)
    assert first + rest == whole == [0.05, *(0.1 * schedule(step, 6, 2) for step in range(1, 6))]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
