"""What every algorithm does: it learns a bandit, teaches the curriculum first, and continues."""

import math
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from edgewise import ReasoningVectorEnv  # noqa: E402
from edgewise.agents.algorithms.catalogue import ALGORITHMS  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402

VARIANTS = {  # an algorithm that is not named here is tested with its defaults
    "ppo": ("ppo", {"value_learning_rate": 0.2}),
    "Dr. GRPO": ("grpo", {"standardize": "none", "loss_mean": "constant"}),
    "DAPO": ("grpo", {"clip_eps_high": 0.28, "filter": "dapo"}),
    "GSPO": ("grpo", {"ratio": "sequence", "loss_mean": "sequence", "num_minibatches": 2}),
    "grpo with KL": ("grpo", {"kl_coef": 1e-3, "kl_estimator": "k2", "standardize": "batch"}),
    "rloo with KL": ("rloo", {"kl_coef": 1e-3}),
    "rloo of SEC": ("rloo", {"ratio": "token", "num_minibatches": 4}),
    "ppo with KL": ("ppo", {"value_learning_rate": 0.2, "kl_coef": 1e-3, "gae_lambda": 0.9}),
    "reinforce with KL": ("reinforce", {"kl_coef": 1e-3}),
    "reinforce++ of SEC": ("reinforce++", {"num_minibatches": 4}),
    "reinforce++-baseline": ("reinforce++", {"baseline": "group"}),
}
QUICK = {*ALGORITHMS, "GSPO"}  # of training until the bandit is solved
CASES = {**{name: (name, {}) for name in ALGORITHMS}, **VARIANTS}


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request):
    """An algorithm and its config, with tokens of an answer counted as one."""
    name, arguments = CASES[request.param]
    algorithm = ALGORITHMS[name]
    defaults = {"learning_rate": 0.5, "sampling": Sampling(max_tokens=1)}
    return algorithm, algorithm.config(**{**defaults, **arguments})


@pytest.mark.parametrize(
    "case",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in CASES],
    indirect=True,
)
def test_training_solves_a_bandit(bandit, case):
    algorithm, config = case
    policy, config = bandit.TablePolicy(), replace(config, num_steps=30)
    state = algorithm.start(policy, config)
    metrics = list(algorithm.train(bandit.make(), policy, config, state))
    assert metrics[0]["reward"] < 0.5
    assert metrics[-1]["reward"] > 0.95
    assert all(name in metrics[-1] for name in ("loss", "grad_norm", "clip_ratio", "arm/0_count"))


def test_state_continues_the_run(bandit, case):
    algorithm, config = case
    policy, envs, config = bandit.TablePolicy(), bandit.make(64), replace(config, num_steps=4)
    state = algorithm.start(policy, config)
    run = algorithm.train(envs, policy, config, state)
    next(run), next(run)
    saved = deepcopy((policy.logits, state.state_dict(), envs.state_dict()))
    resumed, again = bandit.TablePolicy(), bandit.make(64)
    fresh = algorithm.start(resumed, config)
    resumed.logits.data.copy_(saved[0].data)
    fresh.load_state_dict(saved[1])
    again.load_state_dict(saved[2])
    assert list(algorithm.train(again, resumed, config, fresh)) == list(run)


def test_the_curriculum_learns_of_the_advantages_before_the_policy(bandit, case):
    class Watched(bandit.TablePolicy):
        def logprobs(self, completions):
            if torch.is_grad_enabled() and completions.texts:
                values.append(envs.lesson.rule.values.copy())
            return super().logprobs(completions)

    values, envs, policy = [], bandit.make(), Watched()
    algorithm, config = case
    state = algorithm.start(policy, config)
    next(algorithm.train(envs, policy, config, state))
    assert values[-1].sum() > 0
    # Q = alpha mean |A| of the arm, which was 0; a filter teaches of more groups
    if getattr(config, "filter", "none") == "none":
        arms = torch.as_tensor(state.rollout.infos["arm"])
        told = [state.abs_advantages[arms == arm].mean().item() / 2 for arm in (0, 1)]
        assert values[-1].tolist() == pytest.approx(told)


def test_algorithms_and_filters_are_named_without_torch():
    names = "algorithms.catalogue, algorithms.filters, algorithms.config, policies.options"
    imports = ", ".join(f"edgewise.agents.{name}" for name in names.split(", "))
    code = f"import sys, {imports}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["grpo", "rloo", "ppo", "reinforce++"])
