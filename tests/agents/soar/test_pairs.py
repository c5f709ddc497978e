"""What fails every time is kept, divided in two, and read again as pairs."""

import json

import gymnasium as gym
import pytest

pytest.importorskip("torch")

from edgewise.agents.soar.config import SOARRunConfig, game_of, hard_file
from edgewise.agents.soar.pairs import failed, halves, hard_pairs, write_halves
from edgewise.agents.soar.presets import GAMES
from edgewise.cli import main
from edgewise.envs.arithmetic import Arithmetic


def records(count, env_id="Arithmetic-v0"):
    env = gym.make(env_id, preset="sums").unwrapped
    for seed in range(count):
        problem, info = env.pose({"level": 3, "params": {}, "problem_seed": seed})
        yield {
            "problem": json.loads(info["problem"]),
            "question": env.prompt(problem),
            "answer": env.task.solve(problem),
            "num_samples": 128,
            "pass_rate": 0.0 if seed % 3 else 1 / 128,
        }


def test_only_problems_that_are_never_solved_are_kept_in_halves():
    found = failed(records(30), 128)
    assert len(found) == 20 and {record["pass_rate"] for record in found} == {0.0}
    train, test = halves(found, 0)
    assert len(train) == len(test) == 10 and all(record not in test for record in train)
    assert halves(found, 0) == (train, test) != halves(found, 1)
    with pytest.raises(ValueError, match="`fail_at` must be at most `num_samples`, 128, got 256"):
        failed(records(3), 256)


def test_the_halves_are_read_as_questions_without_how_to_answer(tmp_path):
    paths = write_halves(tmp_path / "profile.jsonl", list(records(6)), 0)
    assert [path.name for path in paths] == ["profile-hard-train.jsonl", "profile-hard-test.jsonl"]
    pairs = [pair for path in paths for pair in hard_pairs(path, "{compact}")]
    assert len(pairs) == 6 and all("boxed" not in pair.question for pair in pairs)
    sums = Arithmetic()
    assert all(sums.solve(sums.parse(pair.question, "")) == pair.answer for pair in pairs)


def test_own_problems_need_no_name_and_other_versions_are_refused(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"question": "What is 2 + 2?", "answer": 4}\n')
    assert [(p.question, p.answer) for p in hard_pairs(path, "")] == [("What is 2 + 2?", "4")]
    record = next(records(1))
    record["problem"]["key"] = "0" * 16
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match="must be of this version of Arithmetic-v0"):
        hard_pairs(path, "{compact}")
    path.write_text('{"question": "?"}')
    with pytest.raises(ValueError, match=r"^.*own.jsonl:1: must have 'answer', got"):
        hard_pairs(path, "{compact}")


def test_the_command_writes_both_halves(tmp_path, capsys, tiny_model):
    path = tmp_path / "profile.jsonl"
    flags = ["--agent", f"hf:{tiny_model}", "--output", str(path), "--max-tokens", "4"]
    flags += ["--plan.num-problems", "6", "--fail-at", "3", "--preset", "seedling"]
    assert main(["profile", "--levels", "3", *flags]) == 0
    out = capsys.readouterr().out
    assert "problems fail 3 of 3" in out
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {record["num_samples"] for record in lines} == {3}
    files = [tmp_path / f"profile-hard-{name}.jsonl" for name in ("train", "test")]
    kept = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    hard = [record for record in lines if record["pass_rate"] == 0]
    assert len(kept) == len(hard) > 0 and all(record in kept for record in hard)
    assert main(["profile", *flags[:4], "--fail-at", "0"]) == 2
    assert "`fail_at` must be at least 1, got 0" in capsys.readouterr().err


def test_a_profile_of_a_game_asks_as_its_students_are_asked(tmp_path, tiny_model):
    path = tmp_path / "profile.jsonl"
    flags = ["--game", "seedling", "--agent", f"hf:{tiny_model}", "--output", str(path)]
    assert main(["profile", *flags, "--plan.num-problems", "1", "--fail-at", "2"]) == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    game = GAMES["seedling"]
    assert {(line["temperature"], line["max_tokens"]) for line in lines} == {(1.0, 64)}
    assert {line["level"] for line in lines} == {1, 2, 3, 4, 5}
    files = [tmp_path / f"profile-hard-{name}.jsonl" for name in ("train", "test")]
    pairs = [pair for file in files for pair in hard_pairs(file, game.question)]
    asked = {game.exam.template.replace("{problem}", pair.question) for pair in pairs}
    assert asked == {line["question"] for line in lines if line["pass_rate"] == 0} != set()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--game", "chess"], "`game` must be one of"),
        (["--game", "seedling", "--temperature", "0.5"], "`temperature` must be left out with"),
        (["--game", "llama-math", "--env", "GSM8K-v0"], "`env` must be left out with `game`"),
        (["--engine", "magic"], "`engine` must be one of"),
    ],
)
def test_mistakes_of_a_profile_are_told(flags, message, tmp_path, capsys):
    assert main(["profile", *flags, "--output", str(tmp_path / "p.jsonl")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("column", ["half", "split"])
def test_a_file_that_names_halves_is_read_by_half(column, tmp_path):
    path = tmp_path / "harp.jsonl"
    rows = [
        {"question": f"{i}?", "answer": i, column: "train" if i % 3 else "test"} for i in range(7)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = {half: [p.question for p in hard_pairs(path, "", half)] for half in ("train", "test")}
    assert found == {"train": ["1?", "2?", "4?", "5?"], "test": ["0?", "3?", "6?"]}
    assert hard_pairs(path, "") == hard_pairs(path, "", "train")
    config = SOARRunConfig(hard=path)
    assert hard_file(config, game_of(config), "test") == path
    del rows[3][column]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(
        ValueError, match=rf"harp.jsonl:4: `{column}` must be train or test in every"
    ):
        hard_pairs(path, "")
    path.write_text(json.dumps(rows[1]))
    with pytest.raises(ValueError, match=rf"at least one problem of {column} test, got none"):
        hard_pairs(path, "", "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`hard` must have at least one problem, got none in"),
        (
            '{"question": "a", "answer": "b", "problem": {"env": "Countdown-v0"}}',
            r"hard.jsonl:1: `overrides` must be in a name",
        ),
        ('"text"', r"hard\.jsonl:1: must be a JSON object, got str"),
    ],
)
def test_a_file_without_hard_problems_is_refused(text, message, tmp_path):
    path = tmp_path / "hard.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        hard_pairs(path, "{compact}")
