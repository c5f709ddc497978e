"""The fast way to sample against the library's forward pass: the same tokens from the same draws."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from edgewise.agents.policies.fast_decode import FastDecoder  # noqa: E402
from edgewise.agents.policies.fast_network import recognises  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.read import PlainDecoder  # noqa: E402

PROMPTS = ["1 + 1 = ", "[3, 5, 2] -> 16 in \\boxed{}: ", "?", "1 + 1 = "] * 8


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def both(policy, sampling, after=None):
    """Return what the fast and the plain way sample, in a first turn or `after` one."""
    found = []
    for fast in (True, False):
        policy.fast = fast
        if after is None:
            found.append(policy.generate(PROMPTS, sampling, seeded()))
        else:
            found.append(policy.extend(after, ["no, 12", "", "again", "?"] * 8, sampling, seeded()))
    policy.fast = True
    return found


def assert_same(fast, plain):
    assert torch.equal(fast.tokens, plain.tokens)
    assert torch.equal(fast.attention, plain.attention) and torch.equal(fast.mask, plain.mask)
    assert torch.equal(fast.ended, plain.ended) and fast.texts == plain.texts
    torch.testing.assert_close(fast.logprobs, plain.logprobs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_tokens_are_those_of_the_plain_way(build, kind, temperature):
    policy = build(kind)
    assert recognises(policy.model)
    fast, plain = both(policy, Sampling(max_tokens=40, temperature=temperature))
    assert_same(fast, plain)
    if temperature:  # rows of several lengths were dropped on the way
        assert len(fast.mask.sum(dim=1).unique()) > 10


def test_a_further_turn_and_stop_strings_are_those_of_the_plain_way(build):
    policy = build()
    free = policy.generate(PROMPTS, Sampling(max_tokens=24), seeded())
    stop = free.texts[0][3:5]
    fast, plain = both(policy, Sampling(max_tokens=24, top_p=0.9, stop=(stop, "\0")))
    assert_same(fast, plain)
    assert_same(*both(policy, Sampling(max_tokens=9), after=fast))


def test_a_row_alone_is_what_it_is_among_others(build):
    policy = build()
    sampling = Sampling(max_tokens=30, temperature=0.0)
    among = policy.generate(PROMPTS, sampling, seeded())
    for row in (0, 1, 2):
        alone = policy.generate([PROMPTS[row]], sampling, seeded())
        assert alone.texts[0] == among.texts[row]


def test_the_weights_are_those_after_the_last_update(build):
    policy = build()
    before = policy.state_dict()
    before = {name: weight.clone() for name, weight in before.items()}
    first = policy.generate(PROMPTS, Sampling(max_tokens=12), seeded())
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.05)
    policy.logprobs(first).sum().backward()
    optimizer.step()
    fast, plain = both(policy, Sampling(max_tokens=12))
    assert_same(fast, plain)
    assert fast.texts != first.texts
    policy.load_state_dict(before)
    assert policy.generate(PROMPTS, Sampling(max_tokens=12), seeded()).texts == first.texts


def test_weights_of_half_precision_sample_nearly_the_learners_distribution(build):
    policy = build()
    policy.decode_dtype = torch.bfloat16
    completions = policy.generate(PROMPTS, Sampling(max_tokens=24), seeded())
    assert completions.logprobs.dtype == torch.float32
    difference = (policy.logprobs(completions) - completions.logprobs).abs()
    assert 1e-4 < difference.max() < 0.3  # another sampler, whose own numbers are kept


def test_a_model_of_half_precision_is_sampled(build):
    policy = build()
    policy.model.to(torch.bfloat16)
    completions = policy.generate(PROMPTS, Sampling(max_tokens=24), seeded())
    with torch.no_grad():
        difference = (policy.logprobs(completions) - completions.logprobs).abs()
    assert difference.max() < 0.3


def test_other_structures_take_the_plain_way(build):
    sliding = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}
    adapted = build()
    adapted.model.model.layers[0].mlp.up_proj = torch.nn.Sequential(torch.nn.Linear(32, 64))
    biased = build("llama", mlp_bias=True)
    for policy in (build(**sliding), build(hidden_act="gelu"), adapted, biased):
        assert not recognises(policy.model)
        start = policy.start(PROMPTS, Sampling())
        assert isinstance(policy.decoder(start, torch.arange(8), 4), PlainDecoder)
        policy.generate(PROMPTS, Sampling(max_tokens=4), seeded())


def test_hooks_are_called_for_they_make_a_model_take_the_plain_way(build):
    policy = build()
    fast = policy.generate(PROMPTS, Sampling(max_tokens=4), seeded())
    policy.logprobs(fast)
    calls = []
    mlp = policy.model.model.layers[1].mlp
    for register in (
        mlp.register_forward_hook,
        mlp.register_forward_pre_hook,
        mlp.register_full_backward_hook,
        mlp.register_full_backward_pre_hook,
    ):
        calls.clear()
        handle = register(lambda *arguments: calls.append(1))
        assert not recognises(policy.model)
        assert policy.generate(PROMPTS, Sampling(max_tokens=4), seeded()).texts == fast.texts
        policy.logprobs(fast).sum().backward()
        assert calls
        handle.remove()
        assert recognises(policy.model)


def test_a_replaced_forward_is_called(build):
    policy = build()
    attention, calls = policy.model.model.layers[1].self_attn, []
    forward = attention.forward

    def watched(*arguments, **options):
        calls.append(1)
        return forward(*arguments, **options)

    attention.forward = watched
    policy.generate(PROMPTS, Sampling(max_tokens=4), seeded())
    assert calls
    attention.forward = forward
    assert recognises(policy.model)


def test_hooks_that_the_library_leaves_behind_do_not_count(build):
    policy = build()
    completions = policy.generate(PROMPTS, Sampling(max_tokens=4), seeded())
    policy.fast = False
    policy.values(completions)  # asks the library for hidden states
    assert recognises(policy.model)


def test_rows_that_are_kept_decode_as_before(build):
    policy = build()
    tokens, attention = policy.encode(PROMPTS)
    decoders = [
        FastDecoder(policy.model, torch.float32, tokens, attention, 8),
        PlainDecoder(policy.reader, tokens, attention),
    ]
    rows = torch.tensor([0, 31, 2, 30, 4])
    more = torch.arange(40, 40 + len(PROMPTS))[:, None]
    with torch.no_grad():
        for decoder in decoders:
            decoder.step(more)
            decoder.keep(rows)
        fast, plain = (decoder.step(more[rows]) for decoder in decoders)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=0)


def test_scores_and_gradients_are_those_of_the_plain_way(build, kind):
    policy = build(kind)
    policy.value_head.weight.data.normal_()
    first = policy.generate(PROMPTS, Sampling(max_tokens=20), seeded())
    second = policy.extend(first, ["no, 12", "", "again", "?"] * 8, Sampling(8), seeded())
    for completions in (first.select(torch.tensor([5, 1, 0, 30])), second):
        found = []
        for fast in (True, False):
            policy.fast = fast
            logprobs, values = policy.logprobs_and_values(completions)
            policy.model.zero_grad()
            policy.value_head.zero_grad()
            (logprobs.square().mean() + values.square().mean()).backward()
            parameters = [*policy.parameters(), *policy.value_head.parameters()]
            grads = [weight.grad for weight in parameters if weight.grad is not None]
            found.append([logprobs, values, *(grad.clone() for grad in grads)])
        assert len(found[0]) == len(found[1])
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
