"""The command line: every mistake is one line and exit code 2."""

import json
import re
import signal
import subprocess
import sys
from functools import partial

import pytest

from edgewise.cli import main

pytest.importorskip("tyro")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("trian", "did you mean 'train'"),
        ("train --env Contdown-v0", "did you mean 'Countdown-v0'"),
        ("train --preset seq", "did you mean 'sec'"),
        ("train --levels 9", "`levels` must be among"),
        ("train --curriculum sek", "did you mean 'sec'"),
        ("train --algorithm gpro", "did you mean 'grpo'"),
        ("train --allocation vop", "did you mean 'vip'"),
        ("train --allocation vip --group-size 3", "`group_size` must be in [4, 32], the bounds"),
        ("train --allocation knapsack:least=1", "`least` must be at least 2 for grpo, got 1"),
        ("train --allocation vip:most=1e99", "`most` must be an integer"),
        ("train --group-size 1", "`group_size` must be at least 2"),
        ("train --group-size one", "`group_size` must be a whole number, got 'one'"),
        (
            "train --levels a",
            "`levels` must be a whole number each, got 'a'; see edgewise train --help",
        ),
        ("train --temperature x", "`temperature` must be a number, got 'x'"),
        ("train --num-stepz 3", "got --num-stepz, 3; did you mean --num-steps?"),
        ("soar --preset chess", "edgewise: `game` must be one of seedling"),
        ("train --levels 4", "4 is out of distribution, kept out of training: evaluate it"),
        ("export --levels 4", "or set `allow_ood`"),
        (
            "eval --agent oracle --data x",
            "`data` must be a keyword of Countdown-v0, which has equals",
        ),
        ("train --data x", "`data` must be a keyword of Countdown-v0, which has equals"),
        ("train --no-such-flag", "--no-such-flag"),
        ("train --agent hf:/nowhere", "`model` must be a folder or hub id"),
        ("train --resume /nowhere", "`resume` must be the folder of a run"),
        ("train --resume /nowhere --seed 1", "`resume` must be the only flag"),
        ("eval --env Contdown-v0", "did you mean 'Countdown-v0'"),
        ("eval --levels 9", "`levels` must be among"),
        ("play Contdown-v0", "did you mean 'Countdown-v0'"),
        ("pretrain --recipe /nowhere --output /nowhere/too", "/nowhere"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["eval", "eval --agent oracle", "preflight", "train"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"problem": "a", "gold": "1"}', "`question_column` must name a column, got 'question'"),
        ("{", "mine.jsonl:1: is not JSON: "),
    ],
)
def test_a_file_without_problems_is_told_in_one_line(
    command, text, told, capsys, tmp_path, monkeypatch
):
    pytest.importorskip("flint")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.jsonl"
    path.write_text(text)
    flags = ["--env", "ProblemSet-v0", "--env-options", json.dumps({"data": str(path)})]
    assert main([*command.split(), *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"edgewise: {path}") and error.count("\n") == 1 and told in error


@pytest.mark.parametrize(
    "module", ["torch._utils", pytest.param("transformers.utils", marks=pytest.mark.slow)]
)
def test_an_interrupt_is_told_in_one_line_in_the_middle_of_imports(module, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "edgewise", "train"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(
            signal.signal, signal.SIGINT, signal.SIG_DFL
        ),  # a job in the back ignores it
    )
    assert process.stderr is not None
    while not process.stderr.readline().endswith(f" {module}\n"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    rest = process.communicate()[1].splitlines()
    told = [line for line in rest if not line.startswith("import time:")]
    assert told == ["edgewise: interrupted"] and process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_the_commands_are_listed(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("list", "play", "train", "eval", "pretrain"))


@pytest.mark.parametrize(
    "command",
    ["list", "play", "train", "eval", "report", "leaderboard", "pretrain", "export", "trl"],
)
def test_every_flag_is_explained(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    flags = re.split(r"\n\W*(?=--)", capsys.readouterr().out)[1:]
    assert len(flags) > 1 or command == "list"
    for flag in flags:
        assert re.search(r"[a-z]{2,},? [a-z]{2,}", flag), flag


def test_the_list_names_every_environment_and_preset(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "Countdown-v0" in out and "e2h" in out and "seedling" in out
    assert main(["list", "--curricula"]) == 0
    out = capsys.readouterr().out
    assert all(
        name in out for name in ("ordered", "mopps", "filter=bae", "allocation=vip", "2505.14970")
    )


def test_a_player_is_told_right_from_wrong(capsys, monkeypatch):
    replies = iter(["1 + 1", ""])
    monkeypatch.setattr("builtins.input", lambda _: next(replies))
    assert main(["play", "Countdown-v0", "--problems", "2"]) == 0
    out = capsys.readouterr().out
    assert "wrong, reward 0.1" in out and "solution: " in out and "0 solved" in out


def test_without_the_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['tyro'] = None\n"
        "from edgewise.cli import main; sys.exit(main(['train']))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1
    assert "pip install 'edgewise[train]'" in ran.stderr
