"""The packaged seedlings: what they can do before any reinforcement learning, and their size."""

import json
import sys
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.load import load_policy  # noqa: E402
from edgewise.agents.policies.model_card import made_for, seedlings  # noqa: E402
from edgewise.agents.seedlings.card import load_recipe, score  # noqa: E402
from edgewise.agents.training.flags import EvaluationPlan  # noqa: E402
from edgewise.cli import main  # noqa: E402

FOLDERS = sorted(path.parent for path in seedlings().glob("*/config.json"))
RANGES = {1: (0.85, 1.0), 2: (0.35, 0.65), 3: (0.05, 0.25)}


def test_there_is_a_seedling():
    assert [folder.name for folder in FOLDERS] == ["countdown", "puzzles", "sums"]


@pytest.mark.parametrize("command", ["train", "eval", "profile", "preflight", "soar --check"])
def test_without_them_one_line_says_what_to_install(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "edgewise_seedlings", None)  # as if not installed
    assert main(command.split()) == 2
    line = "edgewise: the seedlings are in edgewise-seedlings: pip install 'edgewise[train]', "
    assert capsys.readouterr().err == line + "or in a checkout pip install ./seedlings\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_folder_is_small_and_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "edgewise.json", "README.md"} <= names
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000
    recipe, card = load_recipe(folder / "recipe.json"), made_for(f"seedling:{folder.name}")
    assert card["preset"] == recipe.preset
    assert card["envs"] == [source.env for source in recipe.sources]
    total = sum(sum(source.weights) for source in recipe.sources)
    for countdown in [source for source in recipe.sources if source.env == "Countdown-v0"]:
        assert sum(countdown.weights[3:]) < 0.01 * total  # of 5 numbers


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_model_is_small_and_follows_its_recipe(folder):
    policy = load_policy(f"seedling:{folder.name}")
    size = sum(parameter.numel() for parameter in policy.parameters())
    assert 100_000 <= size <= 3_000_000
    assert policy.model.config.model_type == "qwen2"
    shape = json.loads((folder / "recipe.json").read_text())
    assert policy.model.config.hidden_size == shape["hidden_size"]


@pytest.mark.slow
def test_the_format_is_known_and_there_is_room_to_learn():
    torch.set_num_threads(1)
    recipe = load_recipe(seedlings() / "countdown" / "recipe.json")
    policy = load_policy("seedling:countdown")
    (levels,) = score(recipe, policy, EvaluationPlan(num_pass_k=25))
    for found in levels:
        assert found.num_problems == 200
        assert found.format_rate >= (0.97 if found.ood else 0.99)
        assert found.truncated <= 0.01
        least, most = RANGES.get(found.level, (0.0, 1.0))  # of pass@1
        assert least <= found.pass_at_1 <= most, found
        assert not found.ood or found.pass_at_k > 0


@pytest.mark.slow
def test_puzzles_get_harder_for_the_model_that_knows_them_all():
    torch.set_num_threads(1)
    recipe = load_recipe(seedlings() / "puzzles" / "recipe.json")
    plan = EvaluationPlan(k=8)  # 200 problems: two levels of Blocksworld are nearly solved
    scores = score(recipe, load_policy("seedling:puzzles"), plan)
    for source, found in zip(recipe.sources, scores, strict=True):
        trained = [level for level in found if not level.ood]
        for easier, harder in pairwise(trained):  # of the hardest none may be right
            assert harder.pass_at_1 < easier.pass_at_1 or harder.high < 0.01, source.env
            assert harder.pass_at_k <= easier.pass_at_k + 0.02, source.env
        assert trained[-1].high < trained[0].low, source.env
        assert all(level.high < trained[0].low for level in found if level.ood), source.env
        assert all(level.format_rate >= (0.8 if level.ood else 0.99) for level in found), source.env
