"""What stands where nothing counts changes neither a loss nor its gradient, whatever it is."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from edgewise.agents.algorithms import grpo, ppo, reinforce, rloo  # noqa: E402
from edgewise.agents.algorithms.losses import (  # noqa: E402
    importance_weights,
    kl,
    masked,
    sequence_mean,
    token_weights,
)
from edgewise.agents.algorithms.on_policy import clipped_surrogate  # noqa: E402
from edgewise.agents.algorithms.token_rewards import penalize, whiten  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import Completions  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402

BAD = [math.nan, math.inf, -math.inf, 1e30, 0.0]
ROWS, LENGTH = 3, 5
CASES = {
    "grpo": lambda x, old, a, v, w: grpo.clipped_loss(x, old, a[:, 0], w, grpo.GRPOConfig())[0],
    "gspo": lambda x, old, a, v, w: grpo.clipped_loss(
        x, old, a[:, 0], w, grpo.GRPOConfig(ratio="sequence")
    )[0],
    "rloo": lambda x, old, a, v, w: rloo.clipped_loss(x, old, a[:, 0], w, rloo.RLOOConfig())[0],
    "rloo, of tokens": lambda x, old, a, v, w: rloo.clipped_loss(
        x, old, a[:, 0], w, rloo.RLOOConfig(ratio="token")
    )[0],
    "ppo": lambda x, old, a, v, w: clipped_surrogate(x - old, v, w, 0.2, 0.2)[0],
    "values": lambda x, old, a, v, w: ppo.clipped_value_loss(
        x, ppo.Estimates(old, v, v), w, ppo.PPOConfig()
    ),
    "reinforce": lambda x, old, a, v, w: reinforce.policy_loss(
        x, old, v, w, reinforce.REINFORCEConfig()
    )[0],
    "reinforce++": lambda x, old, a, v, w: reinforce.policy_loss(
        x, old, v, w, reinforce.REINFORCEPlusPlusConfig()
    )[0],
    "divergence": lambda x, old, a, v, w: (kl(masked(x, w), masked(old, w), "k3") * w).sum(),
    "means": lambda x, old, a, v, w: sequence_mean(x, w).sum(),
    "whitened": lambda x, old, a, v, w: (whiten(x, (w > 0).float()) * masked(old, w)).sum(),
}


def numbers(generator):
    return -torch.rand(ROWS, LENGTH, generator=generator)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), bad=st.lists(st.sampled_from(BAD), min_size=3, max_size=3))
def test_a_loss_and_its_gradient_see_only_what_counts(case, seed, bad):
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(ROWS, LENGTH, generator=generator) < 0.6).float()
    mask[:, 0] = 1.0
    weights = token_weights(mask, "sequence", 5)
    parts = [numbers(generator) for _ in range(4)]
    results = []
    for fills in ([0.0, 0.0, 0.0], bad):
        x, old, values = (
            part.masked_fill(mask == 0, fill)
            for part, fill in zip((parts[0], parts[1], parts[3]), fills, strict=True)
        )
        x = x.clone().requires_grad_()
        loss = case(x, old, parts[2], values, weights)
        loss.backward()
        results.append((loss.detach(), x.grad))
    (loss, gradient), (other, changed) = results
    assert loss.isfinite() and gradient.isfinite().all()
    assert torch.equal(loss, other) and torch.equal(gradient, changed)
    assert not changed[mask == 0].any()


@settings(deadline=None, max_examples=30)
@given(bad=st.sampled_from(BAD))
def test_advantages_skip_what_does_not_count(bad):
    mask = torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]])
    values, config = torch.tensor([[9.0, 0.5, 9.0, 0.25, 9.0]]), ppo.PPOConfig()
    rewards = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0]])
    clean = ppo.gae(rewards, masked(values, mask), mask, config)
    spoilt = ppo.gae(rewards, values.masked_fill(mask == 0, bad), mask, config)
    assert torch.equal(clean, spoilt) and clean.isfinite().all()
    told = SimpleNamespace(baseline="none", standardize_tokens=True)
    penalty = masked(values, mask)
    found = reinforce.token_advantages(torch.tensor([[1.0]]), penalty, mask, told)
    assert found.isfinite().all() and not found[mask == 0].any()


@pytest.mark.parametrize("bad", BAD)
def test_corrections_and_penalties_skip_it_too(bad):
    mask = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    spoilt = torch.full((1, 4), -1.0).masked_fill(mask == 0, bad)
    tokens = torch.zeros(1, 4, dtype=torch.int64)
    completions = Completions([""], tokens, tokens, mask, spoilt, torch.ones(1, dtype=torch.bool))
    same = SimpleNamespace(logprobs=lambda completions: spoilt)
    _, weights, told = importance_weights(same, completions, cap=2.0)
    assert torch.equal(weights, torch.ones(1, 4))
    assert told["sampling/importance_sampling_ratio/mean"] == 1.0
    penalty, told = penalize(same, completions, 1.0)
    assert not penalty.any() and told["kl"] == 0.0


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_padding_token_that_cannot_be_sampled_spoils_nothing(tiny_model, checkpointing):
    policy = TransformersPolicy.load(tiny_model)
    policy.fast = False
    policy.model.double()  # two ways to read are equal to more digits than float32 has here
    head = policy.model.lm_head
    bias = torch.zeros(head.weight.shape[0], dtype=torch.float64)
    bias[policy.padding] = -math.inf
    head.bias = torch.nn.Parameter(bias, requires_grad=False)
    policy.gradient_checkpointing = checkpointing
    found = policy.generate(
        ["1 + 1 = ", "a longer prompt: "] * 4, Sampling(max_tokens=12), torch.Generator()
    )
    assert (found.mask == 0).any() and not (found.tokens[found.mask > 0] == policy.padding).any()
    logprobs = policy.logprobs(found)
    assert logprobs.isfinite().all() and not logprobs[found.mask == 0].any()
    torch.testing.assert_close(logprobs, found.logprobs, atol=1e-5, rtol=0)
    logprobs.sum().backward()
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    assert all(weight.grad.isfinite().all() for weight in trained)