def test_epochs_and_minibatches_are_updates(bandit, name):
    policy, algorithm = bandit.TablePolicy(), ALGORITHMS[name]
    config = algorithm.config(num_steps=2, num_epochs=3, num_minibatches=4)
    state = algorithm.start(policy, config)
    list(algorithm.train(bandit.make(64), policy, config, state))
    assert state.optimizer.state[policy.logits]["step"] == 2 * 3 * 4


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_groups_are_as_large_as_the_baseline_needs(bandit, name):
    policy = bandit.TablePolicy()
    config = ALGORITHMS[name].config(num_steps=20, learning_rate=0.2)
    state = ALGORITHMS[name].start(policy, config)
    envs = bandit.make(128, group_size=1)
    steps = ALGORITHMS[name].train(envs, policy, config, state)
    if config.min_group_size > 1:
        with pytest.raises(ValueError, match=r"`group_size` must be at least 2 for .*, got 1"):
            next(steps)
    else:
        rewards = [step["reward"] for step in steps]
        assert rewards[-1] > rewards[0] + 0.2


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("grpo", {"num_steps": 0}, "`num_steps` must be at least 1, got 0"),
        ("grpo", {"num_epochs": 1.5}, "`num_epochs` must be a whole number, got 1.5"),
        ("grpo", {"learning_rate": 0}, "`learning_rate` must be positive, got 0"),
        ("grpo", {"clip_eps": float("nan")}, "`clip_eps` must be positive, got nan"),
        ("grpo", {"clip_eps_high": -1}, "`clip_eps_high` must be positive, got -1"),
        ("grpo", {"loss_mean": "tokens"}, "got 'tokens'; did you mean 'token'"),
        ("grpo", {"kl_estimator": "k4"}, "`kl_estimator` must be one of k1, k2, k3, got 'k4'"),
        ("grpo", {"filter": "depo"}, "`filter` must be one of none, dapo, .*'dapo'"),
        ("rloo", {"kl_coef": -0.1}, "`kl_coef` must be at least 0, got -0.1"),
        ("rloo", {"ratio": "group"}, "`ratio` must be one of sequence, token, got 'group'"),
        ("ppo", {"gae_lambda": 2}, r"`gae_lambda` must be in \[0, 1\], got 2"),
        ("ppo", {"value_learning_rate": 0.0}, "`value_learning_rate` must be positive, got 0.0"),
        ("reinforce", {"num_epochs": 2}, "must be 1 without `clip_eps`, got 2 and 1"),
        ("reinforce++", {"baseline": "mean"}, "`baseline` must be one of none, batch, group"),
    ],
)
def test_a_hyperparameter_that_cannot_be_is_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        ALGORITHMS[name].config(**arguments)


def test_a_reward_that_is_not_finite_stops_before_anything_learns(bandit):
    class Broken(ReasoningVectorEnv):
        def step(self, actions):
            observations, rewards, *rest = super().step(actions)
            rewards[3] = float("nan")
            return observations, rewards, *rest

    policy, config = bandit.TablePolicy(), ALGORITHMS["grpo"].config()
    envs = Broken(8, task=bandit.Echo, group_size=4)
    state = ALGORITHMS["grpo"].start(policy, config)
    with pytest.raises(FloatingPointError, match="`reward` must be finite, got nan for "):
        next(ALGORITHMS["grpo"].train(envs, policy, config, state))
    assert not policy.logits.any()


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_a_sampler_with_other_probabilities_is_corrected_for(bandit, name):
    class Elsewhere(bandit.TablePolicy):
        """Draws as the learner does, and says that it had half the probability."""

        def generate(self, *arguments):
            drawn = super().generate(*arguments)
            return replace(drawn, logprobs=drawn.logprobs + math.log(0.5) * drawn.mask)

    gradients = []
    for kind, cap in ((bandit.TablePolicy, None), (Elsewhere, 1.5), (Elsewhere, 9.0)):
        arguments = {"num_minibatches": 1, "max_grad_norm": 1e9, "importance_cap": cap}
        policy, config = kind(), ALGORITHMS[name].config(num_steps=1, **arguments)
        state = ALGORITHMS[name].start(policy, config)
        (metrics,) = ALGORITHMS[name].train(bandit.make(64), policy, config, state)
        gradients.append(policy.logits.grad)
    torch.testing.assert_close(gradients[1], 1.5 * gradients[0])
    torch.testing.assert_close(gradients[2], 2.0 * gradients[0])
    assert metrics["clip_ratio"] == 0
    for name in ("mean", "min", "max"):
        assert metrics[f"sampling/importance_sampling_ratio/{name}"] == pytest.approx(2.0)
