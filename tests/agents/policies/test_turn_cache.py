"""Episodes of several turns: states are kept from turn to turn, and the numbers stay those of the text."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from edgewise.agents.policies.fast_decode import FastDecoder  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402

PROMPTS = ["[3, 5] -> 8 \\boxed{}:", "[12, 5, 2] -> 26 \\boxed{}:", "[4, 4] -> 1 \\boxed{}:"] * 4
TOLD = ["Wrong. It equals 3. Try again.", "", "Wrong.", "no"] * 3
SAMPLING = Sampling(max_tokens=16)


@pytest.fixture(scope="module")
def policy(tiny_model):
    return TransformersPolicy.load(tiny_model)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def play(policy, num_turns=4):
    """Return episodes of which some end after a turn, some after two and some after all."""
    generator = seeded()
    completions = policy.generate(PROMPTS, SAMPLING, generator)
    for turn in range(num_turns - 1):
        told = [text if row % num_turns >= turn else "" for row, text in enumerate(TOLD)]
        completions = policy.extend(completions, told, SAMPLING, generator)
    return completions


def test_kept_states_give_the_tokens_of_the_plain_way(policy):
    fast = play(policy)
    policy.fast = False
    try:
        plain = play(policy)
    finally:
        policy.fast = True
    assert torch.equal(fast.tokens, plain.tokens) and torch.equal(fast.mask, plain.mask)
    torch.testing.assert_close(fast.logprobs, plain.logprobs, atol=1e-5, rtol=0)


def test_only_what_is_new_is_computed_from_the_third_turn_on(policy, monkeypatch):
    read = []
    prefill = FastDecoder.prefill

    def counted(self, tokens, attention, places, past=None):
        read.append(tokens.shape[1] - (0 if past is None else past.length))
        return prefill(self, tokens, attention, places, past)

    monkeypatch.setattr(FastDecoder, "prefill", counted)
    play(policy)
    told = len(TOLD[0])
    assert len(read) == 4 and read[1] > read[0] + told  # all of it, of which the states are kept
    assert max(read[2:]) <= SAMPLING.max_tokens + told  # the turn before, and what was observed


def test_rows_of_a_group_that_are_still_alike_take_a_further_turn(policy):
    greedy = Sampling(max_tokens=8, temperature=0.0)
    prompts = [prompt for prompt in PROMPTS[:3] for _ in range(2)]
    completions = policy.generate(prompts, greedy, seeded())
    for _ in range(2):
        completions = policy.extend(completions, ["Wrong."] * 6, greedy, seeded())
    assert completions.texts[::2] == completions.texts[1::2]
    scores = policy.logprobs(completions)
    torch.testing.assert_close(scores, completions.logprobs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("told", ["end", "nothing"])
def test_an_observation_of_no_more_than_an_end_is_followed_all_the_same(tiny_model, told, fast):
    policy = TransformersPolicy.load(tiny_model)
    policy.fast = fast
    if told == "nothing":  # of which the tokenizer makes no token
        policy.tokenizer.backend_tokenizer.normalizer = tokenizers.normalizers.Strip()
    policy.ends = torch.arange(policy.model.config.vocab_size)  # all of them, so that rows end
    first = policy.generate(PROMPTS, Sampling(max_tokens=4), seeded())
    texts = [" " if told == "nothing" else policy.tokenizer.decode(row[-1]) for row in first.tokens]
    second = policy.extend(first, texts, Sampling(max_tokens=3), seeded())
    scores = policy.logprobs(second)
    torch.testing.assert_close(scores, second.logprobs, atol=1e-5, rtol=0)
    policy.fast = not fast
    torch.testing.assert_close(policy.logprobs(second), scores, atol=1e-5, rtol=0)


@pytest.mark.parametrize("change", ["weights", "tokens", "another batch"])
def test_states_of_other_weights_or_texts_are_not_used(policy, change, monkeypatch):
    start = play(policy, num_turns=2)
    policy.extend(start, ["a"] * 12, SAMPLING, seeded())
    if change == "weights":
        with torch.no_grad():
            next(iter(policy.parameters())).add_(0.0)
    elif change == "tokens":
        start.tokens[:, 20] = 40
    else:
        start = start.select(torch.arange(11, -1, -1))
    found = policy.turns.find(
        torch.arange(12),
        torch.cat([start.tokens, start.tokens], dim=1),
        torch.cat([start.attention, start.attention], dim=1),
        [weight._version for weight in policy.model.parameters()],
    )
    assert found is None


def test_log_probabilities_of_an_episode_are_those_of_its_text_read_at_once(policy):
    episodes = play(policy)
    with torch.no_grad():
        learned = policy.logprobs(episodes)
        for row in range(6):
            seen = episodes.attention[row].bool()
            tokens = episodes.tokens[row, seen][None]
            logits = policy.model(input_ids=tokens).logits[0, :-1].log_softmax(dim=-1)
            once = logits.gather(1, tokens[0, 1:, None])[:, 0] * episodes.mask[row, seen][1:]
            torch.testing.assert_close(once, learned[row, seen][1:], atol=1e-5, rtol=0)
            torch.testing.assert_close(once, episodes.logprobs[row, seen][1:], atol=1e-5, rtol=0)


def test_the_gradient_of_observed_tokens_is_exactly_zero(tiny_model):
    """Without layers a state is of its own token alone, so its row of the embeddings tells its part."""
    policy = TransformersPolicy.load(tiny_model)
    shape = {**policy.model.config.to_dict(), "num_hidden_layers": 0, "tie_word_embeddings": False}
    del shape["layer_types"]
    model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**shape))
    policy = TransformersPolicy(model, policy.tokenizer, fast=False)
    start = policy.generate(["?"] * 4, SAMPLING, seeded())
    episodes = policy.extend(start, ["It equals 3.", "", "No.", "Again!"], SAMPLING, seeded())
    policy.logprobs(episodes).sum().backward()
    gradient = model.get_input_embeddings().weight.grad.abs().sum(dim=1)
    before_sampled = set(episodes.tokens[:, :-1][episodes.mask[:, 1:] > 0].tolist())
    observed = (episodes.attention * (1 - episodes.mask)).bool()
    others = sorted(set(episodes.tokens[observed].tolist()) - before_sampled)
    assert len(others) > 5 and not gradient[others].any()
    assert gradient[sorted(before_sampled)].all()
