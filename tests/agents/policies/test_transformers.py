"""Sampling against a full forward pass and against the library's own, on a tiny random model."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from edgewise import Frame  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.sampling import choose, nucleus  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402

PROMPTS = ["1 + 1 = ", "[3, 5, 2] -> 16 in \\boxed{}: ", "?", "1 + 1 = "]


@pytest.fixture(scope="module")
def policy():
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        initializer_range=0.2,  # so that the distributions are not flat
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return TransformersPolicy(transformers.Qwen2ForCausalLM(config), tokenizer)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def many(policy, max_tokens=40):
    """Return 64 completions, some of which end before the others."""
    return policy.generate(PROMPTS * 16, Sampling(max_tokens=max_tokens), seeded())


def test_log_probabilities_are_those_of_a_full_forward_pass(policy):
    completions = many(policy)
    lengths = completions.mask.sum(dim=1)
    assert lengths.min() < 20 and lengths.max() == 40
    again = policy.logprobs(completions)
    torch.testing.assert_close(again, completions.logprobs, atol=1e-5, rtol=0)
    again.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in policy.parameters())


def test_log_probabilities_are_of_the_model_at_any_temperature(policy):
    sampling = Sampling(max_tokens=8, temperature=0.5, top_p=0.9)
    completions = policy.generate(PROMPTS, sampling, seeded())
    torch.testing.assert_close(policy.logprobs(completions), completions.logprobs)


def test_a_padded_row_scores_as_it_does_alone(policy):
    completions = many(policy)
    for row in range(4):
        kept = completions.attention[row].bool()
        names = ("tokens", "attention", "mask", "logprobs")
        parts = [getattr(completions, name)[row, kept][None] for name in names]
        alone = policy.logprobs(replace(completions, **dict(zip(names, parts, strict=True))))
        padded = policy.logprobs(completions)[row, kept]
        torch.testing.assert_close(alone[0], padded, atol=1e-5, rtol=0)


def test_values_are_read_before_each_token_and_change_no_log_probability(policy):
    completions = many(policy)
    assert not policy.values(completions).any()  # the head is 0 at the start
    policy.value_head.weight.data.copy_(torch.linspace(-1, 1, 32)[None])
    logprobs, values = policy.logprobs_and_values(completions)
    torch.testing.assert_close(logprobs, policy.logprobs(completions), atol=1e-6, rtol=0)
    for row in (0, 1, 2):
        kept = completions.attention[row].bool()
        output = policy.model(
            completions.tokens[row, kept][None], output_hidden_states=True, use_cache=False
        )
        before = policy.value_head(output.hidden_states[-1][0, :-1])[:, 0]
        sampled = completions.mask[row, kept].bool()
        expected = before[sampled[1:]]  # the value of a token is that of the state before it
        torch.testing.assert_close(values[row, kept][sampled], expected, atol=1e-5, rtol=0)
    assert not values[completions.mask == 0].any()
    values.sum().backward()
    assert policy.value_head.weight.grad.any()
    policy.model.zero_grad()
    policy.value_head.weight.data.zero_()


def test_greedy_completions_are_those_of_the_library(policy):
    ours = policy.generate(PROMPTS, Sampling(max_tokens=12, temperature=0), seeded())
    batch = policy.tokenizer(PROMPTS, return_tensors="pt", padding=True)
    theirs = policy.model.generate(
        batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=12,
        do_sample=False,
        pad_token_id=policy.tokenizer.pad_token_id,
    )
    assert torch.equal(ours.tokens, theirs)


def test_a_row_ends_with_the_end_token_or_at_the_limit(policy):
    completions = many(policy)
    end = policy.tokenizer.eos_token_id
    prompt = policy.tokenizer(PROMPTS, padding=True, return_tensors="pt")["attention_mask"]
    for row in range(64):
        sampled = completions.tokens[row, completions.mask[row].bool()]
        ended = bool((sampled == end).any())
        assert ended or len(sampled) == 40
        assert not ended or (sampled == end).nonzero().tolist() == [[len(sampled) - 1]]
        assert completions.attention[row].sum() == prompt[row % 4].sum() + len(sampled)
        text = policy.tokenizer.decode(sampled, skip_special_tokens=True)
        assert completions.texts[row] == text
    assert completions.mask.any(dim=0).sum() == 40
    assert not completions.logprobs[completions.mask == 0].any()


def test_the_generator_alone_decides_the_tokens(policy):
    torch.manual_seed(1)
    first = policy.generate(PROMPTS, Sampling(max_tokens=8), seeded())
    torch.manual_seed(2)
    assert torch.equal(first.tokens, policy.generate(PROMPTS, Sampling(8), seeded()).tokens)
    assert first.texts != policy.generate(PROMPTS, Sampling(8), seeded(1)).texts
    assert first.texts[0] != first.texts[3]  # the same prompt


def test_completions_end_with_a_stop_string(policy):
    free = policy.generate(PROMPTS, Sampling(max_tokens=24), seeded())
    stop = free.texts[0][3:5]
    stopped = policy.generate(PROMPTS, Sampling(max_tokens=24, stop=(stop, "\0")), seeded())
    for before, after in zip(free.texts, stopped.texts, strict=True):
        assert after == before[: before.index(stop) + len(stop)] if stop in before else before


def test_a_further_turn_follows_its_observation(policy):
    first = policy.generate(PROMPTS, Sampling(max_tokens=6), seeded())
    observations = ["no, 12", "", "again", "well?"]
    second = policy.extend(first, observations, Sampling(max_tokens=7), seeded(1))
    assert second.texts[1] == first.texts[1]
    assert torch.equal(second.mask[1].nonzero(), first.mask[1].nonzero())
    torch.testing.assert_close(policy.logprobs(second), second.logprobs, atol=1e-5, rtol=0)
    shown = policy.tokenizer.decode(second.tokens[0, second.attention[0].bool()])
    assert "no, 12" in shown and shown.startswith("<bos>1 + 1 = " + first.texts[0])
    same = policy.extend(first, [""] * 4, Sampling(max_tokens=7), seeded(1))
    assert torch.equal(same.tokens, first.tokens)


def test_top_p_keeps_the_fewest_tokens_that_reach_it():
    probabilities = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.25, 0.25, 0.25, 0.25]])
    kept = torch.tensor([[0.0, 0.5, 0.0, 0.25], [0.25, 0.25, 0.25, 0.0]])  # .5 < .7 <= .5 + .25
    torch.testing.assert_close(nucleus(probabilities, 0.7), kept)
    # within .5 and .25, two thirds are the first's
    picks = [
        choose(probabilities[:1].log(), Sampling(top_p=0.7), torch.tensor([[uniform]]).double())
        for uniform in (0.0, 0.66, 0.67, 1 - 1e-16)
    ]
    assert torch.cat(picks).flatten().tolist() == [1, 1, 3, 3]


def test_frequencies_follow_the_temperature():
    logits = torch.tensor([[0.0, 1.0, 2.0]]).repeat(20_000, 1)
    uniform = torch.rand(20_000, 1, generator=seeded(), dtype=torch.float64)
    picks = choose(logits, Sampling(temperature=0.5), uniform)
    expected = (torch.tensor([0.0, 1.0, 2.0]) / 0.5).softmax(0)
    torch.testing.assert_close(picks.flatten().bincount() / 20_000, expected, atol=0.01, rtol=0)


def test_a_saved_policy_loads(policy, tmp_path):
    policy.save(tmp_path)
    loaded = TransformersPolicy.load(tmp_path)
    args = (PROMPTS, Sampling(max_tokens=8))
    assert loaded.generate(*args, seeded()).texts == policy.generate(*args, seeded()).texts


@pytest.mark.parametrize("damage", ["nothing", "config", "weights"])
def test_a_folder_that_does_not_load_is_one_clear_line(policy, tmp_path, damage):
    if damage != "nothing":
        policy.save(tmp_path)
        name = {"config": "config.json", "weights": "model.safetensors"}[damage]
        (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match="`model` must be a folder or hub id") as caught:
        TransformersPolicy.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("after", ["", "Let me think.\n<think>"])
def test_a_chat_in_the_models_markup_is_that_of_the_frame(policy, after):
    frame = Frame(before="Be brief.", after=after, chat=True)
    assert policy.render(frame.messages("1 + 1?")) == frame.text("1 + 1?")


def test_gradient_checkpointing_changes_no_gradient(policy):
    completions, found = many(policy), []
    policy.fast = False  # the fast way is that of another sum
    policy.model.zero_grad()
    for checkpointed in (False, True):
        policy.gradient_checkpointing = checkpointed
        logprobs, values = policy.logprobs_and_values(completions)
        ((logprobs.sum() + values.sum()) / completions.mask.sum()).backward()
        found.append([weight.grad.clone() for weight in policy.parameters()])
        policy.model.zero_grad()
    policy.gradient_checkpointing, policy.fast = False, True
    torch.testing.assert_close(*found, rtol=0, atol=1e-6)  # sums of other orders


def test_log_probabilities_in_bfloat16_are_off_by_steps_of_it(policy, tmp_path):
    policy.save(tmp_path)
    rough = TransformersPolicy.load(tmp_path, torch.bfloat16)
    completions = rough.generate(PROMPTS * 16, Sampling(max_tokens=40), seeded())
    assert completions.logprobs.dtype == torch.float32
    sampled, read = completions.mask.bool(), completions.attention.bool()
    logits = policy.model(completions.tokens, attention_mask=completions.attention).logits
    # the distance of two neighbours in bfloat16 where the largest logits are
    step = torch.finfo(torch.bfloat16).eps * logits.abs().amax(dim=-1)[read].mean()
    for scored in (rough.logprobs(completions), policy.logprobs(completions)):
        steps = (scored - completions.logprobs)[sampled].abs() / step
        assert steps.mean() < 1 and steps.quantile(0.99) < 4
