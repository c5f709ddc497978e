"""A policy whose completions another engine samples: its own weights, its own log-probabilities."""

import re

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms import grpo  # noqa: E402
from edgewise.agents.policies.chat import encode_further  # noqa: E402
from edgewise.agents.policies.engine import PROBE_TOKENS, EnginePolicy  # noqa: E402
from edgewise.agents.policies.load import with_engine  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.policies.untied import as_saved, write_config, write_weights  # noqa: E402
from edgewise.agents.policies.vllm_engine import MAX_SHOWN, in_one_line  # noqa: E402
from edgewise.agents.training.config import TrainConfig, complete  # noqa: E402
from edgewise.agents.training.parts import make_hyperparameters  # noqa: E402
from edgewise.agents.training.run import make_envs  # noqa: E402
from edgewise.benchmarks.evaluation.policy_agent import PolicyAgent, fitting  # noqa: E402
from edgewise.benchmarks.evaluation.question import open_part  # noqa: E402
from edgewise.benchmarks.evaluation.suite import parts_of  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.executor import WorkerError  # noqa: E402

PROMPTS = ["1 + 1 = ", "[3, 5, 2] -> 16: ", "x"] * 4
SAMPLING = Sampling(max_tokens=12)


@pytest.fixture
def policy(tiny_model, model_engine):
    return EnginePolicy(TransformersPolicy.load(tiny_model), model_engine(tiny_model))


def sampled(policy, seed=0):
    return policy.generate(PROMPTS, SAMPLING, torch.Generator().manual_seed(seed))


def change(policy):
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(1.1)


def flat(policy):
    return torch.cat([weight.detach().ravel() for weight in policy.parameters()])


def gap(policy, completions):
    with torch.no_grad():
        return (policy.logprobs(completions) - completions.logprobs).abs().max().item()


def test_completions_are_the_engines_and_their_probabilities_the_learners(policy):
    found = sampled(policy)
    assert found.tokens.shape == found.mask.shape == found.attention.shape
    assert [row.sum().item() > 0 for row in found.mask] == [True] * len(PROMPTS)
    assert gap(policy, found) < 1e-5
    last = found.tokens[torch.arange(len(PROMPTS)), (found.mask.cumsum(1).argmax(1))]
    assert torch.equal(torch.isin(last, policy.learner.ends), found.ended)
    assert found.ended.any() and not found.ended.all()
    assert found.texts == policy.learner.decode(found.tokens * found.mask.long())


def test_the_generator_decides_what_is_sampled(policy):
    one, same, other = sampled(policy), sampled(policy), sampled(policy, seed=1)
    assert torch.equal(one.tokens, same.tokens)
    assert one.texts != other.texts and len(set(one.texts[::3])) > 1


def test_further_turns_follow_the_observations(policy):
    first = sampled(policy)
    more = ["again: ", ""] * 6
    found = policy.extend(first, more, SAMPLING, torch.Generator().manual_seed(1))
    turns = found.mask[:, first.mask.shape[1] :].any(dim=1)
    assert turns.tolist() == [True, False] * 6
    assert found.texts[1] == first.texts[1] and found.ended[1] == first.ended[1]
    assert gap(policy, found) < 1e-5


def test_a_further_turn_begins_with_the_tokens_of_the_last_and_the_engine_stays_awake(
    policy, monkeypatch
):
    """So that an engine with a prefix cache computes only what is new."""
    asked = []
    sample = policy.engine.sample

    def kept(prompts, sampling, seeds, ends):
        turns = sample(prompts, sampling, seeds, ends)
        asked.append(
            [(list(prompt), turn.tokens) for prompt, turn in zip(prompts, turns, strict=True)]
        )
        return turns

    monkeypatch.setattr(policy.engine, "sample", kept)
    found = sampled(policy)
    policy.engine.calls.clear()
    for told in ("Wrong. ", "No. "):
        found = policy.extend(found, [told] * 12, SAMPLING, torch.Generator().manual_seed(1))
    assert set(policy.engine.calls) <= {"sample", "wake"}
    observed = [encode_further(policy.tokenizer, told) for told in ("Wrong. ", "No. ")]
    for told, earlier, later in zip(observed, asked, asked[1:], strict=False):
        for (prompt, said), (longer, _) in zip(earlier, later, strict=True):
            assert longer == [*prompt, *said, *told]


def test_weights_go_to_the_engine_once_after_they_have_changed(policy):
    calls = policy.engine.calls
    calls.clear()
    sampled(policy)
    sampled(policy)
    assert calls.count("load") == 1
    change(policy)
    assert gap(policy, sampled(policy)) < 1e-5
    sampled(policy)
    assert calls.count("load") == 2


