"""Scores worked by hand, and that they depend on the plan alone."""

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.evaluation import (
    KEYS,
    EvaluationPlan,
    as_records,
    evaluate,
    pass_at_k,
    summarize,
)


def samples(correct):
    """Samples whose answers are all found and end, of one token."""
    correct = np.array(correct, dtype=float)
    return {key: correct if key == "correct" else np.ones_like(correct) for key in KEYS}


def test_pass_at_k_is_unbiased():
    # of 5 samples with 2 right, two drawn are both wrong in 3 of 10 ways
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert pass_at_k(5, 0, 5) == 0.0 and pass_at_k(5, 1, 5) == 1.0


def test_a_level_is_scored_by_problem():
    plan = EvaluationPlan(num_samples=2, k=4)
    parts = [samples([[1, 0, 0, 0], [0, 0, 0, 1]]), samples([[1, 1], [0, 0]])]
    score = summarize("Countdown-v0", 1, False, parts, plan)
    # the first two samples of each problem: 1/2, 0, 1, 0; deviation .479, error 1.96 x .479 / 2
    assert (score.num_problems, score.pass_at_1) == (4, 0.375)
    assert (score.low, score.high) == pytest.approx((0.0, 0.844), abs=1e-3)
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
