"""The fit finds the world that made the runs, and ranks curricula as that world does."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.benchmarks.simulation.compare import Size  # noqa: E402
from edgewise.benchmarks.simulation.env import SimulatedVectorEnv  # noqa: E402
from edgewise.benchmarks.simulation.fit import (  # noqa: E402
    fit,
    gains,
    gather,
    judge,
    load_run,
    loss,
    rank_correlation,
    reliability,
    table,
)
from edgewise.benchmarks.simulation.learner import SimulatedLearner, start, train  # noqa: E402
from edgewise.benchmarks.simulation.worlds import World, falling  # noqa: E402
from edgewise.wrappers import make_rule  # noqa: E402
from edgewise.wrappers.vector import with_rule  # noqa: E402

SIZE = Size(num_steps=40, num_arms=4, num_problems=32, group_size=8)
TRUE = World(np.array([1.0, -0.5, -2.0, -3.0]), falling(4, 0.6, 0.2, num_ood=0), spread=1.0)


def save_run(path, curriculum, seed, size=SIZE):
    """Write the folder that a training run of a learner of the world TRUE leaves."""
    config = {
        "algorithm": "grpo:num_minibatches=2",
        "arms": ["level 1", "level 2", "level 3", "level 4"],
        "curriculum": curriculum,
        "hyperparameters": {"filter": "none"},
        "seed": seed,
        **{name: getattr(size, name) for name in ("num_steps", "num_problems", "group_size")},
    }
    folder = RunFolder.create(path, config)
    envs = SimulatedVectorEnv(size.num_problems * 8, group_size=8, num_arms=4)
    envs = with_rule(envs, make_rule(curriculum, size.num_steps))
    envs.reset(seed=seed)
    learner, state = SimulatedLearner(TRUE), start(seed)
    for metrics in train(envs, learner, size.num_steps * size.num_problems * 8, state):
        records = [{"step": metrics["step"], **group} for group in envs.records()]
        folder.append("groups.jsonl", records)
    folder.write("after.json", {"mean": learner.accuracy().mean()})
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs under the two curricula that are fitted to."""
    root = tmp_path_factory.mktemp("runs")
    return [
        save_run(root / f"{name}-{seed}", name, seed)
        for name in ("random", "ordered")
        for seed in range(2)
    ]


def test_the_world_that_made_the_runs_is_found(folders):
    found = fit([load_run(path) for path in folders])
    np.testing.assert_allclose(found.skills, TRUE.skills, atol=0.25)
    assert found.learning_rate == pytest.approx(TRUE.learning_rate, rel=0.15)
    assert found.spread == pytest.approx(1.0, abs=0.15)
    np.testing.assert_allclose(found.transfer[0, 1], 0.6, atol=0.1)
    np.testing.assert_allclose(found.transfer[1, 0], 0.2, atol=0.1)


def test_the_gradient_of_the_loss_is_right(folders):
    evidence = gather([load_run(folders[0])])
    at = np.array([0.5, -0.5, -1.5, -2.0, 0.7, 0.3, 0.4, 0.8])
    _, gradient = loss(at, evidence)
    for place, step in enumerate(1e-5 * np.eye(8)):
        slope = (loss(at + step, evidence)[0] - loss(at - step, evidence)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-7)


def test_groups_are_counted(folders):
    run = load_run(folders[2])
    assert run.counts.shape == (40, 4, 9) and (run.counts.sum(axis=(1, 2)) == 32).all()
    assert (run.counts[:10].sum(axis=(0, 2)) > 0).tolist() == [True, False, False, False]
    text = (folders[2] / "groups.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    right = sum(sum(line["correct"]) for line in lines)
    assert (run.counts.sum(axis=(0, 1)) @ np.arange(9)) == right


def test_the_gradient_of_a_group_worked_by_hand():
    # k of 2 right: A = +-.5 / .7071, so the mean of A y is .3536 for one right, else 0
    np.testing.assert_allclose(gains(2, "grpo"), [0, 0.5 * 0.5 / 0.70711, 0], atol=1e-5)
    np.testing.assert_allclose(gains(2, "rloo"), [0, 0.5, 0])  # A = 1 - 0


def test_other_curricula_are_predicted_and_ranked(folders, tmp_path):
    names = ("reverse", "subset:arms=[0]", "e2h-gaussian")
    others = [
        save_run(tmp_path / f"{i}", name, seed) for i, name in enumerate(names) for seed in (i,)
    ]
    found = judge([*folders, *others], num_seeds=1)
    assert set(found.predicted) == set(found.real) == set(names)
    assert found.spearman == 1.0 and np.isnan(found.reliability)
    for name in names:
        assert found.predicted[name] == pytest.approx(found.real[name], abs=0.06)
    text = "\n".join(table(found))
    assert "| subset:arms=[0] |" in text and f"correlation {found.spearman:.2f}" in text


def test_reliability_tells_a_ranking_from_noise():
    rng = np.random.default_rng(0)
    clear = {
        name: (place + 0.1 * rng.normal(size=6)).tolist() for place, name in enumerate("abcde")
    }
    noise = {name: rng.normal(size=6).tolist() for name in "abcdefghij"}
    assert reliability(clear, rng) > 0.95
    assert abs(reliability(noise, rng)) < 0.6
    assert np.isnan(reliability({"a": [1.0], "b": [2.0], "c": [3.0]}, rng))


def test_rank_correlations_worked_by_hand():
    # ranks 1 2 3 4 and 2 1 3 4: 1 - 6 * 2 / (4 * 15) = .8
    one, two = np.array([0.1, 0.2, 0.3, 0.9]), np.array([5.0, 4.0, 6.0, 7.0])
    assert rank_correlation(one, two) == pytest.approx(0.8)
    assert np.isnan(rank_correlation(one[:2], two[:2])) and np.isnan(rank_correlation(one, one * 0))


def test_what_cannot_be_judged_is_refused(folders, tmp_path):
    with pytest.raises(ValueError, match=r"`paths` must have runs under .* and under others"):
        judge(folders)
    short = Size(num_steps=2, num_arms=4, num_problems=4, group_size=8)
    other = save_run(tmp_path / "other", "sec", 0, short)
    with pytest.raises(ValueError, match="`paths` must be runs of one size"):
        judge([*folders, other])
    (other / "after.json").unlink()
    with pytest.raises(ValueError, match="`paths` must be runs scored after training"):
        judge([other])
    config = json.loads((other / "config.json").read_text()) | {"algorithm": "ppo"}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="`algorithm` must be one of grpo, rloo, got 'ppo'"):
        load_run(other)
