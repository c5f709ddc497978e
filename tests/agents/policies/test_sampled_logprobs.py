"""Log-probabilities are those of the distribution that was sampled, whatever samples and scores."""

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from edgewise.agents.algorithms import grpo, reinforce, rloo  # noqa: E402
from edgewise.agents.algorithms.on_policy import clipped_surrogate  # noqa: E402
from edgewise.agents.policies.engine import EnginePolicy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import Completions  # noqa: E402
from edgewise.agents.policies.sampling import score  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.training.config import TrainConfig, from_run  # noqa: E402

PROMPTS = ["1 + 1 = ", "[3, 5, 2] -> 16: ", "x"] * 4
ALGORITHMS = {
    "grpo": lambda *told: grpo.clipped_loss(*told, grpo.GRPOConfig()),
    "rloo": lambda *told: rloo.clipped_loss(*told, rloo.RLOOConfig(ratio="token")),
    "rloo, of sequences": lambda *told: rloo.clipped_loss(*told, rloo.RLOOConfig()),
    "ppo": lambda *told: surrogate(*by_token(*told)),
    "reinforce": lambda *told: reinforce.policy_loss(*by_token(*told), reinforce.REINFORCEConfig()),
}


def surrogate(logprobs, old, advantages, weights):
    return clipped_surrogate(logprobs - old, advantages, weights, 0.2, 0.2)


def by_token(logprobs, old, advantages, weights):
    return logprobs, old, advantages[:, None], weights


def sampled(policy, sampling, seed=0):
    return policy.generate(PROMPTS, sampling, torch.Generator().manual_seed(seed))


def cosine(one, other):
    return torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()


def gradients(temperature, scale, loss):
    """The gradient of the expected reward of a policy over all texts of two tokens, and the loss's.

    Every text is a completion, which weighs as it is likely.
    """
    generator = torch.Generator().manual_seed(3)
    logits = (2 * torch.randn(5, 4, generator=generator)).requires_grad_()  # at first, after each
    rewards = torch.rand(16, generator=generator)
    texts = torch.cartesian_prod(torch.arange(4), torch.arange(4))  # (16, 2)
    seen = torch.stack([logits[:1].expand(16, 4), logits[1:][texts[:, 0]]], dim=1)  # (16, 2, 4)
    chances = score(seen, texts, temperature).sum(dim=1).exp()
    (exact,) = torch.autograd.grad((chances * rewards).sum(), logits, retain_graph=True)
    logprobs, chances = score(seen, texts, scale), chances.detach()
    advantages = rewards - (chances * rewards).sum()
    weights = (chances / 2)[:, None].expand(16, 2)
    value, _ = loss(logprobs, logprobs.detach(), advantages, weights)
    (found,) = torch.autograd.grad(-value, logits)
    return exact, found


@pytest.mark.parametrize("loss", ALGORITHMS.values(), ids=ALGORITHMS)
@pytest.mark.parametrize("temperature", [0.3, 0.6, 1.0, 1.7])
def test_the_gradient_is_that_of_the_policy_that_samples(temperature, loss):
    exact, found = gradients(temperature, Sampling(temperature=temperature).scale, loss)
    assert cosine(exact, found) == pytest.approx(1, abs=1e-6)
    raw = Sampling(temperature=temperature, logprobs="raw").scale
    exact, other = gradients(temperature, raw, loss)
    if temperature == 1:
        assert torch.equal(found, other)
    else:
        assert cosine(exact, other) < 0.995


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_sampler_and_learner_agree_with_a_whole_pass(tiny_model, fast, temperature):
    policy = TransformersPolicy.load(tiny_model)
    policy.fast = fast
    for logprobs in ("sampled", "raw"):
        sampling = Sampling(max_tokens=10, temperature=temperature, logprobs=logprobs)
        found = sampled(policy, sampling)
        more = policy.extend(found, ["and "] * len(PROMPTS), sampling, torch.Generator())
        divided = temperature if logprobs == "sampled" else 1.0
        for completions in (found, more):
            assert completions.scale == divided
            with torch.no_grad():
                torch.testing.assert_close(
                    policy.logprobs(completions), completions.logprobs, atol=2e-5, rtol=0
                )
            row = 0
            tokens = completions.tokens[row][completions.attention[row] > 0]
            mask = completions.mask[row][completions.attention[row] > 0]
            with torch.no_grad():
                logits = policy.model(tokens[None]).logits[0, :-1] / divided
            whole = logits.log_softmax(-1).gather(1, tokens[1:, None])[:, 0][mask[1:] > 0]
            own = completions.logprobs[row][completions.mask[row] > 0]
            torch.testing.assert_close(own, whole, atol=2e-5, rtol=0)


