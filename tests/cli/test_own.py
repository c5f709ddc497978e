"""One's own environment, rule and agent on the command line, wherever a flag names one."""

import json

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.workers import in_order
from edgewise.cli import main
from edgewise.cli.parse import import_named
from edgewise.errors import UsageError
from edgewise.wrappers import make_rule

SMALL = "--num-steps 2 --num-problems 2 --group-size 2 --max-tokens 4 --no-evaluate"
FEW = "--plan.num-problems 2 --samples 1"


def told(capsys, words, code=0):
    """Run a command that ends with `code`, and return what it says; a mistake is one line."""
    assert main(words.split()) == code
    out, err = capsys.readouterr()
    if code:
        assert err.count("\n") == 1
        return err
    return out


def test_a_run_of_ones_own_code_goes_on_once_it_is_imported(own_folder, capsys, forgotten):
    flags = "--env mine:Double-v0 --curriculum mine:Hardest:share=0.5 --agent mine:model"
    told(capsys, f"train {flags} {SMALL}")
    run = own_folder / "runs" / "double-hardest-grpo-s0"
    record = json.loads((run / "config.json").read_text())
    assert record["env"] == "mine:Double-v0" and record["rule"]["rule"] == "mine:Hardest"
    forgotten()
    for command in ("train --resume", "replay", "eval --agent hf:runs/*/model --env"):
        words = f"{command} {run}".replace("*", run.name)
        words = words.replace(f"--env {run}", f"--env Countdown-v0 {FEW}")
        error = told(capsys, words, 2)
        assert f"{run.name}/config.json: `" in error and "--import m" in error.lower()
    assert "agree" in told(capsys, f"replay {run} --import mine")
    text = (run / "report.md").read_text()  # not wrapped, though lines are longer than 80
    assert text in told(capsys, f"report {run}") and max(map(len, text.splitlines())) > 80
    forgotten()
    assert "finished: all 2 steps are done" in told(capsys, f"train --resume {run} --import=mine")


def test_a_recipe_imports_nothing(own_folder, capsys):
    (own_folder / "recipe.json").write_text('{"env": "mine:Double-v0"}')
    error = told(capsys, f"train --recipe recipe.json {SMALL}", 2)
    assert "recipe.json: `env` must name code" in error and "add --import mine" in error


def test_every_command_with_an_environment_takes_ones_own(own_folder, capsys, monkeypatch):
    env = "--env mine:Double-v0"
    monkeypatch.setattr("builtins.input", lambda _: "")
    assert "solution: " in told(capsys, "play mine:Double-v0 --problems 1")
    assert "pass@1 1.000" in told(capsys, f"eval {env} --agent oracle {FEW}")
    shown = told(capsys, f"eval {env} --agent mine:seven --samples 1 --plan.num-problems 1")
    assert "report runs/eval-Double-v0-mine-seven/report.html" in shown
    assert "mean pass rate" in told(
        capsys, f"profile {env} --agent simulated --plan.num-problems 1 --plan.num-samples 1"
    )
    assert "Double-v0" in told(capsys, f"export {env} --size 2")
    assert "tokens / second" in told(
        capsys, f"preflight {env} --agent mine:model --num-problems 2 --group-size 2 --max-tokens 4"
    )
    assert "Double-v0" in told(capsys, "list --import mine")


@pytest.mark.slow
def test_a_comparison_of_ones_own_rule_runs_in_several_processes(own_folder, capsys):
    flags = "--seeds 2 --steps 2 --arms 2 --worlds independent --processes 2 --output cells"
    told(capsys, f"compare --curricula mine:Hardest:share=0.5 {flags}")
    assert "mine:Hardest:share=0.5" in (own_folder / "cells" / "cells.csv").read_text()


def test_other_processes_import_what_was_typed(own_folder):
    import_named(["--import", "mine"])
    made = in_order(make_rule, [("mine:Hardest:share=0.5", 10)] * 2, num_workers=2)
    assert [rule.share for rule in made] == [0.5, 0.5]


def test_what_is_installed_is_listed_and_named(installed_package, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    assert "Double-v0" in out and err.count("\n") == 2
    assert "left out Broken-v0: " in err and "left out Missing-v0: " in err
    assert main(["list", "--curricula"]) == 0
    out, err = capsys.readouterr()
    assert "hardest" in out and "left out plain: " in err
    told(
        capsys,
        "eval --env Double-v0 --agent seven --samples 1 --levels 1 --plan.num-problems 2",
    )


@pytest.mark.parametrize("words", [["--import"], ["--import", "--seed", "1"], ["--import="]])
def test_import_takes_a_module(words):
    with pytest.raises(UsageError, match="`--import` must be followed"):
        import_named(words)


def test_only_flags_that_name_code_are_imported(own_folder):
    words = ["--output", "mine:x", "--agent", "constant:7,mine:x", "--curriculum", "sec:epsilon=1"]
    assert import_named(words) == words
    for flag in (["--env=nothere:X-v0"], ["--curricula", "random,sec+dapo,nothere:Rule:a=[1,2]"]):
        with pytest.raises(UsageError, match="no module nothere"):
            import_named(flag)


def test_the_help_says_how(capsys):
    shown = told(capsys, "--help")
    assert all(words in shown for words in ("MODULE:ID-v0", "--import MODULE", "working folder"))
