"""Pretraining: which tokens count, that it learns and repeats, and the folder it leaves."""

from dataclasses import asdict, replace

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.optimizer import schedule  # noqa: E402
from edgewise.agents.policies.model_card import made_for  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.seedlings.card import environments, load_recipe, save_seedling  # noqa: E402
from edgewise.agents.seedlings.pretrain import (  # noqa: E402
    PretrainConfig,
    Source,
    build_policy,
    own_mistakes,
    pretrain,
    read,
    summed_loss,
)
from edgewise.agents.training.scores import EvaluationPlan  # noqa: E402
from edgewise.env import unwrap  # noqa: E402

TINY = PretrainConfig(
    sources=(Source(weights=(1.0,)),),
    hidden_size=32,
    num_layers=1,
    num_heads=2,
    intermediate_size=32,
    num_steps=12,
    batch_size=16,
    chunk_size=8,
    learning_rate=1e-2,
    num_warmup_steps=2,
)


def test_only_worked_solutions_carry_loss():
    policy = build_policy(TINY)
    rows = [next(read(TINY, policy)), ([1, 30, 31, 32, 2], [False] * 3 + [True] * 2)]
    expected = torch.tensor(0.0)
    for tokens, learned in rows:
        logits = policy.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        for place in (place for place, part in enumerate(learned) if part):
            expected = expected - logits[place - 1, tokens[place]]
    torch.testing.assert_close(summed_loss(policy, rows), expected)


def test_a_row_is_a_training_prompt_its_solution_and_the_end():
    policy = build_policy(TINY)
    rows = read(TINY, policy)
    for _ in range(20):
        tokens, learned = next(rows)
        start = learned.index(True)
        prompt = policy.tokenizer.decode(tokens[:start])
        assert prompt.startswith("<bos>[") and prompt.endswith(r"\boxed{}:")
        assert policy.tokenizer.decode(tokens[start:]).endswith("}<eos>")


def test_levels_are_drawn_by_their_weights():
    config = replace(TINY, sources=(Source(weights=(0.0, 3.0, 1.0)),))
    policy = build_policy(config)
    rows = read(config, policy)
    pairs = [next(rows) for _ in range(400)]
    texts = [policy.tokenizer.decode(tokens[: learned.index(True)]) for tokens, learned in pairs]
    counts = [sum(text.count(",") == k for text in texts) for k in (1, 2, 3)]
    assert counts[0] == 0 and sum(counts) == 400
    assert 260 < counts[1] < 340  # 300, of standard deviation 8.7


def test_own_mistakes_are_the_models_and_only_what_follows_them_is_learned():
    rules = {"attempts": {"most": 2, "explain": True}}
    source = Source(options=rules, own_mistakes=True, weights=(0.0, 1.0))
    config = replace(TINY, sources=(source,))
    policy = build_policy(config)
    rows = read(config, policy)
    env = unwrap(gym.make("Countdown-v0", preset="seedling", **rules))
    problem, text = next(own_mistakes(env, 2, policy, [config.seed, 0, 1]))
    tokens, learned = next(rows)
    start = learned.index(True)
    begun = policy.tokenizer.decode(tokens[:start])
    assert begun.startswith(f"<bos>{env.prompt(problem)}{text}<eos>No answer was found.")
    assert begun.endswith("Try again.") and all(learned[start:])  # random weights answer nothing
    assert policy.tokenizer.decode(tokens[start:]) == f"{env.demonstrate(problem)}<eos>"
    assert next(read(config, policy)) == (tokens, learned) != next(rows)
    with torch.no_grad():
        policy.model.get_input_embeddings().weight.mul_(0.5)
    assert next(read(config, policy))[0] != tokens  # as the model is then


def test_levels_without_mistakes_have_none_to_learn_from():
    env = unwrap(gym.make("Countdown-v0", preset="seedling", attempts=1))
    with pytest.raises(ValueError, match="must be of levels with mistakes"):
        next(own_mistakes(env, 1, build_policy(TINY), [0]))


def test_the_learning_rate_rises_and_falls():
    shares = [schedule(step, 110, 10) for step in (0, 9, 10, 60, 109)]
    assert shares == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0], abs=1e-3)


def test_training_learns_and_repeats():
    first, second = build_policy(TINY), build_policy(TINY)
    metrics = list(pretrain(TINY, first))
    assert metrics[-1]["loss"] < 0.75 * metrics[0]["loss"]
    assert list(pretrain(TINY, second)) == metrics
    other = replace(TINY, seed=1)
    assert next(pretrain(other, build_policy(other)))["loss"] != metrics[0]["loss"]


def test_a_warm_restart_goes_on_with_other_problems():
    config = replace(TINY, num_steps=4, further_steps=(3,))
    policy, again = build_policy(config), build_policy(config)
    metrics = list(pretrain(config, policy))
    assert [record["step"] for record in metrics] == [1, 2, 3, 4, 5, 6, 7]
    assert list(pretrain(replace(config, further_steps=()), again)) == metrics[:4]
    first, second = (read(config, policy, cycle) for cycle in (0, 1))
    assert [next(first) for _ in range(4)] != [next(second) for _ in range(4)]


def test_chunks_add_up_to_the_batch():
    whole = replace(TINY, chunk_size=16, num_steps=1)
    for config in (whole, replace(whole, chunk_size=3)):
        metrics = next(pretrain(config, build_policy(config)))
        assert metrics["loss"] == pytest.approx(5.6, abs=0.3)  # log 263
    losses = [next(pretrain(replace(whole, chunk_size=k), build_policy(whole))) for k in (16, 3)]
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], abs=1e-5)


def test_a_folder_says_what_it_is(tmp_path):
    policy = build_policy(TINY)
    plan = EvaluationPlan(num_problems=3, num_samples=2, k=2)
    save_seedling(tmp_path, TINY, policy, plan, "edgewise pretrain")
    assert load_recipe(tmp_path / "recipe.json") == TINY
    found = made_for(f"hf:{tmp_path}")
    assert (found["envs"], found["preset"]) == (["Countdown-v0"], "seedling")
    assert found["train"]["group_size"] == 8
    card = (tmp_path / "README.md").read_text()
    assert "192 rows in all" in card and card.count("| Countdown-v0 |") == 5
    loaded = TransformersPolicy.load(tmp_path)
    for one, two in zip(loaded.parameters(), policy.parameters(), strict=True):
        assert torch.equal(one, two)


def test_sources_of_the_same_environment_are_one_row_of_the_card():
    attempts = {"attempts": 2}
    sources = (
        Source(options=attempts, own_mistakes=True, weights=(0.25,)),
        Source(weights=(0.0, 1.0)),
        Source(options=attempts, weights=(0.25, 0.5)),
    )
    found = environments(replace(TINY, sources=sources))
    assert found == [
        ("Countdown-v0", attempts, (0.5, 0.5)),
        ("Countdown-v0", {}, (0.0, 1.0)),
    ]


def test_a_recipe_takes_defaults(tmp_path):
    (tmp_path / "recipe.json").write_text('{"seed": 3}')
    assert load_recipe(tmp_path / "recipe.json") == replace(PretrainConfig(), seed=3)
    assert asdict(PretrainConfig())["sources"][0]["weights"][3] < 0.01  # of 5 numbers
