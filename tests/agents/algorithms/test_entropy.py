"""The entropy bonus has the value and the gradient of the entropy, in the mean over what is sampled."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.catalogue import ALGORITHMS  # noqa: E402
from edgewise.agents.algorithms.entropy import EntropyConfig, with_entropy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402


@pytest.mark.parametrize("stale", [0.0, 0.7])
def test_in_the_mean_it_is_the_entropy_and_so_is_its_gradient(stale):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    sampler = logits.detach() + stale * torch.randn(4, generator=generator, dtype=torch.float64)
    own, old = logits.log_softmax(0)[None], sampler.log_softmax(0)[None]  # every token once
    config = EntropyConfig(entropy_coef=0.5)
    loss, metrics = with_entropy(torch.zeros(()), {}, own, old, old.exp(), config)
    entropy = -(own.exp() * own).sum()
    assert metrics["entropy"] == pytest.approx(entropy.item())
    assert loss.item() == pytest.approx(-0.5 * entropy.item())
    found, expected = (
        torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (loss, entropy)
    )
    torch.testing.assert_close(found, -0.5 * expected)


def test_masked_tokens_do_not_count_whatever_they_are():
    own = torch.tensor([[-1.0, float("nan"), -torch.inf]], requires_grad=True)
    weights = torch.tensor([[1.0, 0.0, 0.0]])
    config = EntropyConfig(entropy_coef=1.0)
    loss, metrics = with_entropy(torch.zeros(()), {}, own, own.detach(), weights, config)
    loss.backward()
    assert metrics["entropy"] == 1.0 and own.grad.tolist() == [[-1.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "grpo")) for name in ALGORITHMS],
)
def test_a_large_bonus_keeps_the_policy_from_deciding(bandit, name):
    def entropies(coef):
        policy, envs = bandit.TablePolicy(), bandit.make(128)
        size = {"num_steps": 20, "learning_rate": 0.3, "sampling": Sampling(max_tokens=1)}
        config = ALGORITHMS[name].config(entropy_coef=coef, **size)
        steps = ALGORITHMS[name].train(envs, policy, config, ALGORITHMS[name].start(policy, config))
        found = list(steps)
        assert all(("entropy" in metrics) == (coef > 0) for metrics in found)
        assert [late["step"] - early["step"] for early, late in pairwise(found)] == [1] * 19
        chances = policy.logits.detach().softmax(-1)
        return -(chances * chances.log()).sum(-1).mean().item()

    assert entropies(5.0) > entropies(0.0) + 0.1
