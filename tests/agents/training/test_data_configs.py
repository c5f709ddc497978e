"""Nothing that a config, a recipe or a record says is imported or called; it is refused in one line."""

import json
import sys

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.integrations.trl_config import TRLConfig  # noqa: E402
from edgewise.agents.integrations.trl_recipe import read_arguments  # noqa: E402
from edgewise.agents.seedlings.card import load_recipe  # noqa: E402
from edgewise.agents.soar.pairs import hard_pairs, load_pairs  # noqa: E402
from edgewise.agents.training.clean import check_model  # noqa: E402
from edgewise.agents.training.config import TrainConfig, complete, from_record  # noqa: E402
from edgewise.agents.training.run import to_record  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.benchmarks.studies.plan import Plan  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.cli.parse import parse  # noqa: E402
from edgewise.errors import UsageError  # noqa: E402

POPEN = {"task": "subprocess:Popen", "args": ["touch", "made"]}
STRANGER = "import pathlib\npathlib.Path('made').touch()\n"


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    """A module of a stranger is at hand, and nothing touches it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stranger.py").write_text(STRANGER)
    yield
    assert "stranger" not in sys.modules and not (tmp_path / "made").exists()


@pytest.fixture(scope="module")
def record():
    """The config of a run."""
    config = complete(TrainConfig(num_problems=4, group_size=2, num_steps=2))
    return json.loads(json.dumps(to_record(config, config.setup.envs())))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rule": {"class": "subprocess:Popen", "args": ["touch", "made"]}},
            "`rule.class` must be",
        ),
        ({"rule": {"class": "stranger:Rule"}}, "register_rule"),
        ({"rule": None}, "`rule` must be an object"),
        ({"rule": {"rule": "plr"}, "env_options": json.dumps(POPEN)}, "`env_options` must have"),
        ({"rule": {"rule": "plr"}, "env": "stranger:Countdown-v0"}, "`env` must name code"),
        ({"num_problems": 10**9}, "`num_problems` must be at most "),
        ({"num_problems": 10**5, "group_size": 10**5}, "with `group_size` 100000, got"),
        ({"arms": 3}, "`arms` must be a list"),
        ({"seed": -1}, "`seed` must be at least 0"),
    ],
)
def test_a_replay_runs_nothing_that_the_config_names(changes, message, record, tmp_path, capsys):
    RunFolder.create(tmp_path / "run", {**record, **changes})
    assert main(["replay", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and "run/config.json" in told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_options": json.dumps(POPEN)}, "got 'task'"),
        ({"env_options": json.dumps({"env_id": "x"})}, "got 'env_id'"),
        ({"env_options": json.dumps({"vector_kwargs": {}})}, "got 'vector_kwargs'"),
        ({"env_options": "[" * 100_000}, "`env_options` must be at most 16 deep, got more"),
        ({"env": "stranger:Countdown-v0"}, "`env` must name code"),
        ({"num_steps": "2"}, "`num_steps` must be an integer, got '2'"),
        ({"levels": [1, "2"]}, "`levels[1]` must be an integer"),
        ({"temperature": float("nan")}, "`temperature` must be a finite number"),
        ({"dtype": "float8"}, "`dtype` must be one of float32, bfloat16"),
        ({"evaluation": {"num_problemz": 1}}, "`evaluation field` must be one of"),
        ({"evaluation": []}, "`evaluation` must be an object"),
    ],
)
def test_a_run_is_not_continued_with_what_is_no_config(changes, message, record, tmp_path, capsys):
    RunFolder.create(tmp_path / "run", {**record, **changes})
    assert main(["train", "--resume", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and "run/config.json" in told


def test_the_config_of_a_run_is_read_as_it_was_written(record):
    config = complete(TrainConfig(num_problems=4, group_size=2, num_steps=2))
    assert from_record(record) == config


@pytest.mark.parametrize(
    "recipe",
    [
        {"env_options": POPEN},
        {"env_options": json.dumps(POPEN)},
        {"env": "stranger:Countdown-v0"},
        {"env": "Countdown-v0,stranger:Zebra-v0"},
        {"__class__": "stranger:Config"},
        {"num_steps": [3]},
    ],
)
def test_a_recipe_names_flags_and_what_is_registered(recipe, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe))
    with pytest.raises(UsageError, match=r"recipe.json: `"):
        parse(TrainConfig, "train", ["--recipe", str(path)])


def test_a_recipe_may_give_keywords_as_an_object(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"env_options": {"levels": [1], "rewards": [1, 0, 0]}}')
    assert parse(TrainConfig, "train", ["--recipe", str(path)]).problems.keywords["levels"] == (1,)


@pytest.mark.parametrize(
    "command", ["train --env Countdown-v0", "export --env Countdown-v0", "eval"]
)
def test_keywords_on_the_command_line_name_no_class(command, capsys):
    assert main([*command.split(), "--env-options", json.dumps(POPEN)]) == 2
    assert "got 'task'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sources": [{"env": "stranger:Countdown-v0"}]}, "`env` must name code"),
        ({"sources": [{"weights": ["1"]}]}, r"`sources\[0\].weights\[0\]` must be a finite number"),
        ({"sources": {}}, "`sources` must be a list"),
        ({"train": {"output": "x"}}, "`train field` must be one of"),
        ({"hidden_size": None}, "`hidden_size` must be an integer"),
    ],
)
def test_a_recipe_of_a_seedling_is_checked(content, message, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"recipe.json: {message}"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_init_kwargs": {"trust_remote_code": True}}, "got 'trust_remote_code'"),
        ({"model_init_kwargs": {"use_safetensors": False}}, "got 'use_safetensors'"),
        ({"model_init_kwargs": {"attn_implementation": "stranger/kernel"}}, "must be one of eager"),
        (
            {"model_init_kwargs": {"dtype": {"a": 1}}},
            "`arguments.model_init_kwargs` must be one of",
        ),
        ({"trust_remote_code": True}, "must be without 'trust_remote_code'"),
        ({"push_to_hub": True}, "must be without 'push_to_hub'"),
        ({"output_dir": "/elsewhere"}, "must be without 'output_dir'"),
        ({"model_init_kwargs": []}, None),
        ({"model_init_kwargs": "x"}, "must be an object"),
    ],
)
def test_arguments_for_trl_load_models_without_code(arguments, message):
    if message is None:
        assert read_arguments(json.dumps(arguments))["model_init_kwargs"]["use_safetensors"]
        return
    with pytest.raises(ValueError, match=message):
        read_arguments(json.dumps(arguments))


def test_a_recipe_for_trl_may_set_the_precision(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"arguments": {"model_init_kwargs": {"dtype": "bfloat16"}, "beta": 0.1}}')
    read = read_arguments(TRLConfig.from_recipe(path).arguments)
    safe = {"use_safetensors": True, "trust_remote_code": False}
    assert read == {"model_init_kwargs": {"dtype": "bfloat16", **safe}, "beta": 0.1}


def test_a_model_of_a_run_on_an_environment_of_a_stranger_is_refused(record, tmp_path):
    RunFolder.create(tmp_path / "run", {**record, "env": "stranger:Countdown-v0"})
    with pytest.raises(ValueError, match=r"run/config.json: `env` must name code"):
        check_model(f"hf:{tmp_path / 'run' / 'model'}", "Countdown-v0", split="test")
    played = {"game": {"env": "stranger:X-v0", "preset": None}}
    RunFolder.create(tmp_path / "soar", played)
    with pytest.raises(ValueError, match=r"soar/config.json: `env` must name code"):
        check_model(f"hf:{tmp_path / 'soar' / 'teacher'}", "Countdown-v0", split="test")


def test_a_plan_names_registered_environments(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"env": "stranger:Countdown-v0"}))
    with pytest.raises(ValueError, match=r"plan.json: `agents` must be given"):
        Plan.load(path)


@pytest.mark.parametrize(
    ("overrides", "message"), [(POPEN, "got 'task'"), ({"preset": "x"}, "`preset` must be one of")]
)
def test_a_file_of_hard_problems_runs_nothing(overrides, message, tmp_path):
    name = {
        "env": "Countdown-v0", "overrides": overrides, "split": "train", "level": 1, "params": {},
        "problem_seed": 0, "key": "0" * 16,
    }  # fmt: skip
    path = tmp_path / "hard.jsonl"
    path.write_text(json.dumps({"question": "a", "answer": "b", "problem": name}))
    with pytest.raises(ValueError, match=rf"hard.jsonl:1: .*{message}"):
        hard_pairs(path, "{target}")


def test_a_pair_of_a_teacher_is_two_texts(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"question": "1+1", "answer": {"class": "stranger:X"}}')
    with pytest.raises(ValueError, match=r"pairs.jsonl:1"):
        load_pairs(path)
