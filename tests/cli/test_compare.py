import json
import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgewise.agents.training.report import probabilities
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.simulation.compare import parse_curriculum
from edgewise.benchmarks.studies.plan import (
    SUITES,
    Size,
    comparison_cells,
    listed,
    plan_of,
    suite_of,
    tasks_of,
)
from edgewise.benchmarks.studies.published import PUBLISHED, published_effect
from edgewise.benchmarks.studies.study import ladder_of, train_config
from edgewise.cli import compare, compare_soar
from edgewise.cli.compare_flags import SOARCompareConfig, SuiteCompareConfig
from edgewise.cli.main import perform
from edgewise.cli.parse import parse
from edgewise.errors import UsageError

PAGE = Path(__file__).parents[2] / "docs" / "compare.md"
PAPERS = sorted((Path(__file__).parents[2] / "recipes").glob("*-*[0-9]b.json"))
TINY = shlex.split(
    "--suite sec --tasks Countdown --curricula ordered --num-steps 2 --num-problems 2 --group-size 2 "
    "--num-looks 2 --validation-problems 2 --test-problems 2 --processes 1 --seeds"
)


def test_every_suite_makes_plans():
    for suite in SUITES.values():
        for task in suite.tasks.values():
            size = Size() if task.agent else Size(agent="seedling")
            plan = plan_of(task, listed(suite.curricula), ["grpo", "ppo"], 3, size)
            if task.agent:
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


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.slow
def test_mathematics_has_five_arms_of_their_sizes_and_other_tests(tiny_model, tmp_path):
    pytest.importorskip("flint")
    levels = [level for level in range(1, 6) for _ in range(level)]  # 1, 2 ... 5 problems
    common = {"answer": "1", "subject": "Algebra", "in_qwen_amc23_40": True}
    for name in ("math/train", "math/math500", "amc/amc22_23", "aime24/aime24", "math/test"):
        rows = [
            {"id": f"{name} {n}", "problem": f"{name} {n}", "level": level, **common}
            for n, level in enumerate(levels)
        ]
        write(tmp_path / f"{name}.jsonl", rows)
    ids = [{"math_id": f"math/train {n}"} for n in range(len(levels))]
    write(tmp_path / "sec/math_train_ids.jsonl", ids)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"max_tokens": 4, "preset": "sec", "data": str(tmp_path)}))
    words = TINY.index("--tasks")
    tiny = [*TINY[: words + 1], "Mathematics", *TINY[words + 2 :], "1", "--recipe", str(recipe)]
    perform("compare", [*tiny, "--agent", f"hf:{tiny_model}", "--output", str(tmp_path / "runs")])
    folder = RunFolder(tmp_path / "runs/Mathematics/comparison/grpo random-0-start-s1")
    told = next(iter(folder.lines("metrics.jsonl")))
    assert probabilities(told) == pytest.approx([n / 15 for n in range(1, 6)])
    report = (tmp_path / "runs/report.md").read_text()
    for column in ("MATH-v0 ID", "AMC-v0 OOD", "AIME24-v0 OOD"):
        assert f"| Mathematics | grpo | ordered | {column} |" in report
    assert "3B -2.1, 7B +1.2" in report  # of AIME24
    scores = folder.read("after.json")["correct"]
    assert [len(scores[f"MATH-v0 {level}"]) for level in range(1, 6)] == [1, 2, 2, 2, 2]
    assert {"AMC-v0 1", "AIME24-v0 1"} < set(scores)


def test_effects_of_the_papers():
    assert published_effect("sec", "ARC-1D", "grpo", "ID", "ordered") == {"3B": -2.5, "7B": 1.4}
    assert published_effect("sec", "Countdown", "ppo", "ID", "sec") == {"3B": 12.9}
    assert published_effect("e2h", "Blocksworld", "grpo", "Hard", "e2h-gaussian") == {"1.5B": 11.8}
    assert published_effect("e2h", "Countdown", "grpo:filter=dapo", "Hard", "e2h-gaussian") == {
        "1.5B": 7.7
    }
    assert published_effect("sec", "Countdown", "grpo", "ID", "mopps") == {}
    hard = {
        arms: published_effect("e2h", "Blocksworld", "grpo", "Hard", f"subset:arms={arms}")
        for arms in ("[3]", "[1,2,3]", "[2]")
    }
    assert hard == {"[3]": {"1.5B": -21.1}, "[1,2,3]": {"1.5B": -5.6}, "[2]": {}}
    for suite, tasks in PUBLISHED.items():
        assert {task for task, _ in tasks} <= set(SUITES[suite].tasks)


