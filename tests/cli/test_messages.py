"""What a user is told: each mistake by its flag and in words, before any work; finished work as finished."""

import json
from pkgutil import resolve_name

import pytest

from edgewise.cli import main

pytest.importorskip("tyro")


def told(capsys, words):
    """What a command prints, and its exit code."""
    code = main(words.split())
    found = capsys.readouterr()
    return found.out + found.err, code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("schedule --pass-rates \u0660\u066b\u0662 1", "`pass_rates` must be 2 numbers, got "),
        ("schedule --pass-rates a b", "`pass_rates` must be 2 numbers, got 'a', 'b'; see"),
        ("headroom --target x", "`target` must be a whole number each, got 'x'; see"),
        ("compare --suite sec --learning-rates x 2", "`learning_rates` must be a number each, got"),
        ("soar --promotions 1 x", "`promotions` must be a whole number each, got '1', 'x'; see"),
        ("train --levels \u0663", "`levels` must be a whole number each, got"),
        ("new", "`kind` and `name` must be given, got nothing; see edgewise new --help"),
        ("new env", "`name` must be given, got nothing; see"),
        ("new envv sums", "`kind` must be one of env, rule, got 'envv'; did you mean 'env'? see"),
        ("pretrain --output model", "`recipe` must be given, got nothing; see"),
        ("pretrain", "`recipe` and `output` must be given, got nothing; see"),
        ("check", "`env` must be given, got nothing; see"),
        ("train --device gpu", "got 'gpu'; did you mean 'cpu'? see edgewise train --help"),
        ("train --track tensorbord", "did you mean 'tensorboard'? see"),
        ("export --layout ver", "did you mean 'verl'? see"),
        ("report a b c", "`folders` must be one or two, got 3"),
        ("train --env-options {", '`env_options` must be JSON with names, such as {"interactive"'),
        (
            "schedule --num-problems 10001",
            "`num_problems` must be at most 10000 with `num_steps` 1000",
        ),
    ],
)
def test_a_mistake_names_its_flag_and_what_it_must_be(words, message, capsys):
    text, code = told(capsys, words)
    assert text.startswith("edgewise: ") and message in text and text.count("\n") == 1
    assert code == 2 and text.count("must be") == 1 and "typing" not in text


N = 10**11
HELD = {  # flags of counts that are held in memory, and what each may be at most
    f"train --num-problems {N}": "`num_problems` must be at most 10000000, got",
    f"train --group-size {N}": "`group_size` must be at most 10000000, got",
    "train --group-size 1000 --num-problems 10001": "at most 10000 with `group_size` 1000, got 10001",
    f"train --curriculum plr --pool-size {N}": "`pool_size` must be at most 10000000, got",
    f"train --evaluation.num-problems {N}": "num_problems` must be at most 10000000, got",
    f"train --validation.k {N}": "k` must be at most 10000000, got",
    f"preflight --num-problems {N}": "`num_problems` must be at most 10000000, got",
    f"preflight --plan --group-size {N}": "`group_size` must be at most 10000000, got",
    f"trl --num-problems {N}": "`num_problems` must be at most 1250000 with `group_size` 8, got",
    f"verl --group-size {N}": "`group_size` must be at most 10000000, got",
    f"eval --agent oracle --num-problems {N}": "`num_problems` must be at most 10000000, got",
    f"eval --agent oracle --num-samples {N}": "`num_samples` must be at most 10000000, got",
    "eval --agent oracle --num-samples 100000": "at most 100 with `num_samples` 100000, got 200",
    "profile --num-problems 2000000": "`num_problems` must be at most 1250000 with `num_samples` 8",
    f"profile --num-samples {N}": "`num_samples` must be at most 10000000, got",
    f"soar --num-datasets {N}": "`num_datasets` must be at most 10000000, got",
    f"soar --dataset-size {N}": "`dataset_size` must be at most 10000000, got",
    f"soar --num-students {N}": "`num_students` must be at most 10000000, got",
    f"schedule --num-steps {N}": "`num_steps` must be at most 10000000, got",
    f"export --num-problems {N}": "`num_problems` must be at most 10000000, got",
    f"check Countdown-v0 --num-problems {N}": "`num_problems` must be at most 10000000, got",
    f"headroom --num-problems {N}": "`num_problems` must be at most 1250000 with `group_size` 8",
    f"compare --num-problems {N}": "`num_problems` must be at most ",
    f"compare --num-steps {N}": "`num_steps` must be at most 10000000, got",
    f"train --threads {N}": "`threads` must be at most 1024, got",
    f"compare --num-seeds {N}": "`num_seeds` must be at most 10000, got",
    f"compare --suite sec --num-seeds {N}": "`num_seeds` must be at most 10000, got",
    f"compare --num-arms {N}": "`num_arms` must be at most ",
    f"compare --processes {N}": "`processes` must be at most 1024, got",
    f"compare --suite sec --test-samples {N}": "`test_samples` must be at most 10000000, got",
}


@pytest.mark.parametrize("words", HELD)
def test_more_than_memory_can_hold_is_told_before_any_work(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, code = told(capsys, words)
    assert code == 2 and text.startswith("edgewise: ") and text.count("\n") == 1, text
    assert HELD[words] in text and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        "export --output {}",
        "schedule --output {}",
        "profile --output {}",
        "view . --output {}",
        "report . . --output {}",
        "list --gallery {}",
        "leaderboard --readme {}",
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_any_work(
    command, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.jsonl").mkdir()
    (tmp_path / "file").write_text("mine")
    for name, said in (("taken.jsonl", "which is a folder"), ("file/x.jsonl", "file is a file")):
        text, code = told(capsys, command.format(name))
        assert code == 2 and text.endswith(f"{said}\n") and text.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.jsonl"]


def test_memory_that_runs_out_is_told_in_words(capsys, monkeypatch):
    flags = resolve_name("edgewise.cli.flags:ListConfig")

    def run(config, arguments):
        assert isinstance(config, flags)
        raise MemoryError

    monkeypatch.setattr("edgewise.cli.list.run", run)
    text, code = told(capsys, "list")
    assert code == 2 and text.startswith("edgewise: the memory ran out; ask for less at once")


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (
            "eval --agent oracle --plan.num-problems 1 --samples 1 --output e",
            "all 4 answers are there",
        ),
        (
            "profile --agent simulated:independent --plan.num-problems 1 --plan.num-samples 2 --output p.jsonl",
            "all 3 problems are measured",
        ),
        (
            "compare --curricula sec --worlds independent --seeds 1 --steps 2 --processes 1 --output c",
            "all 2 cells are done",
        ),
    ],
)
def test_what_is_finished_says_so_and_changes_nothing(
    command, wanted, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first, code = told(capsys, command)
    assert code == 0 and "finished" not in first
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    again, code = told(capsys, command)
    assert code == 0 and f"finished: {wanted}, and stay as they are" in again
    assert kept == {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    assert all(json.loads(line) for text in kept.values() for line in text.splitlines())
