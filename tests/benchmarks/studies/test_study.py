import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.agents.training.config import complete
from edgewise.agents.training.run import begin
from edgewise.benchmarks.studies import study
from edgewise.benchmarks.studies.plan import Plan, comparison_cells, selection_cells, start_cells
from edgewise.benchmarks.studies.study_report import Scores, comparison_table
from edgewise.files import read_json

FOLDER = Path(__file__).parents[3] / "benchmarks" / "plans"
PLANS = [
    path for path in sorted(FOLDER.glob("*.json")) if "rules" in read_json(path)
]  # others race
SMALL = Plan(
    env="Countdown-v0",
    agents={"a": "seedling:countdown"},
    baseline="random",
    rules={
        "random": [{"curriculum": "random"}],
        "dapo": [{"curriculum": "random", "algorithm": "grpo:filter=dapo"}],
    },
    transfer={"level 1": {"curriculum": "subset:arms=[0]"}},
    num_steps=2,
    num_problems=4,
    group_size=4,
    num_tokens=400,
    seeds=[1],
    transfer_seeds=[1],
    selection_agent="a",
    selection_seeds=[0],
    validation_problems=3,
    test_problems=3,
    test_samples=2,
    train={"max_tokens": 8},
)
SCORE = {
    "samples": 1,
    "steps": 1,
    "rollouts": 9,
    "tokens": 9,
    "effective": 1,
    "mean": 0.5,
    "correct": {"1": [1]},
}


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_rule_of_a_plan_has_as_many_configurations(path):
    plan = Plan.load(path)
    assert len({len(configs) for configs in plan.rules.values()}) == 1
    assert not set(plan.seeds) & set(plan.selection_seeds)
    assert plan.selection_agent in plan.agents and plan.baseline in plan.rules
    assert {*plan.baselines, *plan.baselines.values()} <= set(plan.rules)


def test_rules_are_paired_by_model_and_seed():
    cells = comparison_cells(replace(SMALL, seeds=[1, 2]), {"random": 0, "dapo": 0})
    assert [(cell.rule, cell.seed) for cell in cells] == [
        ("random", 1),
        ("dapo", 1),
        ("random", 2),
        ("dapo", 2),
    ]
    assert len({cell.name for cell in [*cells, *start_cells(SMALL)]}) == 5
    assert selection_cells(SMALL) == []  # one configuration of each is no choice


def test_the_best_on_validation_is_chosen(tmp_path):
    plan = replace(SMALL, rules={"random": [{"learning_rate": rate} for rate in (1e-4, 2e-4)]})
    for cell, accuracy in zip(selection_cells(plan), (0.2, 0.3), strict=True):
        folder = tmp_path / cell.name
        folder.mkdir(parents=True)
        (folder / "after.json").write_text(json.dumps({**SCORE, "mean": accuracy}))
    assert study.choose(plan, tmp_path) == {"random": 1}


