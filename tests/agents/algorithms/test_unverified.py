"""A run learns from what could not be verified as if it had not been answered, or stops."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise import Preset, ReasoningVectorEnv, Task  # noqa: E402
from edgewise.agents.algorithms import grpo, reinforce, rollout  # noqa: E402
from edgewise.agents.algorithms.catalogue import ALGORITHMS  # noqa: E402
from edgewise.agents.algorithms.filters import SPEED, Bae, kept_by  # noqa: E402
from edgewise.agents.algorithms.losses import per_verified_group  # noqa: E402
from edgewise.agents.algorithms.rloo import leave_one_out  # noqa: E402
from edgewise.agents.algorithms.rollout import collect, refuse_unverified  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.training.evaluation import KEYS, EvaluationPlan, summarize  # noqa: E402
from edgewise.pool import TooManyUnverified  # noqa: E402
from edgewise.wrappers import SEC, vector  # noqa: E402

CASES = {name: (name, {}) for name in ALGORITHMS} | {
    "grpo": ("grpo", {}),
    "grpo, batch": ("grpo", {"standardize": "batch", "num_minibatches": 3}),
    "Dr. GRPO": ("grpo", {"standardize": "none", "loss_mean": "constant"}),
    "GSPO": ("grpo", {"ratio": "sequence", "loss_mean": "sequence", "kl_coef": 0.1}),
    "DAPO": ("grpo", {"filter": "dapo"}),
    "rloo": ("rloo", {"kl_coef": 0.1}),
    "rloo of SEC": ("rloo", {"ratio": "token", "num_minibatches": 4}),
    "ppo": ("ppo", {"kl_coef": 0.1, "num_epochs": 2}),
    "reinforce": ("reinforce", {"kl_coef": 0.1}),
    "reinforce, group": ("reinforce", {"baseline": "group", "kl_coef": 0.1}),
    "reinforce++": ("reinforce++", {"num_minibatches": 2}),
}
LOST = 3  # the answer that nobody can verify
GROUP = 6  # the others


class Unsure(Task[int]):
    """The answer is the number in the prompt, modulo 3; nobody can verify a 3."""

    presets = {"toy": Preset("{}", {1: {"high": 2}, 2: {"high": 50}}, rewards=(1.0, 0.1, 0.0))}

    def generate(self, rng, *, high):
        return int(rng.integers(high))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return None if answer == str(LOST) else answer == str(problem % 3)

    def solve(self, problem):
        return str(problem % 3)


@pytest.fixture
def any_share(monkeypatch):
    """Let any share of a batch be without a verdict."""
    monkeypatch.setattr(rollout, "MAX_UNVERIFIED", 1.0)


def told_policy(bandit, lossy):
    """The bandit's policy, which gives the same answers whether `lossy`, and lost ones beside them."""

    class Told(bandit.TablePolicy):
        calls = 0

        def generate(self, prompts, sampling, generator):
            rng, places = np.random.default_rng(self.calls), np.random.default_rng(self.calls)
            answers = rng.integers(LOST, size=(len(prompts) // (GROUP + lossy), GROUP)).tolist()
            for group in answers if lossy else ():
                group.insert(int(places.integers(GROUP + 1)), LOST)
            self.calls += 1
            found = super().generate(prompts, sampling, torch.Generator().manual_seed(0))
            tokens = torch.stack([found.tokens[:, 0], torch.tensor(answers).flatten()], dim=1)
            texts = [f"<answer>{answer}</answer>" for group in answers for answer in group]
            found = replace(found, tokens=tokens, texts=texts)
            return replace(found, logprobs=self.logprobs(found).detach())

    return Told()


def trained(bandit, case, lossy):
    """Return the policy, the curriculum and the metrics of three steps."""
    name, arguments = CASES[case]
    algorithm, size = ALGORITHMS[name], GROUP + lossy
    options = {"num_steps": 3, "learning_rate": 0.1, "sampling": Sampling(max_tokens=1)}
    config = algorithm.config(**options, **arguments)
    policy = told_policy(bandit, lossy)
    envs = vector.Curriculum(ReasoningVectorEnv(8 * size, task=Unsure, group_size=size), SEC())
    envs.reset(seed=0)
    envs.lesson.forget()
    metrics = list(algorithm.train(envs, policy, config, algorithm.start(policy, config)))
    return policy, envs, metrics


OF_TOKENS = ("unverified", "num_tokens", "num_extra_rollouts", "num_extra_tokens", "format_rate")


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_that_without_the_completions_that_are_lost(bandit, any_share, case):
    one, other = (trained(bandit, case, lossy) for lossy in (True, False))
    assert torch.equal(one[0].logits, other[0].logits) and one[0].logits.abs().max() > 0.01
    assert torch.equal(one[0].value_head.weight, other[0].value_head.weight)
    assert one[1].state_dict() == other[1].state_dict()
    for lossy, whole in zip(one[2], other[2], strict=True):
        assert (lossy["unverified"], whole["unverified"]) == (8, 0)
        for name in whole.keys() - set(OF_TOKENS):
            assert lossy[name] == pytest.approx(whole[name], abs=1e-12), name


def test_advantages_worked_by_hand():
    rewards = torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    verified = torch.tensor([[True, True, True, False], [True, False, False, False]])
    # of 1, 0, 1: 2/3 is the mean and sqrt(1/3) the deviation; of one there is none
    found = grpo.group_advantages(rewards, "group", verified)
    expected = torch.tensor([[0.57735, -1.1547, 0.57735, 0.0], [0.0] * 4])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    # the others' means are 1/2, 1 and 1/2
    found = per_verified_group(leave_one_out, rewards, verified)
    torch.testing.assert_close(found, torch.tensor([[0.5, -1.0, 0.5, 0.0], [0.0] * 4]))
    # minus the mean of all four that were verified, 3/4
    config, mask = reinforce.REINFORCEConfig(), torch.ones(4, 1)
    found = reinforce.token_advantages(rewards, torch.zeros(4, 1), mask, config, verified)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.25, -0.75, 0.25, 0.25]))