def test_at_temperature_1_and_for_greedy_answers_nothing_changes(tiny_model):
    policy = TransformersPolicy.load(tiny_model)
    for temperature in (0.0, 1.0):
        new, old = (
            sampled(policy, Sampling(12, temperature, logprobs=kind)) for kind in ("sampled", "raw")
        )
        assert new.scale == old.scale == 1.0
        assert torch.equal(new.tokens, old.tokens) and torch.equal(new.logprobs, old.logprobs)
    cold = [sampled(policy, Sampling(12, 0.7, logprobs=kind)) for kind in ("sampled", "raw")]
    assert torch.equal(cold[0].tokens, cold[1].tokens)  # what is sampled is the same


def test_the_tokens_of_a_scale_stay_with_it(tiny_model):
    policy = TransformersPolicy.load(tiny_model)
    found = sampled(policy, Sampling(6, temperature=0.5))
    rows = torch.tensor([0, 2])
    assert found.select(rows).scale == 0.5
    plain = sampled(policy, Sampling(6))
    assert plain.replace(rows.numpy(), found.select(rows)).scale == 0.5


def test_the_reference_is_divided_as_the_policy_is(tiny_model):
    from edgewise.agents.algorithms.token_rewards import penalize

    policy = TransformersPolicy.load(tiny_model)
    found = sampled(policy, Sampling(8, temperature=0.5))
    penalty, told = penalize(policy.frozen(), found, 1.0)
    assert penalty.abs().max() < 1e-5 and abs(told["kl"]) < 1e-5


class Processed:
    """An engine whose log-probabilities are those at the temperature, as vLLM's can be."""

    def __init__(self, engine):
        self.engine = engine

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def sample(self, prompts, sampling, seeds, ends):
        turns = self.engine.sample(prompts, sampling, seeds, ends)
        policy = self.engine.policy
        found = []
        for prompt, turn in zip(prompts, turns, strict=True):
            tokens = torch.tensor([[*prompt, *turn.tokens]])
            mask = torch.tensor([[0.0] * len(prompt) + [1.0] * len(turn.tokens)])
            scale = replace(sampling, logprobs="sampled").scale
            whole = Completions(
                [""], tokens, torch.ones_like(tokens), mask, mask, torch.ones(1), scale
            )
            with torch.no_grad():
                scored = policy.logprobs(whole)[0, len(prompt) :]
            found.append(replace(turn, logprobs=scored.tolist()))
        return found


@pytest.mark.parametrize("kind", ["sampled", "raw"])
@pytest.mark.parametrize("counts", [True, False])
def test_an_engine_of_either_kind_serves_either_kind(tiny_model, model_engine, counts, kind):
    engine = model_engine(tiny_model)
    policy = EnginePolicy(
        TransformersPolicy.load(tiny_model), Processed(engine) if counts else engine
    )
    assert policy.counts_temperature == counts
    found = sampled(policy, Sampling(8, temperature=0.5, logprobs=kind))
    with torch.no_grad():
        torch.testing.assert_close(policy.logprobs(found), found.logprobs, atol=1e-5, rtol=0)
        ratio = (policy.logprobs(replace(found, scale=1.0)) - found.logprobs).abs().max()
    assert (ratio < 1e-5) == (kind == "raw")


def test_a_nucleus_is_not_held_against_an_engine_that_counts_it(tiny_model, model_engine):
    policy = EnginePolicy(TransformersPolicy.load(tiny_model), Processed(model_engine(tiny_model)))
    with torch.no_grad():
        next(iter(policy.parameters())).mul_(1.01)  # so that the engine gets new weights
    assert sampled(policy, Sampling(4, top_p=0.5)).mask.any()


def test_runs_of_before_go_on_with_what_they_had():
    record = {"env": "Countdown-v0", "temperature": 0.6, "num_steps": 3}
    begun = {"curriculum": "dump", "rule": {"rule": "dump", "window": 300}}
    assert from_run({**record, **begun}).curriculum == "dump:count=problems"
    grpo = {"algorithm": "grpo:kl_coef=0.1", "hyperparameters": {"kl_coef": 0.1}}
    assert from_run({**record, **grpo}).algorithm == "grpo:kl_coef=0.1:kl_weighted=true"
    grpo["hyperparameters"]["kl_weighted"] = False
    assert from_run({**record, **grpo}).algorithm == "grpo:kl_coef=0.1"
    assert from_run(record).logprobs == "raw" and from_run(record).max_prompt_tokens == 0
    assert from_run({**record, "logprobs": "sampled"}).logprobs == "sampled"
    assert TrainConfig().logprobs == "sampled"


def test_other_log_probabilities_are_refused():
    with pytest.raises(ValueError, match="logprobs"):
        Sampling(logprobs="other")
    assert math.isclose(Sampling(temperature=0.3).scale, 0.3)