def test_a_comparison_goes_on_with_more_seeds(tiny_model, tmp_path, capsys):
    output, recipe = tmp_path / "runs", tmp_path / "recipe.json"
    recipe.write_text('{"max_tokens": 8}')
    tiny = ["--recipe", str(recipe), "--agent", f"hf:{tiny_model}", *TINY]
    perform("compare", [*tiny, "1", "--output", str(output)])
    first = output / "Countdown/comparison/grpo random-0-start-s1"
    assert [look["steps"] for look in RunFolder(first).read("curve.json")["looks"]] == [1, 2]
    assert json.loads((first / "best.json").read_text())["steps"] in (1, 2)
    changed = (first / "after.json").stat().st_mtime_ns
    capsys.readouterr()
    perform("compare", [*tiny, "2", "--output", str(output)])
    assert (first / "after.json").stat().st_mtime_ns == changed
    printed = capsys.readouterr().out
    assert "cells 5/5" in printed and "3B -30.8, 7B -3.8" in printed
    report = (output / "report.md").read_text()
    assert "| Countdown | grpo | ordered | ID |" in report and "seeds 1 to 2" in report
    for level in ("mean of training levels", "1", "3", "4, OOD"):
        (row,) = (x for x in report.splitlines() if x.startswith(f"| Countdown | grpo | {level} |"))
        random, ordered = row.strip("| ").split(" | ")[3:]
        after, effect = ordered.split(" [")[0].split(", ")
        assert float(effect) == pytest.approx(float(after) - float(random), abs=0.11)
    assert all((output / name).stat().st_size > 10_000 for name in ("curves.png", "arms.png"))
    rows = (output / "Countdown.csv").read_text().splitlines()
    assert len(rows) == 1 + 5 * 5  # the model before, and two rules of two seeds, on five levels
    with pytest.raises(UsageError, match="another num_steps; name another folder"):
        perform("compare", [*tiny, "2", "--output", str(output), "--num-steps", "3"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--suite soar7", "`suite` must be one of"),
        ("--suite sec --tasks Chess", "`task` must be one of"),
        ("--suite sec --curricula best", "must be one of"),
        ("--suite sec --tasks Mathematics", "`agent` must be given for MATH-v0"),
        ("--suite sec --seeds 0", "`num_seeds` must be at least 1, got 0"),
        ("--suite sec --num-looks 0", "`num_looks` must be at least 1, got 0"),
        ("--suite sec --algorithms grop", "`algorithm` must be one of"),
        ("--suite sec --group-size 1", "`group_size` must be at least 2 for grpo, got 1"),
        ("--suite sec --learning-rates=-1", "`learning_rates` must be positive, got -1.0"),
        ("--suite sec --agent hf:/nowhere --processes 1", "`model` must be a folder or hub id"),
        ("--suite sec --recipe nowhere.json", r"nowhere.json: No such file or directory"),
    ],
)
def test_mistakes_are_told_in_one_line(words, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        perform("compare", [*words.split(), "--output", str(tmp_path / "runs")])


def test_a_recipe_gives_sizes_model_and_all_else(tmp_path):
    path = tmp_path / "recipe.json"
    flags = {"env": "Zebra-v0", "num_steps": 7, "learning_rate": 1e-5, "lora_rank": 4, "threads": 2}
    flags["allocation"] = "vip"
    path.write_text(json.dumps({**flags, "agent": "hf:a", "algorithm": "rloo"}))
    words = ["--suite", "sec", "--recipe", str(path)]
    config = parse(SuiteCompareConfig, "compare", words)
    assert (config.num_steps, config.learning_rates, config.agent) == (7, (1e-5,), "hf:a")
    assert config.algorithms == "rloo"
    assert config.of_cells() == {"allocation": "vip", "lora_rank": 4, "threads": 2}
    config = parse(
        SuiteCompareConfig, "compare", [*words, "--num-steps", "5", "--agent", "seedling"]
    )
    assert (config.num_steps, config.agent, config.group_size) == (5, "seedling", 8)


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_the_recipes_of_the_papers_make_plans(path):
    config = parse(SuiteCompareConfig, "compare", ["--suite", "sec", "--recipe", str(path)])
    size = compare.size_of(config)
    plan = plan_of(SUITES["sec"].tasks["Zebra"], ["random"], [config.algorithms], 1, size)
    compare.check(plan)
    made = train_config(plan, comparison_cells(plan, dict.fromkeys(plan.rules, 0))[0], Path("run"))
    assert made.env == "Zebra-v0" and made.device == "cuda" and made.sharding == "none"
    assert made.learning_rate == 1e-6 and made.preset in ("sec", "e2h")


COMMANDS = re.findall(r"edgewise (compare [^`\n]+)", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", [text for text in COMMANDS if "--suite soar --seeds" in text])
def test_every_command_of_the_page_for_soar_names_games(command):
    config = parse(SOARCompareConfig, "compare", shlex.split(command)[1:])
    assert len(compare_soar.games_of(config)) == 2 * config.num_seeds


@pytest.mark.parametrize(
    "command", [text for text in COMMANDS if "..." not in text and "soar" not in text]
)
def test_every_command_of_the_page_can_be_carried_out(command, monkeypatch):
    monkeypatch.chdir(PAGE.parents[1])
    config = parse(SuiteCompareConfig, "compare", shlex.split(command)[1:])
    suite, size = suite_of(config.suite), compare.size_of(config)
    for text in listed(config.curricula or suite.curricula):
        rule, _ = parse_curriculum(text, config.num_steps)
        rule.start(4)
    for task in tasks_of(suite, config.tasks).values():
        curricula = listed(config.curricula or suite.curricula)
        compare.check(plan_of(task, curricula, listed(config.algorithms), config.num_seeds, size))
