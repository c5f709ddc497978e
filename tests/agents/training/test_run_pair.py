"""Two training runs beside each other: paired where they share problems, else by their intervals."""

import json

import pytest

pytest.importorskip("torch")

from edgewise.agents.training.run_pair import compare_scores
from edgewise.cli import main


def level(number, value, low, high, ood=False, **problems):
    score = {"pass_at_1": value, "low": low, "high": high, "problems": problems}
    return {"env": "Countdown-v0", "level": number, "ood": ood, **score}


def wilson(right, size, z=1.959964):
    p, n = right / size, size
    center, half = p + z**2 / 2 / n, z * (p * (1 - p) / n + z**2 / 4 / n**2) ** 0.5
    return p, (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)


def test_shared_problems_are_compared_in_pairs():
    one = {"levels": [level(1, 0.5, 0.1, 0.9, a=1.0, b=0.0, c=0.25, only=1.0)]}
    two = {"levels": [level(1, 0.8, 0.4, 1.0, c=0.75, b=0.5, a=1.0)]}  # in another order
    (change,) = compare_scores(one, two)
    assert change.num_problems == 3
    assert change.first == pytest.approx(1.25 / 3) and change.second == pytest.approx(2.25 / 3)
    # differences 0, .5 and .5: drawn means lie within, and a quarter of the signs are as far from 0 on each side
    assert change.change.value == pytest.approx(1 / 3)
    assert (change.change.low, change.change.high) == (0.0, pytest.approx(0.5))
    assert change.p_value == pytest.approx(0.5, abs=0.03)


def test_without_shared_problems_the_interval_is_newcombes():
    # 56 of 70 less 48 of 80: [.0524, .3339] in Newcombe (1998), Table II, method 10
    one, two = ({"levels": [level(1, *wilson(*row))]} for row in ((48, 80), (56, 70)))
    (change,) = compare_scores(one, two)
    assert change.change.value == pytest.approx(0.2) and change.p_value is None
    assert change.change.low == pytest.approx(0.0524, abs=1e-4)
    assert change.change.high == pytest.approx(0.3339, abs=1e-4)


def test_means_are_of_levels_alike_and_of_ood_levels_apart():
    one = {"levels": [level(1, 0.5, 0.4, 0.6, a=0.5), level(2, 0.0, 0.0, 0.3, b=0.0, c=0.0)]}
    two = {"levels": [level(1, 1.0, 0.8, 1.0, a=1.0), level(2, 0.5, 0.2, 0.8, b=0.5, c=0.5)]}
    for side in (one, two):
        side["levels"].append(level(3, 0.1, 0.0, 0.5, ood=True, d=0.1))
    *_, mean = compare_scores(one, two)
    assert mean.levels == "mean of training levels" and mean.num_problems == 3
    assert mean.first == 0.25 and mean.second == 0.75  # (.5 + 0) / 2 and (1 + .5) / 2


STEP = {
    "num_tokens": 80, "num_extra_rollouts": 0, "num_extra_tokens": 0, "time/step_seconds": 1.5,
    "completions/clipped_ratio": 0.0,
}  # fmt: skip


def run(path, curriculum, clipped, after):
    config = {
        "env": "Countdown-v0", "curriculum": curriculum, "algorithm": "grpo", "seed": 0, "arms": ["level 1"],
        "agent": "seedling", "preset": "seedling", "learning_rate": 1e-4, "num_steps": 5,
        "num_problems": 2, "group_size": 4, "output": str(path),
    }  # fmt: skip
    path.mkdir()
    rows = [{**STEP, "step": n, "completions/clipped_ratio": clipped} for n in range(1, 6)]
    (path / "config.json").write_text(json.dumps(config))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if after:
        (path / "after.json").write_text(json.dumps({"levels": [after]}))
    return str(path)


def test_report_of_two_runs_names_settings_budget_scores_and_trouble(tmp_path, capsys):
    first = run(tmp_path / "sec", "sec", 0.5, level(1, 0.5, 0.1, 0.9, a=1.0, b=0.0))
    second = run(tmp_path / "random", "random", 0.0, level(1, 1.0, 0.6, 1.0, a=1.0, b=1.0))
    assert main(["report", first, second, "--output", str(tmp_path / "pair.md")]) == 0
    out = capsys.readouterr().out
    for line in (
        "| curriculum | sec | random |",
        "| completions | 40 | 40 |",
        "| tokens | 400 | 400 |",
        "| Countdown-v0 1 | 2 | 0.500 | 1.000 | +0.500 [+0.000, +1.000] | 1.0000 |",
        "Signs of trouble in sec:",
        "- completions are cut off at the token limit: 50% of them, steps 1 to 5; see `max_tokens`",
    ):
        assert line in out.splitlines()  # none is wrapped
    assert "trouble in random" not in out and str(tmp_path) not in out
    assert (tmp_path / "pair.md").read_text() == out.removesuffix("\n")


def test_a_run_that_was_not_evaluated_is_named(tmp_path, capsys):
    folders = [run(tmp_path / name, name, 0.0, None) for name in ("sec", "random")]
    assert main(["report", *folders]) == 0
    assert "sec and random not evaluated at the end" in capsys.readouterr().out


def test_a_run_and_an_evaluation_are_not_compared(tmp_path, capsys):
    first = run(tmp_path / "sec", "sec", 0.0, None)
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "config.json").write_text('{"asked": {}}')
    assert main(["report", first, str(tmp_path / "eval")]) == 2
    said = capsys.readouterr().err
    assert "eval must be of a run" in said and "got an evaluation" in said and said.count("\n") == 1


def test_report_of_a_comparison_prints_what_it_wrote(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"num_arms": 3}')
    assert main(["report", str(tmp_path)]) == 2
    assert "report.md: is not written yet" in capsys.readouterr().err
    row = "| " + "wide " * 40 + "|"
    (tmp_path / "report.md").write_text(f"# Rules\n\n{row}\n")
    assert main(["report", str(tmp_path)]) == 0
    assert row in capsys.readouterr().out.splitlines()


def test_a_config_without_sizes_is_named(tmp_path, capsys):
    first = run(tmp_path / "sec", "sec", 0.0, None)
    (tmp_path / "sec" / "config.json").write_text('{"arms": []}')
    assert main(["report", first, first]) == 2
    said = capsys.readouterr().err
    assert "config.json: must have 'env', got ['arms']" in said and said.count("\n") == 1
