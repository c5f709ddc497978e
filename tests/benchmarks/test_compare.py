import json
import shlex

import pytest

pytest.importorskip("torch")

from edgewise.agents.run_folder import RunFolder
from edgewise.benchmarks import compare
from edgewise.benchmarks.published import PUBLISHED, published_effect
from edgewise.benchmarks.study import ladder_of
from edgewise.benchmarks.suites import SUITES, Size, listed, plan_of
from edgewise.errors import UsageError

TINY = shlex.split(
    "--suite sec --tasks Countdown --curricula ordered --num-steps 2 --num-problems 2 --group-size 2 "
    "--num-looks 2 --validation-problems 2 --test-problems 2 --processes 1 --seeds"
)


def test_every_suite_makes_plans():
    for suite in SUITES.values():
        for task in suite.tasks.values():
            plan = plan_of(task, listed(suite.curricula), ["grpo", "ppo"], 3, Size())
            ood = ladder_of(plan)
            assert any(ood.values()) and not all(ood.values())
            assert list(plan.seeds) == [1, 2, 3]
            assert len(plan.rules) == 2 * len(listed(suite.curricula))
            for rule in plan.rules:
                algorithm, curriculum = rule.split()
                if curriculum != "random":
                    assert plan.baseline_of(rule) == f"{algorithm} random"


def test_a_mixture_has_the_levels_of_each_environment():
    ood = ladder_of(plan_of(SUITES["sec"].tasks["SEC-2D"], ["random"], ["grpo"], 1, Size()))
    assert ood["Countdown-v0 1"] is False and ood["ARC1D-v0 1"] is False
    assert {name.split()[0] for name in ood} == {"Countdown-v0", "Zebra-v0", "ARC1D-v0"}


def test_effects_of_the_papers():
    assert published_effect("sec", "ARC-1D", "grpo", "ID", "ordered") == {"3B": -2.5, "7B": 1.4}
    assert published_effect("sec", "Countdown", "ppo", "ID", "sec") == {"3B": 12.9}
    assert published_effect("e2h", "Blocksworld", "grpo", "Hard", "e2h-gaussian") == {"1.5B": 11.8}
    assert published_effect("sec", "Countdown", "grpo", "ID", "mopps") == {}
    for suite, tasks in PUBLISHED.items():
        assert {task for task, _ in tasks} <= set(SUITES[suite].tasks)


def test_a_comparison_goes_on_with_more_seeds(tmp_path, capsys, monkeypatch):
    output = tmp_path / "runs"
    compare.run([*TINY, "1", "--output", str(output)])
    first = output / "Countdown/comparison/grpo random-0-start-s1"
    assert [look["steps"] for look in RunFolder(first).read("curve.json")["looks"]] == [1, 2]
    assert json.loads((first / "best.json").read_text())["steps"] in (1, 2)
    changed = (first / "after.json").stat().st_mtime_ns
    capsys.readouterr()
    compare.run([*TINY, "2", "--output", str(output)])
    assert (first / "after.json").stat().st_mtime_ns == changed
    printed = capsys.readouterr().out
    assert "cells 5/5" in printed and "3B -30.8, 7B -3.8" in printed
    report = (output / "report.md").read_text()
    assert "| Countdown | grpo | ordered | ID |" in report and "seeds 1 to 2" in report
    assert all((output / name).stat().st_size > 10_000 for name in ("curves.png", "arms.png"))
    with pytest.raises(UsageError, match="another num_steps; name another folder"):
        compare.run([*TINY, "2", "--output", str(output), "--num-steps", "3"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--suite soar7", "`suite` must be one of"),
        ("--suite sec --tasks Chess", "`task` must be one of"),
        ("--suite sec --curricula best", "must be one of"),
        ("--suite sec --seeds 0", "`seeds` must be at least 1, got 0"),
        ("--suite sec --num-looks 0", "`num_looks` must be at least 1, got 0"),
        ("--suite sec --recipe nowhere.json", "`recipe` must be a JSON file"),
    ],
)
def test_mistakes_are_told_in_one_line(words, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        compare.run([*words.split(), "--output", str(tmp_path / "runs")])


def test_a_recipe_gives_what_no_flag_says(tmp_path):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(
        json.dumps(
            {"env": "Zebra-v0", "num_steps": 7, "learning_rate": 1e-5, "lora_rank": 4, "threads": 2}
        )
    )
    config = compare.SuiteCompareConfig(suite="sec", recipe=recipe)
    size = compare.size_of(config)
    assert (size.num_steps, size.learning_rates) == (7, (1e-5,))
    assert size.train == {"lora_rank": 4, "threads": 2}
