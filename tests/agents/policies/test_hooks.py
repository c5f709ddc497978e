"""A user's hooks and replaced forwards, at the head and around it, count in every way of scoring."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from edgewise.agents.policies.load import load_policy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402

PROMPTS = ["3 + 4 = ", "1 + 5 + 2 = "] * 2


def shift(logits):
    """Logits of flatter distributions, with one token more likely."""
    return 0.3 * logits + 2.0 * (torch.arange(logits.shape[-1]) == 7)


def shift_output(output):
    output.logits = shift(output.logits)
    return output


def replace_forward(policy):
    head = policy.model.lm_head
    forward = head.forward
    head.forward = lambda states: shift(forward(states))


WAYS = {
    "after the head": lambda policy: policy.model.lm_head.register_forward_hook(
        lambda module, inputs, output: shift(output)
    ),
    "before the head": lambda policy: policy.model.lm_head.register_forward_pre_hook(
        lambda module, inputs: (0.3 * inputs[0],)
    ),
    "after the model": lambda policy: policy.model.register_forward_hook(
        lambda module, inputs, output: shift_output(output)
    ),
    "a replaced forward": replace_forward,
}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_hooked_is_scored_as_it_samples(way, checkpointing):
    policy = load_policy("seedling:sums")
    policy.gradient_checkpointing = checkpointing
    policy.budget.tokens, policy.reader.chunk = 100, 8
    sampling = Sampling(max_tokens=10)
    before = policy.generate(PROMPTS, sampling, torch.Generator().manual_seed(0))
    without = policy.logprobs(before).detach()  # so that what the model is has been looked at
    WAYS[way](policy)
    assert (policy.logprobs(before).detach() - without).abs().max() > 0.1
    found = policy.generate(PROMPTS, sampling, torch.Generator().manual_seed(0))
    logprobs = policy.logprobs(found)
    torch.testing.assert_close(logprobs.detach(), found.logprobs, atol=1e-4, rtol=0)
    logprobs.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in policy.model.parameters())


def test_hooks_on_gradients_are_called_with_those_of_logits():
    policy, shapes = load_policy("seedling:sums"), []
    policy.budget.tokens, policy.reader.chunk = 100, 8
    found = policy.generate(PROMPTS, Sampling(max_tokens=10), torch.Generator().manual_seed(0))
    policy.model.lm_head.register_full_backward_hook(
        lambda module, inner, outer: shapes.append(outer[0].shape[-1])
    )
    policy.logprobs(found).sum().backward()
    assert set(shapes) == {policy.model.config.vocab_size}
