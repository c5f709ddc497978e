"""The packaged seedlings: what they can do before any reinforcement learning, and their size."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.evaluation import EvaluationPlan  # noqa: E402
from edgewise.agents.models import SEEDLINGS, load_policy, made_for  # noqa: E402
from edgewise.agents.seedling import load_recipe, score  # noqa: E402

FOLDERS = sorted(path.parent for path in SEEDLINGS.glob("*/config.json"))
RANGES = {"countdown": {1: (0.9, 1.0), 2: (0.35, 0.65), 3: (0.05, 0.25)}}  # of pass@1


def test_there_is_a_seedling():
    assert SEEDLINGS / "countdown" in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_folder_is_small_and_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "edgewise.json", "README.md"} <= names
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000
    recipe, card = load_recipe(folder / "recipe.json"), made_for(f"seedling:{folder.name}")
    assert card["preset"] == recipe.preset
    assert card["envs"] == [source.env for source in recipe.sources]
    assert all(sum(source.weights[3:]) < 0.01 * sum(source.weights) for source in recipe.sources)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_model_is_small_and_follows_its_recipe(folder):
    policy = load_policy(f"seedling:{folder.name}")
    size = sum(parameter.numel() for parameter in policy.parameters())
    assert 1_000_000 <= size <= 3_000_000
    assert policy.model.config.model_type == "qwen2"
    shape = json.loads((folder / "recipe.json").read_text())
    assert policy.model.config.hidden_size == shape["hidden_size"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_format_is_known_and_there_is_room_to_learn(folder):
    torch.set_num_threads(1)
    policy = load_policy(f"seedling:{folder.name}")
    recipe = load_recipe(folder / "recipe.json")
    for found in score(recipe, policy, EvaluationPlan(num_pass_k=25))[recipe.sources[0].env]:
        assert found.num_problems == 200
        assert found.format_rate >= 0.99 and found.truncated <= 0.01
        least, most = RANGES[Path(folder).name].get(found.level, (0.0, 1.0))
        assert least <= found.pass_at_1 <= most, found
        assert not found.ood or found.pass_at_k > 0
