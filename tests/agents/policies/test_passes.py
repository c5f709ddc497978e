"""What is computed in passes is what is computed at once, whatever the memory holds."""

import ctypes
import resource
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from edgewise.agents.algorithms import grpo, ppo, reinforce, rloo  # noqa: E402
from edgewise.agents.policies import memory  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.passes import Budget, last_columns, within_memory  # noqa: E402
from edgewise.agents.policies.policy import Completions  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 64,
    "initializer_range": 0.1,  # so that the distributions are not flat
}
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def random_policy(name="Qwen2", **sizes):
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = getattr(transformers, f"{name}Config")
    found = config(**{**SIZES, "vocab_size": len(tokenizer), **ends, **sizes})
    model = transformers.AutoModelForCausalLM.from_config(found)
    policy = TransformersPolicy(model, tokenizer)
    torch.nn.init.normal_(policy.value_head.weight)
    return policy


def sampled(policy, seed, num_rows=12):
    """Completions of prompts of several lengths, some of two turns, with other log-probabilities."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 12, (num_rows // 4,), generator=generator).tolist()
    prompts = [prompt for length in lengths for prompt in ["1 + 2 = 3, "[:length]] * 4]
    found = policy.generate(prompts, Sampling(max_tokens=12), generator)
    found = policy.extend(
        found, ["no", "", "again, ", ""] * (num_rows // 4), Sampling(4), generator
    )
    noise = torch.randn(found.logprobs.shape, generator=generator) / 20
    return replace(found, logprobs=found.logprobs + noise * found.mask)


def rows_of(lengths):
    """Completions of which only the lengths matter."""
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).float()
    tokens = torch.zeros(mask.shape, dtype=torch.int64)
    ended = torch.ones(len(lengths), dtype=torch.bool)
    return Completions([""] * len(lengths), tokens, tokens + 1, mask, mask, ended)


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(1, 400))
def test_passes_have_every_row_once_and_no_more_tokens_than_the_budget(lengths, tokens):
    completions, budget = rows_of(lengths), Budget(tokens)
    passes = budget.split(completions)
    assert sorted(torch.cat(passes).tolist()) == list(range(len(lengths)))
    ends = last_columns(completions)
    assert ends.tolist() == lengths
    for rows in passes:
        assert len(rows) * ends[rows].max() <= tokens or len(rows) == 1
        assert len(budget.split(completions.select(rows))) == 1
    if len(passes) == 1:  # then nothing changes place
        assert passes[0].tolist() == list(range(len(lengths)))
    else:
        longest = [int(ends[rows].max()) for rows in passes]
        shortest = [int(ends[rows].min()) for rows in passes]
        assert all(least >= most for least, most in zip(shortest, longest[1:], strict=False))


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(1, 400))
def test_a_budget_is_halved_until_a_pass_has_one_row(lengths, tokens):
    completions, budget = rows_of(lengths), Budget(tokens)
    before = max(len(rows) for rows in budget.split(completions))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(20):
            try:
                budget.halve(completions, "no room")
            except MemoryError as error:
                assert "for a pass over one completion" in str(error) and "no room" in str(error)
                break
            assert budget.tokens <= tokens / 2
            tokens = budget.tokens
        else:
            pytest.fail("never ends")
    assert max(lengths) * 2 > budget.tokens or before == 1


def test_ranks_in_step_do_not_halve_and_say_what_to_give():
    def compute():
        raise RuntimeError("CUDA out of memory. Tried to allocate\nmore")

    budget = Budget(4_096, in_step=True)
    with pytest.raises(
        MemoryError,
        match=r"cannot halve alone: CUDA out of memory\..*; give --max-tokens-per-pass 2048",
    ):
        within_memory(budget, rows_of([3]), compute)
    assert budget.tokens == 4_096


LOSSES = {
    "grpo": grpo.GRPOConfig(kl_coef=0.1, importance_cap=2.0, kl_weighted=True),
    "dr-grpo": grpo.GRPOConfig(loss_mean="constant", clip_eps_high=0.28),
    "gspo": grpo.GRPOConfig(ratio="sequence", loss_mean="sequence"),
    "rloo": rloo.RLOOConfig(),
    "rloo-token": rloo.RLOOConfig(ratio="token"),
    "ppo": ppo.PPOConfig(num_minibatches=1),
    "reinforce": reinforce.REINFORCEConfig(),
    "reinforce++": reinforce.REINFORCEPlusPlusConfig(),
}


def gradients(policy, completions, name, seed):
    """The gradients and metrics of an update that changes next to nothing."""
    config = replace(
        LOSSES[name], learning_rate=1e-20, max_grad_norm=1e9, sampling=Sampling(max_tokens=12)
    )
    module = next(m for m in (grpo, rloo, ppo, reinforce) if type(config).__name__ in vars(m))
    state = module.start(policy, config)
    generator = torch.Generator().manual_seed(seed)
    shape = completions.mask.shape if module is reinforce else completions.mask.shape[:1]
    advantages = torch.randn(shape, generator=generator)
    advantages[::5] = 0.0
    if module is ppo:
        advantages = ppo.estimate(
            policy, completions, torch.randn(completions.mask.shape, generator=generator), config
        )
    metrics = module.improve(policy, completions, advantages, config, state)
    weights = [weight for group in state.optimizer.param_groups for weight in group["params"]]
    return [weight.grad.clone() for weight in weights], metrics


# every loss in the usual way, and the other ways with losses that differ in what they divide by
QUICK = {*((name, "fast") for name in LOSSES), ("grpo", "cached"), ("ppo", "cached"),
         ("gspo", "checkpointed"), ("rloo-token", "checkpointed")}  # fmt: skip
WAYS = [
    pytest.param(name, way, marks=[pytest.mark.slow] * ((name, way) not in QUICK))
    for way in ("fast", "cached", "checkpointed")
    for name in LOSSES
]


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))]
)
@pytest.mark.parametrize(("name", "way"), WAYS)
def test_gradients_in_passes_and_chunks_are_those_of_the_undivided_batch(name, way, seed):
    policy = random_policy()
    completions = sampled(policy, seed)
    policy.fast = way == "fast"
    expected, whole = gradients(policy, completions, name, seed)
    policy.gradient_checkpointing = way == "checkpointed"
    policy.budget.tokens, policy.reader.chunk = 100 - 20 * seed, 16 * (1 + seed)
    assert len(policy.budget.split(completions)) >= 3
    found, metrics = gradients(policy, completions, name, seed)
    found, expected = (torch.cat([part.flatten() for part in parts]) for parts in (found, expected))
    rounding = 3e-6 if name == "rloo" else 1e-6  # whose ratio is a product of those of all tokens
    assert (found - expected).norm() < rounding * expected.norm()
    assert metrics == pytest.approx(whole, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", ["Gemma2", "Cohere", "GPT2"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_other_models_are_scored_as_they_sample(name, checkpointing):
    more = {"n_embd": 32, "n_layer": 2, "n_head": 2} if name == "GPT2" else {}
    more |= {"head_dim": 16, "final_logit_softcapping": 2.0} if name == "Gemma2" else {}
    policy = random_policy(name, **more)
    policy.gradient_checkpointing = checkpointing
    policy.budget.tokens, policy.reader.chunk = 100, 8
    found = policy.generate(["1 + 1 = ", "?"] * 6, Sampling(max_tokens=10), torch.Generator())
    logprobs, values = policy.logprobs_and_values(found)
    torch.testing.assert_close(logprobs, found.logprobs, atol=1e-5, rtol=0)
    assert policy.reader.plain is (name == "GPT2")
    assert (values[found.mask > 0] != 0).all()


@pytest.mark.parametrize("scale", [1.0, 0.6])
@pytest.mark.parametrize("bias", [False, True])
def test_a_chunk_of_logits_computed_again_has_their_gradient(scale, bias):
    from edgewise.agents.policies.head import Head, token_logprobs

    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(16, 50, bias=bias)
    states = torch.randn(30, 16, generator=generator, requires_grad=True)
    tokens = torch.randint(50, (30,), generator=generator)
    outer = torch.randn(30, generator=generator)
    found = []
    for own in (Head.of(head), Head(head.forward)):
        for chunk in (7, 30, 1000):
            logprobs = token_logprobs(own, states, tokens, scale, chunk)
            inputs = [states, *head.parameters()]
            found.append([logprobs, *torch.autograd.grad((logprobs * outer).sum(), inputs)])
    exact = (head(states).double() / scale).log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    torch.testing.assert_close(found[0][0].double(), exact, atol=1e-5, rtol=0)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=1e-5, rtol=0)


M_MMAP_THRESHOLD = -3  # of malloc.h


def with_little_memory(work, megabytes, results):
    """Do `work` with as many more megabytes of addresses than there are; tell what was warned of."""
    memory.KEPT = 0  # else what is computed first leaves enough for the second
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**16)  # what is large is given back when freed
    policy = random_policy(vocab_size=4_096)
    policy.fast = False
    generator = torch.Generator().manual_seed(0)
    completions = policy.generate(["1 + 1 = "] * 64, Sampling(max_tokens=160), generator)
    policy.budget.tokens = 1_000
    expected = work(policy, completions)
    policy.budget.tokens = 10**6
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (size + megabytes * 2**20, limit))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = work(policy, completions)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    results.put(([str(warning.message) for warning in told], policy.budget.tokens))


def an_update(policy, completions):
    return gradients(policy, completions, "grpo", 0)[0]


def a_score(policy, completions):
    with torch.no_grad():
        return policy.logprobs(completions)


def a_sample(policy, completions):
    generator = torch.Generator().manual_seed(1)
    return policy.generate(["1 + 1 = "] * 256, Sampling(max_tokens=48), generator).logprobs


WORK = {"update": (an_update, 60), "score": (a_score, 30), "sample": (a_sample, 8)}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORK)
def test_too_little_memory_halves_what_is_computed_at_once(processes, name):
    work, megabytes = WORK[name]
    results = processes.Queue()
    process = processes.Process(target=with_little_memory, args=(work, megabytes, results))
    process.start()
    process.join()
    assert process.exitcode == 0
    told, tokens = results.get()
    unit = "completions at once" if name == "sample" else "tokens per pass"
    assert told and all(f"{unit}, now" in text for text in told)
    assert (tokens == 10**6) is (name == "sample")
