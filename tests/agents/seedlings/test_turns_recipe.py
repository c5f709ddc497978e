"""The seedling of `recipes/turns.json`, made as the documentation says."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("tyro")

from edgewise.agents.policies.load import load_policy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.seedlings.card import environments, load_recipe  # noqa: E402
from edgewise.agents.training.evaluation import evaluate  # noqa: E402
from edgewise.agents.training.flags import EvaluationPlan  # noqa: E402
from edgewise.benchmarks.studies.second_attempts import compare, read  # noqa: E402
from edgewise.cli import main  # noqa: E402

RECIPE = Path(__file__).parents[3] / "recipes" / "turns.json"
FEW = "--evaluation.num-problems 4 --evaluation.num-samples 1 --evaluation.num-pass-k 1 --evaluation.k 1"


def test_the_recipe_is_of_three_environments_with_turns():
    found = environments(load_recipe(RECIPE))
    assert [env_id for env_id, _, _ in found] == ["Countdown-v0", "Blocksworld-v0", "Guess-v0"]
    assert sum(sum(weights) for _, _, weights in found) == pytest.approx(1.0)


@pytest.mark.slow
def test_one_command_makes_a_seedling_that_has_room_to_learn(tmp_path):
    folder = tmp_path / "turns"
    command = f"pretrain --recipe {RECIPE} --output {folder} {FEW}"
    assert main(command.split()) == 0
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4 * 2**20
    policy, plan = load_policy(f"hf:{folder}"), EvaluationPlan(num_problems=100, num_samples=4, k=1)
    for env_id, level, options, low, high in (
        ("Blocksworld-v0", 3, {"interactive": True, "max_turns": 6}, 0.2, 0.6),
        ("Countdown-v0", 2, {"attempts": {"most": 2, "explain": True}}, 0.3, 0.6),
        ("Guess-v0", 1, {}, 0.5, 1.0),
    ):
        options = {"preset": "seedling", "render": policy.render, **options}
        sampling = Sampling(max_tokens=48)
        (found,) = evaluate(policy, env_id, plan, sampling, levels=(level,), **options)
        assert low < found.pass_at_1 < high and found.format_rate > 0.98, env_id
    output = tmp_path / "second"
    asked = "--env Countdown-v0 --attempts 2 --explain --preset seedling --levels 1 --samples 8"
    assert main(["eval", *asked.split(), "--agent", f"hf:{folder}", "--output", str(output)]) == 0
    assert compare(read(output)).difference.value > 0
