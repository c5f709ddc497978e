"""Every recipe is one that `edgewise train` or `edgewise pretrain` takes, and flags win over it."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgewise.agents.seedlings.card import load_recipe
from edgewise.agents.training.config import TrainConfig, complete
from edgewise.cli import main
from edgewise.cli.parse import parse
from edgewise.errors import UsageError

FOLDER = Path(__file__).parents[3] / "recipes"
TRAINING = sorted(FOLDER.glob("sec-*.json")) + sorted(FOLDER.glob("e2h-*.json"))
OTHERS = sorted(set(FOLDER.glob("*.json")) - set(TRAINING))
SMALL = "--device cpu --sharding none --num-problems 2 --group-size 4 --max-tokens 8"


def read(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)
def test_a_recipe_is_the_config_that_its_flags_would_make(path):
    recipe = parse(TrainConfig, "train", ["--recipe", str(path)])
    words = []
    for name, value in read(path).items():
        flag = f"--{name.replace('_', '-')}"
        listed = value if isinstance(value, list) else [value]
        words += [flag] if value is True else [flag, *map(str, listed)]
    assert recipe == parse(TrainConfig, "train", [*words, f"--recipe={path}"])
    assert {**vars(parse(TrainConfig, "train", words)), "recipe": path} == vars(recipe)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] * (place % 2), id=path.stem)
        for place, path in enumerate(TRAINING)
    ],
)
def test_a_recipe_trains_a_small_model_in_place_of_its_own(path, tiny_model, tmp_path):
    if "lora_rank" in read(path):
        pytest.importorskip("peft")
    output = tmp_path / "run"
    place = f"--recipe {path} --agent hf:{tiny_model} --output {output} --no-evaluate"
    assert main(["train", *place.split(), *SMALL.split(), "--num-steps", "1"]) == 0
    config = read(output / "config.json")
    assert config["recipe"] == str(path) and config["num_steps"] == 1
    assert config["dtype"] == read(path)["dtype"] and config["preset"] == read(path)["preset"]
    assert config["curriculum"] == read(path)["curriculum"]
    assert len((output / "metrics.jsonl").read_text().splitlines()) == 1


def test_the_settings_are_those_of_the_papers():
    sec, e2h = (parse(TrainConfig, "train", ["--recipe", str(TRAINING[place])]) for place in (0, 2))
    assert (sec.num_steps * sec.num_problems * sec.group_size) == 240 * 256 * 8
    assert (e2h.num_problems * e2h.group_size, e2h.lora_rank, e2h.lora_alpha) == (128, 32, 64)
    assert "adam_beta2=0.99" in sec.algorithm and "lr_schedule=cosine" in e2h.algorithm
    assert (sec.lora_dropout, e2h.lora_dropout) == (0.0, 0.1)
    for config in (sec, e2h):
        assert complete(config) == config  # nothing is left to a model's card


PRETRAIN = FOLDER / "countdown-0.json"


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_the_other_recipes_make_seedlings(path):
    assert load_recipe(path).sources


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"num_stepz": 3}', "`recipe field` must be one of .*did you mean 'num_steps'"),
        ('{"num_steps": 0}', "`num_steps` must be at least 1, got 0"),
        ('{"recipe": "x.json"}', "`recipe field` must be one of"),
        ('{"seed": 1, "seed": 2}', "recipe.json:1: must be JSON, got 'seed' twice in an object"),
        (PRETRAIN.read_text(), "must be a recipe of this command, .* another command may read it"),
        ("[3]", r"recipe.json:1: must be a JSON object, got list"),
        ("{", r"recipe.json:1: must be JSON, got"),
        (None, r"recipe.json: No such file or directory"),
    ],
)
def test_a_recipe_that_is_none_is_told_in_one_line(content, message, tmp_path):
    path = tmp_path / "recipe.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message):
        parse(TrainConfig, "train", ["--recipe", str(path)])


def test_a_preflight_takes_a_recipe(tiny_model, capsys):
    pytest.importorskip("peft")
    path = FOLDER / "e2h-qwen2.5-1.5b.json"
    flags = f"--recipe {path} --agent hf:{tiny_model} {SMALL}"
    assert main(["preflight", *flags.split()]) == 0
    out = capsys.readouterr().out
    assert "memory " in out and "tokens / second " in out and "1600 steps take" in out
    assert "Countdown-v0 5, out of distribution: pass@1 " in out and "pass@8 " in out
    assert "warning: Countdown-v0 level 3: 0 of 64 right, no gradient there" in out
    assert "Countdown-v0 level 5:" not in out  # it is not trained on


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"algorithm": "gpro"}, "`algorithm` must be one of"),
        ({"algorithm": "grpo:clip=1"}, "clip"),
        ({"algorithm": "grpo:clip_eps=-1"}, "`clip_eps` must be positive, got -1"),
        ({"engine": "vlm"}, "`engine` must be one of"),
        ({"engine": "vllm:max_len=1"}, "max_len"),
        ({"curriculum": "sek"}, "did you mean 'sec'"),
        ({"env": "Countdown"}, "`env` must be one of"),
    ],
)
def test_what_a_recipe_names_is_refused_with_its_path_before_a_model_is_loaded(
    recipe, message, tmp_path, capsys
):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe))
    model = tmp_path / "model"  # has a card, and no weights
    model.mkdir()
    words = f"train --recipe {path} --agent hf:{model} --output {tmp_path / 'run'}".split()
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"edgewise: {path}: ") and message in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_flag_beside_a_recipe_is_refused_without_its_path(tmp_path, capsys):
    path = tmp_path / "recipe.json"
    path.write_text('{"algorithm": "grpo"}')
    words = f"train --recipe {path} --algorithm gpro --output {tmp_path / 'run'}".split()
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("edgewise: `algorithm` must be one of")


def test_a_folder_that_is_taken_is_refused_before_a_model_is_loaded(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    words = f"train --agent hf:{tmp_path / 'model'} --output {tmp_path / 'run'}".split()
    assert main(words) == 2
    assert "`output` must not exist, got" in capsys.readouterr().err
    assert main([*["soar", "--agent", "seedling:sums", "--output"], str(tmp_path / "run")]) == 2
    assert "`output` must not exist, got" in capsys.readouterr().err


def test_without_a_recipe_nothing_changes():
    assert parse(TrainConfig, "train", []) == TrainConfig()
    assert parse(TrainConfig, "train", ["--levels", "1", "2"]) == TrainConfig(levels=(1, 2))
