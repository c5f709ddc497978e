"""Means, divergences and the step down a loss, against numbers worked by hand."""

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.losses import (  # noqa: E402
    kl,
    optimizer_step,
    sequence_mean,
    token_weights,
)
from edgewise.agents.algorithms.token_rewards import penalize, whiten  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402

VALUES = torch.tensor([[9.0, 1.0, 2.0], [9.0, 6.0, 9.0]])
MASK = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        ("token", (1 + 2 + 6) / 3),
        ("sequence", ((1 + 2) / 2 + 6) / 2),
        ("constant", (1 + 2 + 6) / (2 * 5)),
    ],
)
def test_a_mean_is_a_weighted_sum(mean, expected):
    weights = token_weights(MASK, mean, max_tokens=5)
    assert (VALUES * weights).sum().item() == pytest.approx(expected)
    assert not weights[MASK == 0].any()


def test_a_sequence_mean_is_over_its_own_tokens():
    assert sequence_mean(VALUES, MASK).tolist() == [1.5, 6.0]
    assert sequence_mean(torch.tensor([[1.0, -1.0]]).abs(), torch.ones(1, 2)).tolist() == [1.0]


def test_whitened_values_have_mean_0_and_unbiased_variance_1():
    # 1, 2, 6: mean 3, deviations -2, -1, 3, variance 14 / 2
    expected = torch.tensor([[0.0, -2.0, -1.0], [0.0, 3.0, 0.0]]) / math.sqrt(7)
    torch.testing.assert_close(whiten(VALUES, MASK), expected)
    assert not whiten(torch.ones(2, 3), MASK).any()
    assert not whiten(torch.ones(1, 1), torch.ones(1, 1)).any()


@pytest.mark.parametrize(
    ("estimator", "expected"),
    # reference / policy = 2
    [("k1", -math.log(2)), ("k2", math.log(2) ** 2 / 2), ("k3", 2 - math.log(2) - 1)],
)
def test_divergence_is_estimated_per_token(estimator, expected):
    estimate = kl(torch.tensor([[-3.0]]), torch.tensor([[-3.0 + math.log(2)]]), estimator)
    torch.testing.assert_close(estimate, torch.tensor([[expected]]))


def test_estimates_of_the_divergence_agree_on_average():
    policy, reference = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.45, 0.35, 0.2])
    exact = (policy * (policy / reference).log()).sum()
    for estimator, tolerance in (("k1", 1e-6), ("k2", 2e-4), ("k3", 1e-6)):
        average = (policy * kl(policy.log(), reference.log(), estimator)).sum()
        torch.testing.assert_close(average, exact, atol=tolerance, rtol=0)


def test_the_penalty_is_the_divergence_at_each_sampled_token(bandit):
    policy = bandit.TablePolicy()
    completions = policy.generate(["1", "2"], Sampling(), torch.Generator().manual_seed(0))
    sampled = replace(completions, logprobs=completions.logprobs + math.log(2))
    penalty, metrics = penalize(policy, sampled, 0.5)
    torch.testing.assert_close(penalty, 0.5 * math.log(2) * completions.mask)
    assert metrics["kl"] == pytest.approx(math.log(2))
    penalty, metrics = penalize(None, sampled, 0.5)
    assert not penalty.any() and not metrics


def test_only_k1_has_no_gradient_on_average():
    logits, reference = torch.tensor([1.0, 0.0, -1.0]), torch.tensor([0.5, 0.2, 0.3]).log()
    gradients = {}
    for estimator in ("k1", "k2", "exact"):
        leaf = logits.clone().requires_grad_()
        logprobs = leaf.log_softmax(0)
        drawn = logprobs.exp() if estimator == "exact" else logprobs.exp().detach()
        terms = kl(logprobs, reference, "k1" if estimator == "exact" else estimator)
        (gradients[estimator],) = torch.autograd.grad((drawn * terms).sum(), leaf)
    torch.testing.assert_close(gradients["k1"], torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(gradients["k2"], gradients["exact"])


def test_a_gradient_is_cut_to_its_greatest_norm():
    weight = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    loss = (weight * torch.tensor([3.0, 4.0])).sum()
    loss.backward()
    metrics = optimizer_step(loss.item(), optimizer, max_grad_norm=1.0)
    assert metrics == {"loss": 7.0, "grad_norm": 5.0}
    torch.testing.assert_close(weight.data, torch.tensor([1 - 0.6, 1 - 0.8]))


def test_a_loss_of_nothing_is_an_update_with_gradient_0():
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizers = [torch.optim.AdamW([weight], lr=0.1, weight_decay=0.0) for weight in weights]
    for weight, optimizer in zip(weights, optimizers, strict=True):
        weight.sum().backward()
        optimizer_step(2.0, optimizer, 10.0)
        optimizer.zero_grad()
    optimizer_step(0.0, optimizers[0], 10.0)
    (weights[1].sum() * 0).backward()
    optimizer_step(0.0, optimizers[1], 10.0)
    assert torch.equal(*weights) and (weights[0] < 0.9).all()


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_changes_nothing(factor):
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    loss = (weight * factor).sum()
    loss.backward()
    with pytest.raises(FloatingPointError, match=r"`loss` must be finite, got (nan|inf) with"):
        optimizer_step(loss.item(), optimizer, 1.0)
    assert torch.equal(weight.data, torch.ones(2)) and not optimizer.state