def test_a_plan_runs_goes_on_and_reports(tmp_path, monkeypatch, capsys):
    plan = tmp_path / "small.json"
    plan.write_text(json.dumps(vars(SMALL)))
    words = ["study", str(plan), "--output", str(tmp_path / "runs"), "--results", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    study.main()
    cell = tmp_path / "runs/comparison/dapo-0-a-s1"
    score = json.loads((cell / "after.json").read_text())
    assert score["rollouts"] >= SMALL.num_rollouts == 32  # screening included
    assert {len(counts) for counts in score["correct"].values()} == {3}
    before = json.loads((tmp_path / "runs/start/random-0-a-s0/after.json").read_text())
    rows = (tmp_path / "small.csv").read_text().splitlines()
    assert len(rows) == 1 + 5 * (1 + 2 + 1)  # five levels
    assert (tmp_path / "small.png").stat().st_size > 10_000
    table = (tmp_path / "small.md").read_text()
    accuracy, gain = table.split("| dapo | ")[1].split(" | ")[:2]
    difference = float(accuracy) - 100 * before["mean"]
    assert float(gain.split()[0]) == pytest.approx(difference, abs=0.11)
    (cell / "after.json").unlink()
    study.main()  # that cell is scored anew, with the same tokens, and no other runs again
    assert (tmp_path / "small.md").read_text() == table
    assert "| dapo | " in capsys.readouterr().out


def test_answers_are_sampled_as_the_paper_evaluates(tmp_path):
    train = {"preset": "e2h", "max_tokens": 8}
    plan = replace(SMALL, test_samples=1, test_problems=2, train=train)
    training = begin(study.complete(study.train_config(plan, start_cells(plan)[0], tmp_path / "a")))
    heard, own = [], training.policy.generate

    def generate(prompts, sampling, generator):
        heard.append(sampling.temperature)
        return own(prompts, sampling, generator)

    training.policy.generate = generate
    study.score(plan, training, "test")
    assert set(heard) == {0.0} and training.sampling.temperature == 1.0


def test_a_plan_without_a_budget_of_tokens_has_a_table(tmp_path):
    cells = [*start_cells(SMALL), *comparison_cells(SMALL, {"random": 0, "dapo": 0})]
    for cell in cells:
        (tmp_path / cell.name).mkdir(parents=True)
        right = [int(cell.rule == "dapo")] * 3
        (tmp_path / cell.name / "after.json").write_text(
            json.dumps({**SCORE, "correct": {"1": right}})
        )
    plan = replace(SMALL, num_tokens=None)
    line = comparison_table(plan, Scores(cells, tmp_path), {"1": False})[-1]
    assert "| dapo | 100.0 | " in line and "| +100.0 [+100.0, +100.0] | - | - |" in line


@pytest.mark.parametrize("num_looks", range(1, 30))
def test_every_look_is_due_once_and_the_last_at_the_end(num_looks):
    plan = replace(SMALL, num_steps=60, num_problems=16, group_size=8, num_looks=num_looks)
    due = [study.num_due(plan, 128.0 * step) for step in range(61)]
    assert (due[0], due[-1]) == (0, num_looks) and set(np.diff(due)) <= {0, 1}


@pytest.mark.slow
def test_a_look_that_was_interrupted_is_made_up_for(tmp_path):
    plan = replace(SMALL, num_looks=2)
    cell = comparison_cells(plan, {"random": 0})[0]
    study.run_cell(plan, cell, tmp_path)
    path = tmp_path / cell.name
    before = {
        file: (path / file).read_bytes() for file in ("curve.json", "best.json", "after.json")
    }
    looks = json.loads(before["curve.json"])["looks"]
    assert [look["steps"] for look in looks] == [1, 2]
    (path / "curve.json").write_text(json.dumps({"looks": looks[:1]}))  # the second step was saved,
    (path / "after.json").unlink()  # and nothing after it
    study.run_cell(plan, cell, tmp_path)
    assert {file: (path / file).read_bytes() for file in before} == before


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["0", "2"])
def test_looks_at_steps_that_are_drawn_again_tell_what_these_used(tmp_path, kept):
    plan = replace(SMALL, num_looks=2)
    cell = comparison_cells(plan, {"random": 0})[0]
    study.run_cell(plan, cell, tmp_path)
    path = tmp_path / cell.name
    files = ("curve.json", "best.json", "after.json")
    before = {file: (path / file).read_bytes() for file in files}
    looks = json.loads(before["curve.json"])["looks"]
    others = [look if look["steps"] < int(kept) else {**look, "tokens": 1} for look in looks]
    (path / "curve.json").write_text(json.dumps({"looks": others}))  # of draws that were lost
    for file in files[1:]:
        (path / file).unlink()
    for checkpoint in (path / "checkpoints").iterdir():
        if checkpoint.name != kept:
            shutil.rmtree(checkpoint)
    for _ in range(2):  # the second finds all of it done
        study.run_cell(plan, cell, tmp_path)
        assert {file: (path / file).read_bytes() for file in files} == before


@pytest.mark.slow
def test_the_best_checkpoint_is_scored_with_its_own_weights(tmp_path):
    train = {"curriculum": "random", "learning_rate": 1e-3}
    plan = replace(SMALL, rules={"random": [train]}, num_tokens=None, num_looks=2, test_problems=10)
    plan = replace(plan, train={"max_tokens": 48})  # long enough, so that answers differ
    cell = comparison_cells(plan, {"random": 0})[0]
    training = begin(complete(study.train_config(plan, cell, tmp_path / "run")))
    scores = []
    for _ in training.steps():
        scores.append(study.score(plan, training, "test"))
        if len(scores) == 1:
            training.policy.save(training.folder.path / study.WEIGHTS)
    used = {"rollouts": 16, "tokens": 9, "effective": 0}
    looks = [{**used, "steps": 1, "mean": 0.9}, {**used, "steps": 2, "mean": 0.9}]
    training.folder.write(study.CURVE, {"looks": looks})
    best = study.score_best(plan, training, {**scores[1], "steps": 2})
    assert best["correct"] == scores[0]["correct"] != scores[1]["correct"]
    assert best["steps"] == 1
    training.folder.write(study.CURVE, {"looks": [{**looks[0], "mean": 0.8}, looks[1]]})
    last = {**scores[1], "steps": 2}
    assert study.score_best(plan, training, last) == last
