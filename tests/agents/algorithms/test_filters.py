"""Which groups a filter keeps, and that what it rejects is counted and taught."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise import ReasoningVectorEnv  # noqa: E402
from edgewise.agents.algorithms.filters import DAPO, FILTERS, RPS, SPEED, VCRL, Bae, filter_of  # noqa: E402
from edgewise.agents.algorithms.grpo import GRPOConfig, start, train  # noqa: E402
from edgewise.agents.algorithms.rollout import collect  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import Completions, blank  # noqa: E402
from edgewise.wrappers import Balanced, MarinThompson, SuccessRate, vector  # noqa: E402


@dataclass(eq=False)
class Recorder(Balanced):
    """Remember what it was told."""

    def start(self, num_arms):
        super().start(num_arms)
        self.told = []

    def update(self, arms, signal):
        self.told.append(signal)


def groups(*right, size=8):
    correct = torch.arange(size) < torch.tensor(right)[:, None]
    return correct.float(), correct


def kept(rule, *right, size=8):
    return rule(*groups(*right, size=size)).tolist()


def test_dapo_keeps_groups_that_differ():
    assert kept(DAPO(), 0, 1, 7, 8) == [False, True, True, False]
    shaped = torch.tensor([[0.1, 0.0, 0.1, 0.0]])
    wrong = torch.zeros((1, 4), dtype=torch.bool)
    assert DAPO()(shaped, wrong).tolist() == [True]
    assert DAPO(by="correct")(shaped, wrong).tolist() == [False]


def test_bae_keeps_what_is_within_its_bounds():
    # 1/8 = .125, 2/8 = .25, 6/8 = .75, 7/8 = .875; the bounds themselves are outside
    assert kept(Bae(), 1, 2, 6, 7) == [False, True, True, False]
    assert kept(Bae(low=0.25, high=0.75), 2, 4, 6) == [False, True, False]


def test_vcrl_compares_the_variance_with_the_largest():
    # k (8 - k) / 16: 0, 7/16 = .4375, .75, .9375, 1; of 5, k (5 - k) / 6: 0, .667, 1
    assert kept(VCRL(kappa=0.5), 0, 1, 2, 3, 4) == [False, False, True, True, True]
    assert kept(VCRL(kappa=0.4375), 1) == [True]
    assert kept(VCRL(kappa=1.0), 1, 2, 3, size=5) == [False, True, True]


def test_speed_keeps_groups_with_right_and_wrong():
    assert kept(SPEED(), 0, 1, 8) == [False, True, False]


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_does_not_see_order_and_rejects_what_is_all_alike(name):
    rule, (rewards, correct) = FILTERS[name](), groups(*range(9))
    found = rule(rewards, correct)
    assert not found[0] and not found[8] and found[4]
    assert torch.equal(rule(rewards.flip(0, 1), correct.flip(0, 1)), found.flip(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DAPO(by="reward"), "`by` must be rewards or correct, got 'reward'"),
        (lambda: Bae(low=0.8, high=0.2), "`low` and `high` must be 0 <= low < high <= 1"),
        (lambda: SPEED(screen=1), "`screen` must be at least 2, got 1"),
        (lambda: VCRL(kappa=0), r"`kappa` must be in \(0, 1\], got 0"),
        (lambda: VCRL(early_kappa=0), r"`early_kappa` must be in \(0, 1\], got 0"),
        (lambda: VCRL(early_steps=-1), "`early_steps` must be at least 0, got -1"),
        (lambda: DAPO(rounds=-1), "`rounds` must be at least 0, got -1"),
        (lambda: RPS(variant="both"), "`variant` must be one of paper, code"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Toy:
    """The bandit, with a policy that mostly solves multiples of 4 and mostly fails the others."""

    def __init__(self, bandit):
        class Asked(bandit.TablePolicy):
            def generate(self, prompts, *args):
                self.num_asked += len(prompts)
                return super().generate(prompts, *args)

        self.task, self.policy = bandit.Echo, Asked

    def envs(self):
        envs = ReasoningVectorEnv(64, group_size=8, task=self.task)
        envs = vector.Curriculum(envs, Recorder(signal=SuccessRate()))
        envs.reset(seed=0)
        return envs

    def make_policy(self, logit=2.0):
        policy = self.policy()
        policy.num_asked = 0
        policy.logits.data[:, 0] = logit
        return policy

    def gather(self, rule, logit=2.0, **arguments):
        """Return envs, policy and what `collect` returned."""
        envs, policy = self.envs(), self.make_policy(logit)
        generator = torch.Generator().manual_seed(0)
        return envs, policy, collect(envs, policy, Sampling(), generator, filter=rule, **arguments)


@pytest.fixture
def toy(bandit):
    return Toy(bandit)


def test_a_screening_must_leave_something(toy):
    with pytest.raises(ValueError, match="`screen` must be below group_size = 8, got 8"):
        toy.gather(SPEED(screen=8))


@pytest.mark.parametrize("name", FILTERS)
def test_rejected_groups_are_answered_again_counted_and_taught(name, toy):
    rule = FILTERS[name](rounds=99)
    envs, policy, rollout = toy.gather(rule)
    assert rule(rollout.rewards, rollout.correct).all()
    assert rollout.num_extra_rollouts == policy.num_asked - 64 > 0
    assert rollout.num_extra_tokens == rollout.num_extra_rollouts  # a token each
    right = rollout.completions.tokens[:, 0] % 4 == rollout.completions.tokens[:, 1]
    assert torch.equal(right, rollout.correct.flatten())
    prompts = rollout.completions.tokens[:, 0].view(8, 8)
    assert (prompts == prompts[:, :1]).all()
    envs.learn()
    (told,) = envs.lesson.rule.told
    rejected = rollout.num_extra_rollouts // (4 if name == "speed" else 8)
    assert len(told) == 8 + rejected
    np.testing.assert_allclose(told[-8:], rollout.correct.float().mean(dim=1))


def test_screening_costs_less_and_teaches_what_it_saw(toy):
    envs, _, rollout = toy.gather(SPEED(screen=4, rounds=99))
    *_, whole = toy.gather(DAPO(by="correct", rounds=99))
    assert rollout.num_extra_rollouts % 4 == 0
    assert rollout.num_extra_rollouts < whole.num_extra_rollouts * 2
    envs.learn()
    (told,) = envs.lesson.rule.told
    assert set(told[:-8].tolist()) <= {0.0, 1.0}  # rejected for being all alike


def test_after_the_last_round_what_is_left_is_completed(toy):
    *_, rollout = toy.gather(SPEED(screen=4, rounds=1), logit=99.0)
    assert rollout.completions.mask.sum() == 64
    assert rollout.num_extra_rollouts == 8 * 4  # a screening of each, then all of it
    assert not SPEED()(rollout.rewards, rollout.correct).any()


@pytest.mark.parametrize("name", FILTERS)
def test_training_continues_from_a_state(name, toy):
    config = GRPOConfig(num_steps=4, learning_rate=0.1, filter=name)
    policy, envs = toy.make_policy(), toy.envs()
    state = start(policy, config)
    run = train(envs, policy, config, state)
    next(run), next(run)
    saved = deepcopy([part.state_dict() for part in (policy, state, envs)])
    again, resumed = toy.envs(), toy.make_policy()
    fresh = start(resumed, config)
    for part, record in zip((resumed, fresh, again), saved, strict=True):
        part.load_state_dict(record)
    assert list(train(again, resumed, config, fresh)) == list(run)


@pytest.mark.parametrize("rule", [Balanced(), MarinThompson()])
def test_a_refill_keeps_the_ratios_of_the_first_draw(rule, bandit):
    envs = ReasoningVectorEnv(64, group_size=8, task=bandit.Echo)
    envs = vector.Curriculum(envs, rule)
    envs.reset(seed=0)
    policy = bandit.TablePolicy()
    # arm 0 is of multiples of 4, always solved but for a share; arm 1 is even
    kept, drawn = [], []
    for _ in range(6):
        envs.lesson.forget()
        rollout = collect(envs, policy, Sampling(), torch.Generator().manual_seed(0), filter=RPS())
        first = envs.lesson._drawn
        envs.learn()
        drawn.append(np.bincount(first, minlength=2))
        kept.append(np.bincount(rollout.infos["arm"], minlength=2))
    assert np.abs(np.array(kept) - drawn).max() <= 2
    assert envs.lesson.refill.seen.all()


def test_a_refill_ends_after_its_rounds(toy):
    for rounds in (2, 3):
        *_, rollout = toy.gather(RPS(rounds=rounds), logit=99.0)
        assert rollout.num_extra_rollouts == rounds * 64
    assert (RPS().rounds, DAPO().rounds, filter_of("dapo", 3).rounds) == (10, 7, 3)
    assert filter_of("none") is None


def test_a_filter_may_change_with_the_steps():
    scheduled = FILTERS["vcrl-schedule"]()
    # v / v_max of k = 0 .. 8 of 8: 0 .4375 .75 .9375 1 .9375 .75 .4375 0
    assert kept(scheduled.at(0), *range(9)) == [False, *[True] * 7, False]
    assert kept(scheduled.at(19), 1, 7) == [True, True]
    assert kept(scheduled.at(20), *range(9)) == [3 <= k <= 5 for k in range(9)]
    assert VCRL().at(0) == VCRL() and DAPO().at(7) == DAPO()


def test_an_environment_given_none_waits(bandit):
    envs = vector.PromptFormat(ReasoningVectorEnv(2, group_size=2, task=bandit.Echo))
    prompts, _ = envs.reset(seed=0)
    texts, _, done, _, infos = envs.step(["<answer>7</answer>", None])
    assert texts == ("", prompts[1]) and done.tolist() == [True, False]
    assert infos["_correct"].tolist() == [True, False]
    right = f"<answer>{int(envs.unwrapped.problems[0]) % 4}</answer>"
    _, rewards, done, _, infos = envs.step([None, right])
    assert rewards.tolist() == [0.0, 1.0] and done.all()
    assert infos["_correct"].tolist() == [False, True]


def test_what_is_to_be_filled_lies_where_completions_do():
    some = torch.zeros((2, 5), device="meta")
    like = Completions(["", ""], some.long(), some.long(), some, some, torch.zeros(2).bool())
    filled = blank(4, like).replace(np.array([1, 3]), like)
    assert filled.tokens.device.type == filled.logprobs.device.type == "meta"
    assert filled.tokens.shape == (4, 5) and filled.ended.device.type == "cpu"