def test_filters_look_at_what_was_verified():
    correct = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]]).bool()
    verified = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
    # three right of three, one of one, four of five: only the last has both
    kept = kept_by(SPEED(), correct.float(), correct, verified)
    assert kept.tolist() == [False, False, True]
    assert kept_by(Bae(0.5, 0.9), correct.float(), correct, verified).tolist() == [False] * 2 + [
        True
    ]


@pytest.mark.parametrize(("lost", "total"), [(1, 99), (2, 199), (1, 1)])
def test_more_than_a_hundredth_stops_the_run(lost, total):
    with pytest.raises(
        TooManyUnverified, match=f"^{lost} of {total} answers could not be verified"
    ):
        refuse_unverified(lost, total)
    refuse_unverified(lost, 100 * lost)


def test_a_batch_of_which_too_much_is_lost_is_refused(bandit):
    envs = ReasoningVectorEnv(8 * (GROUP + 1), task=Unsure, group_size=GROUP + 1)
    envs.reset(seed=0)
    policy = told_policy(bandit, lossy=True)
    with pytest.raises(TooManyUnverified, match="8 of 56 answers"):
        collect(envs, policy, Sampling(), torch.Generator())


def test_scores_leave_out_what_is_lost():
    part = {key: np.ones((3, 4)) for key in KEYS}
    part["correct"] = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    part["verified"] = np.array([[1.0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    empty = {key: np.zeros((0, 2)) for key in KEYS}
    plan = EvaluationPlan(num_samples=2, k=4)
    score = summarize("Countdown-v0", 1, False, [part, empty], plan)
    # of the first two samples 1 of 2, and 2 of 2; of all four, 1 of 2 at most, and 2 of 4
    assert (score.num_problems, score.pass_at_1, score.unverified) == (2, 0.75, 6)
    assert (score.num_pass_k, score.pass_at_k) == (2, 1.0)
    json.dumps(asdict(score), allow_nan=False)