def test_weights_that_are_restored_go_to_the_engine(policy, tmp_path):
    policy.save(tmp_path)
    before = sampled(policy)
    change(policy)
    assert sampled(policy).texts != before.texts
    policy.restore(tmp_path)
    assert torch.equal(sampled(policy).tokens, before.tokens)


def test_the_engine_sleeps_while_the_learner_computes(policy):
    completions = sampled(policy)
    policy.engine.calls.clear()
    policy.logprobs(completions)
    policy.values(completions)
    sampled(policy)
    assert policy.engine.calls == ["sleep", "sleep", "wake", "sample"]


def test_an_engine_that_keeps_an_old_head_is_refused_at_once(tiny_model, model_engine):
    learner = TransformersPolicy.load(tiny_model)
    with pytest.raises(ValueError, match=r"^`engine` must sample .*`edgewise untie`"):
        EnginePolicy(learner, model_engine(tiny_model, keeps_head=True))


def test_an_engine_that_goes_stale_is_refused_after_the_update(policy, monkeypatch):
    monkeypatch.setattr(policy.engine, "load", lambda weights: None)
    change(policy)
    with pytest.raises(WorkerError, match="`engine` must sample from the weights"):
        sampled(policy)


def test_an_engine_without_room_to_be_asked_is_refused(tiny_model, model_engine):
    learner = TransformersPolicy.load(tiny_model)
    learner.positions = len(learner.tokenizer.encode("1 + 1 =")) + PROBE_TOKENS
    EnginePolicy(learner, model_engine(tiny_model))
    learner.positions -= 1
    with pytest.raises(ValueError, match=r"`engine` must have room for .* `max_length`"):
        EnginePolicy(learner, model_engine(tiny_model))


def test_prompts_without_room_get_no_completion_and_the_next_ones_are_compared(policy, monkeypatch):
    monkeypatch.setattr(policy.engine, "load", lambda weights: None)
    change(policy)
    policy.learner.positions = 30
    found = policy.generate(["1 + 1 = " * 9] * 2, SAMPLING, torch.Generator())
    assert found.texts == ["", ""] and not found.mask.any()
    with pytest.raises(WorkerError, match="`engine` must sample from the weights"):
        sampled(policy)


def test_an_evaluation_leaves_out_long_prompts_with_an_engine_too(policy):
    opened = open_part(parts_of("sec")[0], 1)
    policy.learner.positions = opened.sampling.max_tokens
    for one in (policy.learner, policy):
        with pytest.raises(ValueError, match="`max_tokens` must be at most"):
            fitting(opened, PolicyAgent(one, one.render, 0), None)


def test_what_vllm_raises_is_one_line():
    for error in (RuntimeError("CUDA out of memory\n" * 1_000), KeyError("a"), AssertionError()):
        with pytest.raises(WorkerError, match=type(error).__name__) as found, in_one_line():
            raise error
        assert "\n" not in str(found.value) and len(str(found.value)) < MAX_SHOWN + 60
    with pytest.raises(MemoryError), in_one_line():
        raise MemoryError


def test_the_reference_needs_no_engine(policy):
    completions, calls = sampled(policy), policy.engine.calls
    reference = policy.frozen()
    change(policy)
    assert type(reference) is TransformersPolicy
    assert gap(reference, completions) < 1e-5 < 1e-3 < gap(policy, completions)
    assert calls.count("load") == 2  # of the probe, and before the completions


def test_the_probe_leaves_the_learner_as_it_was(tiny_model, policy):
    plain = TransformersPolicy.load(tiny_model)
    torch.testing.assert_close(policy.learner.state_dict(), plain.state_dict(), rtol=0, atol=0)


def with_adapters(tiny_model):
    pytest.importorskip("peft")
    from edgewise.agents.policies.lora import Adapters, LoRAPolicy

    plain = TransformersPolicy.load(tiny_model)
    return LoRAPolicy(plain.model, plain.tokenizer, Adapters(rank=2))


def test_adapters_go_to_the_engine_and_the_weights_below_them_do_not(tiny_model, model_engine):
    learner = with_adapters(tiny_model)
    fresh = learner.state_dict()
    policy = EnginePolicy(learner, model_engine(tiny_model))
    assert torch.equal(torch.cat([*map(torch.ravel, fresh.values())]), flat(learner))
    generator = torch.Generator().manual_seed(0)
    before = sampled(policy)
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    found = sampled(policy)
    assert gap(policy, before) > 1e-2 and gap(policy, found) < 1e-4
    assert "load" not in policy.engine.calls
    assert policy.engine.calls.count("adapt") == 3  # of the probe, and before either sample


