"""Scores worked by hand, and that they depend on the plan alone."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.load import load_policy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.training.evaluation import ask, evaluate, pose_groups  # noqa: E402
from edgewise.agents.training.flags import EvaluationPlan  # noqa: E402
from edgewise.agents.training.scores import (  # noqa: E402
    Verdicts,
    as_records,
    score_level,
)


def samples(correct):
    """Verdicts on answers that are all found and end, of one token."""
    correct = np.array(correct, dtype=float)
    return Verdicts(correct, *np.ones((4, *correct.shape)))


def test_a_level_is_scored_by_problem():
    plan = EvaluationPlan(num_samples=2, k=4)
    parts = [samples([[1, 0, 0, 0], [0, 0, 0, 1]]), samples([[1, 1], [0, 0]])]
    score = score_level("Countdown-v0", 1, False, *parts, plan)
    # the first two samples of each problem: 1/2, 0, 1, 0; variance .2292, error .2394 as of 4.09
    # completions, t(3) = 3.182: centre (.375 + 10.13 / 8.18) / (1 + 10.13 / 4.09) = .464, half .418
    assert (score.num_problems, score.pass_at_1) == (4, 0.375)
    assert (score.low, score.high) == pytest.approx((0.046, 0.882), abs=1e-3)
    assert (score.k, score.num_pass_k, score.pass_at_k) == (4, 2, 1.0)


@pytest.mark.parametrize(("num_samples", "k"), [(3, 1), (2, 2), (2, 4)])
def test_the_plan_decides_what_is_asked(tiny_model, num_samples, k):
    policy = load_policy(f"hf:{tiny_model}")
    plan = EvaluationPlan(num_problems=4, num_samples=num_samples, k=k, num_pass_k=2)
    sampling = Sampling(max_tokens=12)
    asked = {"levels": (1, 4), "preset": "sec"}
    scores = evaluate(policy, "Countdown-v0", plan, sampling, **asked)
    assert [(score.level, score.ood) for score in scores] == [(1, False), (4, True)]
    assert {(score.num_problems, score.k) for score in scores} == {(4, k)}
    assert evaluate(policy, "Countdown-v0", plan, sampling, **asked) == scores
    means = as_records(scores)
    assert (means["mean"], means["mean_ood"]) == tuple(score.pass_at_1 for score in scores)


def test_batches_are_of_whole_problems_in_order(tiny_model):
    policy = load_policy(f"hf:{tiny_model}")
    pose = partial(pose_groups, "Countdown-v0", {"split": "test"}, None)
    problems = [{"level": 1, "problem_seed": seed} for seed in range(5)]
    asked = (policy, problems, 3, Sampling(max_tokens=4), torch.Generator(), pose)
    rollouts = list(ask(*asked, batch=7))
    assert [rollout.correct.shape for rollout in rollouts] == [(2, 3), (2, 3), (1, 3)]
    seeds = [seed for rollout in rollouts for seed in rollout.infos["problem_seed"].tolist()]
    assert seeds == list(range(5))
    assert len(list(ask(*asked, batch=1))) == 5
