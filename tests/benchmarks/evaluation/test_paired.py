"""Paired comparisons of whole evaluations, and the command that makes them."""

import json

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.evaluation.answers import EvaluationFolder
from edgewise.benchmarks.evaluation.paired import compare
from edgewise.cli import main


@pytest.fixture
def runs(evaluate):
    """The folders of an oracle, a constant and a simulated learner."""
    flags = ["--suite", "sec", "--samples", "2"]
    names = {"oracle": "oracle", "constant": "constant", "simulated": "simulated"}
    return {name: evaluate(agent, *flags, output=name)[0] for name, agent in names.items()}


def test_two_evaluations_are_compared_problem_by_problem(runs, capsys, tmp_path):
    output = tmp_path / "difference.md"
    folders = [str(runs["constant"]), str(runs["oracle"])]
    assert main(["report", *folders, "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "| all parts | ID | 27 | 0.000 | 1.000 | +1.000 [+1.000, +1.000] | 0.0001 |" in said
    assert output.read_text() in said
    assert main(["report", folders[0], folders[0]]) == 0
    assert "+0.000 [+0.000, +0.000] | 1.0000" in capsys.readouterr().out


def test_the_comparison_is_the_difference_of_the_summaries(runs):
    first, second = (EvaluationFolder(runs[name]) for name in ("constant", "simulated"))
    rows = {(row.part, row.levels): row for row in compare(first, second)}
    for mean in json.loads((second.path / "summary.json").read_text())["means"]:
        row = rows[mean["part"], "OOD" if mean["ood"] else "ID"]
        assert row.second == pytest.approx(mean["pass_at_1"]) and row.first == 0
        assert row.change.low <= row.change.value <= row.change.high


def test_problems_that_differ_are_not_compared(runs, evaluate, capsys):
    other, _ = evaluate("oracle", "--suite", "sec", "--preset", "seedling", output="other")
    assert main(["report", str(runs["oracle"]), str(other)]) == 2
    assert "which share none that both have answered" in capsys.readouterr().err


def test_a_report_is_written_anew(runs, capsys):
    page = runs["oracle"] / "report.html"
    before = page.read_text()
    page.unlink()
    assert main(["report", str(runs["oracle"])]) == 0
    assert page.read_text() == before


@pytest.mark.parametrize("flags", [["/nowhere"], ["a", "b"], ["a", "b", "c"], []])
def test_what_is_no_folder_is_told_in_one_line(flags, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *flags]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_training_run_has_its_report_written_anew(tmp_path, capsys):
    run = {"env": "Countdown-v0", "curriculum": "sec", "algorithm": "grpo", "seed": 3}
    model = {"agent": "seedling", "preset": "seedling", "learning_rate": 1e-4, "arms": []}
    size = {"num_steps": 2, "num_problems": 4, "group_size": 2}
    (tmp_path / "config.json").write_text(json.dumps({**run, **model, **size}))
    assert main(["report", str(tmp_path)]) == 0
    assert "# Countdown-v0, sec, grpo, seed 3" in (tmp_path / "report.md").read_text()
    assert "report.md" in capsys.readouterr().out
