"""Completions at the token limit: rewards that fall near it, and a loss without those that reach it."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.catalogue import ALGORITHMS  # noqa: E402
from edgewise.agents.algorithms.grpo import GRPOConfig  # noqa: E402
from edgewise.agents.algorithms.length import penalized, within_limit  # noqa: E402
from edgewise.agents.algorithms.losses import token_weights  # noqa: E402
from edgewise.agents.algorithms.rollout import Rollout, collect  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import Completions  # noqa: E402
from edgewise.cli import main  # noqa: E402


def completions(lengths, ended):
    """Completions of so many tokens after a prompt of one."""
    mask = (torch.arange(11) >= 1) & (torch.arange(11) <= torch.tensor(lengths)[:, None])
    shape, texts = mask.shape, [""] * len(lengths)
    tokens, mask = torch.zeros(shape, dtype=torch.int64), mask.float()
    return Completions(texts, tokens, tokens + 1, mask, mask * 0, torch.tensor(ended))


def rollout(lengths, verified=(True,) * 4):
    verified = torch.tensor(verified).view(2, 2)
    return Rollout(
        completions=completions(lengths, [length < 10 for length in lengths]),
        infos={},
        rewards=torch.tensor([[1.0, 1.0], [0.0, 1.0]]) * verified,
        correct=torch.tensor([[True, True], [False, True]]) & verified,
        formatted=torch.ones(2, 2, dtype=torch.bool),
        made=torch.ones(2, 2, dtype=torch.bool),
        verified=verified,
        num_extra_rollouts=0,
    )


def test_rewards_fall_in_the_buffer_below_the_limit():
    # L 10, C 4: nothing up to 6, then a quarter of the penalty for each token
    config = GRPOConfig(sampling=Sampling(max_tokens=10), overlong_buffer=4, overlong_penalty=0.4)
    found = penalized(rollout([6, 7, 9, 10]), config)
    torch.testing.assert_close(found.rewards, torch.tensor([[1.0, 0.9], [-0.3, 0.6]]))
    assert torch.equal(found.correct, rollout([6, 7, 9, 10]).correct)


def test_what_could_not_be_verified_loses_nothing():
    config = GRPOConfig(sampling=Sampling(max_tokens=10), overlong_buffer=5)
    found = penalized(rollout([10, 5, 10, 10], (True, True, False, True)), config)
    torch.testing.assert_close(found.rewards, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))


def test_by_default_nothing_is_changed():
    one, used = rollout([6, 7, 9, 10]), torch.ones(4, dtype=torch.bool)
    assert penalized(one, GRPOConfig()) is one
    found = within_limit(one.completions, used, GRPOConfig())
    assert found[0] is one.completions and found[1] is used


def test_a_run_with_too_large_a_buffer_leaves_no_folder(tiny_model, tmp_path, capsys):
    flags = f"--agent hf:{tiny_model} --preset sec --max-tokens 24 --output {tmp_path / 'run'}"
    words = ["train", *flags.split(), "--algorithm", "grpo:overlong_buffer=400"]
    assert main(words) == 2
    told = "edgewise: `overlong_buffer` must be at most `max_tokens`, 24, got 400\n"
    assert capsys.readouterr().err == told and not (tmp_path / "run" / "config.json").exists()


def test_a_buffer_larger_than_the_limit_is_refused():
    config = GRPOConfig(sampling=Sampling(max_tokens=10), overlong_buffer=11)
    with pytest.raises(ValueError, match="`overlong_buffer` must be at most `max_tokens`, 10, got"):
        penalized(rollout([1, 1, 1, 1]), config)


def test_truncated_completions_have_no_part_in_the_loss():
    batch, used = completions([2, 10, 4], [True, False, True]), torch.ones(3, dtype=torch.bool)
    found, kept = within_limit(batch, used, GRPOConfig(mask_truncated=True))
    assert kept.tolist() == [True, False, True]
    assert found.mask.sum(dim=1).tolist() == [2.0, 0.0, 4.0]
    weights = token_weights(found.mask, "token", 10)  # of 6 tokens
    torch.testing.assert_close(weights.sum(dim=1), torch.tensor([2 / 6, 0.0, 4 / 6]))


@pytest.mark.parametrize("name", list(ALGORITHMS))
@pytest.mark.parametrize("cap", [None, 2.0])
def test_a_batch_of_truncated_completions_trains_nothing(bandit, name, cap, monkeypatch):
    class Endless(bandit.TablePolicy):
        def generate(self, *arguments):
            found = super().generate(*arguments)
            return replace(found, ended=torch.zeros(len(found.texts), dtype=torch.bool))

    policy = Endless()
    before = [weight.detach().clone() for weight in policy.parameters()]
    config = ALGORITHMS[name].config(
        sampling=Sampling(max_tokens=1), learning_rate=0.1, mask_truncated=True, importance_cap=cap
    )
    steps = ALGORITHMS[name].train(
        bandit.make(16), policy, config, ALGORITHMS[name].start(policy, config)
    )
    metrics = next(steps)
    assert metrics["loss"] == 0.0 and metrics["completions/clipped_ratio"] == 1.0
    for old, new in zip(before, policy.parameters(), strict=True):
        assert torch.equal(old, new)


def test_the_penalty_reaches_the_advantages(bandit):
    policy = bandit.TablePolicy()
    plain = {"sampling": Sampling(max_tokens=1)}
    found = []
    for config in (GRPOConfig(**plain), GRPOConfig(**plain, overlong_buffer=1)):
        envs, state = bandit.make(16), ALGORITHMS["grpo"].start(policy, config)
        found.append(next(ALGORITHMS["grpo"].train(envs, policy, config, state))["reward"])
    first = collect(
        bandit.make(16), bandit.TablePolicy(), plain["sampling"], torch.Generator().manual_seed(0)
    )
    assert found[0] == pytest.approx(first.rewards.mean().item())
    assert found[1] == pytest.approx(found[0] - 1.0)  # each of one token, the limit