@pytest.mark.parametrize("adapted", [False, True])
def test_what_an_engine_with_adapters_reads_is_the_model_as_it_was(tiny_model, tmp_path, adapted):
    """Tied, without a second copy of the head, which models that are always tied have no place for."""
    learner = with_adapters(tiny_model) if adapted else TransformersPolicy.load(tiny_model)
    write_config(learner, tmp_path, untie=False)
    write_weights(as_saved(learner), tmp_path)
    assert "lm_head.weight" in learner.whole() and "lm_head.weight" not in as_saved(learner)
    read = TransformersPolicy.load(tmp_path)
    assert read.model.lm_head.weight is read.model.model.embed_tokens.weight
    assert torch.equal(sampled(read).tokens, sampled(TransformersPolicy.load(tiny_model)).tokens)


def test_an_engine_without_the_adapters_is_refused(tiny_model, model_engine, monkeypatch):
    engine = model_engine(tiny_model)
    monkeypatch.setattr(engine, "adapt", lambda write: None)
    with pytest.raises(ValueError, match="`engine` must sample from the weights"):
        EnginePolicy(with_adapters(tiny_model), engine)


def test_the_weights_below_adapters_have_the_names_of_the_model(tiny_model):
    learner, plain = with_adapters(tiny_model), TransformersPolicy.load(tiny_model)
    torch.testing.assert_close(learner.whole(), dict(plain.state_dict()), rtol=0, atol=0)


def test_what_the_engine_takes_is_timed(policy):
    policy.take_seconds()
    policy.logprobs(sampled(policy))
    found = policy.take_seconds()
    assert {*found} == {"engine_wake", "engine_sync", "engine_sleep"}
    assert all(seconds >= 0 for seconds in found.values()) and policy.take_seconds() == {}


def test_training_is_that_of_the_learner_and_the_ratio_is_logged(tiny_model, policy):
    config = complete(
        TrainConfig(agent=f"hf:{tiny_model}", engine="vllm", preset="sec", num_steps=3)
    )
    hyperparameters = make_hyperparameters(config.setup.algorithm, SAMPLING)
    assert hyperparameters.importance_cap == 2.0
    envs = make_envs(config.setup, policy)
    envs.reset(seed=0)
    state = grpo.start(policy, hyperparameters)
    metrics = list(grpo.train(envs, policy, hyperparameters, state))
    assert len(metrics) == 3 and max(step["grad_norm"] for step in metrics) > 0
    for step in metrics:
        for kind in ("mean", "min", "max"):
            ratio = step[f"sampling/importance_sampling_ratio/{kind}"]
            assert ratio == pytest.approx(1.0, abs=1e-4)
    assert policy.engine.calls.count("load") == 1 + len(metrics)  # with that of the probe


def test_another_cap_may_be_named(tiny_model):
    config = complete(TrainConfig(agent=f"hf:{tiny_model}"))
    assert make_hyperparameters(config.setup.algorithm, SAMPLING).importance_cap is None
    for algorithm in ("grpo", "rloo", "ppo", "reinforce", "reinforce++"):
        named = TrainConfig(
            agent=f"hf:{tiny_model}", engine="vllm", algorithm=f"{algorithm}:importance_cap=3"
        )
        assert make_hyperparameters(complete(named).setup.algorithm, SAMPLING).importance_cap == 3


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("vlm", "`engine`"),
        ("vllm:gpu_memory_utilization=2", "`gpu_memory_utilization` must be in (0, 1], got 2"),
        ("vllm:max_length=1", "`max_length` must be at least 2, got 1"),
        ("vllm:x=1", "x"),
    ],
)
def test_an_engine_that_does_not_exist_is_refused(tiny_model, engine, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        with_engine(TransformersPolicy.load(tiny_model), engine)


def test_an_exported_model_has_a_head_of_its_own(tiny_model, tmp_path, capsys):
    assert main(["untie", "--agent", f"hf:{tiny_model}", "--output", str(tmp_path / "out")]) == 0
    untied = TransformersPolicy.load(tmp_path / "out")
    plain = TransformersPolicy.load(tiny_model)
    assert not untied.model.config.tie_word_embeddings
    head, embeddings = untied.model.lm_head.weight, untied.model.model.embed_tokens.weight
    assert head is not embeddings and torch.equal(head, embeddings)
    assert torch.equal(sampled(untied).tokens, sampled(plain).tokens)
    assert main(["untie", "--output", str(tmp_path / "out")]) == 2
    assert "`output` must not exist" in capsys.readouterr().err
