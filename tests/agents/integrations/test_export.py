"""Exported problems are the same every time, are what their card says, and can be scored."""

import hashlib
import json

import gymnasium as gym
import pytest
import yaml

import edgewise
from edgewise.agents.integrations import named
from edgewise.agents.integrations.export import FILES, LAYOUTS, export, problem_rows
from edgewise.cli import main

WHERE = {  # the name of the problem in a row
    "trl": lambda row: row["problem"],
    "trl-turns": lambda row: row["problem"],
    "verl": lambda row: row["reward_model"]["ground_truth"],
    "nemo-gym": lambda row: row["problem"],
    "lm-eval": lambda row: row["problem"],
}
SERVER = ("app.py", "requirements.txt")
CHAT = {  # its messages
    "trl-turns": lambda row: row["prompt"],
    "verl": lambda row: row["prompt"],
    "nemo-gym": lambda row: row["responses_create_params"]["input"],
    "lm-eval": lambda row: [
        {"role": "system", "content": row["system"]},
        {"role": "user", "content": row["prompt"]},
    ],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_name_problems_that_can_be_scored(layout, tmp_path):
    env = gym.make("Countdown-v0", preset="e2h", split="test", levels=(1, 2))
    rows, _ = problem_rows(env, layout, 3)
    assert len(rows) == 6
    begun = layout == "trl"  # a text that ends with what the answer begins with
    for row in rows:
        posed = edgewise.pose(WHERE[layout](row))
        answer = posed.task.solve(posed.problem)
        text = f"so</think> <answer>{answer}</answer>"
        whole = [{"role": "assistant", "content": f"<think>{text}"}]
        names = [WHERE[layout](row)] * 3
        outcomes = named.score(names, [text if begun else f"<think>{text}", whole, "?"], begun)
        assert [outcome.correct for outcome in outcomes] == [True, True, False]
        assert outcomes[0].reward == posed.preset.rewards[0]
        if begun:
            assert posed.render() in row["prompt"] and row["prompt"].endswith("<think>")
        else:
            shown = CHAT[layout](row)
            assert [message["role"] for message in shown] == ["system", "user"]
            assert posed.render() in shown[1]["content"]


def test_a_prompt_that_is_no_chat_is_a_text_for_trl_and_a_message_elsewhere():
    env = gym.make("Countdown-v0", preset="sec")
    text = problem_rows(env, "trl", 1)[0][0]["prompt"]
    assert text.startswith("A conversation between") and text.endswith("step by step.")
    for layout in ("verl", "nemo-gym"):
        row = problem_rows(env, layout, 1)[0][0]
        assert CHAT[layout](row) == [{"role": "user", "content": text}]
    row = problem_rows(env, "lm-eval", 1)[0][0]
    assert (row["system"], row["prompt"]) == ("", text)


def test_json_lines_are_the_same_every_time_and_the_card_tells_of_them(tmp_path):
    arguments = ["--env", "Countdown-v0", "--preset", "seedling", "--size", "4", "--output"]
    for name in ("one", "other"):
        assert main(["export", *arguments, str(tmp_path / f"{name}.jsonl")]) == 0
    content = (tmp_path / "one.jsonl").read_bytes()
    assert content == (tmp_path / "other.jsonl").read_bytes()
    card = json.loads((tmp_path / "one.jsonl.card.json").read_text())
    rows = [json.loads(line) for line in content.splitlines()]
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert (card["env"], card["split"], card["num_rows"]) == ("Countdown-v0", "train", len(rows))
    names = [row["problem"] for row in rows if row["level"] == 2]
    level = card["levels"][1]
    assert level["sha256"] == hashlib.sha256("\n".join(names).encode()).hexdigest()
    seeds = [json.loads(name)["problem_seed"] for name in names]
    assert level["problem_seeds"] == [seeds[0], seeds[-1]]


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in FILES])
def test_parquet_holds_the_same_rows(layout, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")
    env = gym.make("Countdown-v0", preset="e2h", levels=(1,))
    for name in ("one", "other"):
        export(env, layout, 3, tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()
    assert (
        parquet.read_table(tmp_path / "one.parquet").to_pylist() == problem_rows(env, layout, 3)[0]
    )


def test_options_of_the_environment_are_in_the_names(tmp_path):
    path = tmp_path / "turns.jsonl"
    words = ["--env", "Blocksworld-v0", "--layout", "trl-turns", "--env-options"]
    told = '{"interactive": true}'
    assert main(["export", *words, told, "--size", "1", "--output", str(path)]) == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 4 and all("one action at a time" in r["prompt"][1]["content"] for r in rows)
    assert all(edgewise.pose(row["problem"]).task.interactive for row in rows)


def test_mistakes_are_told_in_one_line(tmp_path, capsys):
    assert main(["export", "--output", str(tmp_path / "problems.csv")]) == 2
    assert "`output` must end with .jsonl or .parquet" in capsys.readouterr().err
    assert main(["export", "--size", "0"]) == 2  # the old name of the flag
    assert "`num_problems` must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("layout", FILES)
def test_what_goes_with_the_rows_is_yaml_that_names_their_file(layout, tmp_path):
    env = gym.make("Countdown-v0", preset="e2h", split="test")
    path = tmp_path / "new" / "mine.jsonl"
    export(env, layout, 1, path)
    written = {file.relative_to(path.parent).as_posix() for file in path.parent.rglob("*.*")}
    expected = {
        "nemo-gym": {"edgewise.yaml", *(f"resources_servers/edgewise/{name}" for name in SERVER)},
        "lm-eval": {"mine.yaml"},
    }
    assert written == {"mine.jsonl", "mine.jsonl.card.json", *expected[layout]}
    text = next(path.parent.glob("*.yaml")).read_text().replace("!function ", "")
    found = yaml.safe_load(text)
    if layout == "lm-eval":
        assert found["task"] == "mine"
        assert found["dataset_kwargs"] == {"data_files": {"test": str(path)}}
        assert found["process_results"] == "edgewise.agents.integrations.lm_eval.score"
        assert [one["metric"] for one in found["metric_list"]][3:] == [
            f"level_{k}" for k in (1, 2, 3, 4)
        ]
    else:
        [dataset] = found["edgewise_agent"]["responses_api_agents"]["gymnasium_agent"]["datasets"]
        assert dataset["jsonl_fpath"] == str(path)


@pytest.mark.parametrize(
    ("layout", "name", "options", "condition"),
    [
        ("lm-eval", "my task.jsonl", {}, "must be named with"),
        ("lm-eval", "mine.parquet", {}, "must end with .jsonl"),
        ("nemo-gym", "mine.parquet", {}, "must end with .jsonl"),
        ("lm-eval", "mine.jsonl", {"attempts": 2}, "must have one turn"),
    ],
)
def test_what_a_layout_cannot_hold_is_refused_before_anything_is_written(
    layout, name, options, condition, tmp_path
):
    env = gym.make("Countdown-v0", **options)
    with pytest.raises(ValueError, match=condition):
        export(env, layout, 1, tmp_path / name)
    assert not list(tmp_path.iterdir())
