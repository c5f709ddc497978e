"""A run over episodes of several turns: what it is told, what it keeps, and that it goes on bit for bit."""

import json

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.training.config import TrainConfig, from_record  # noqa: E402
from edgewise.agents.training.replay import replay  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.scoring import score  # noqa: E402

KINDS = {
    "attempts": {"attempts": 3, "explain": True, "tools": ("calculator",)},
    "Blocksworld": {
        "env": "Blocksworld-v0",
        "env_options": '{"interactive": true, "max_turns": 4}',
        "preset": "seedling",
    },
}


def lines(path, name):
    records = [json.loads(line) for line in (path / name).read_text().splitlines()]
    return [{k: v for k, v in one.items() if not k.startswith("time/")} for one in records]


def made(tiny_model, path, **changes):
    options = {"agent": f"hf:{tiny_model}", "output": path, "max_tokens": 8, "evaluate": False}
    size = {"num_steps": 2, "num_problems": 2, "group_size": 4, "checkpoint_every": 1}
    more = {"preset": "sec", "curriculum": "sec", "max_prompt_tokens": 0}
    return begin(TrainConfig(**{**options, **size, **more, **changes}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_turns_goes_on_bit_for_bit_and_its_names_have_the_rules(
    kind, tiny_model, tmp_path
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    list(made(tiny_model, whole, **KINDS[kind]).steps())
    steps = made(tiny_model, cut, **KINDS[kind]).steps()
    next(steps)
    steps.close()
    list(resume(cut).steps())
    assert lines(cut, "metrics.jsonl") == lines(whole, "metrics.jsonl")
    lengths = [one["completions/mean_length"] for one in lines(whole, "metrics.jsonl")]
    records = lines(whole, "groups.jsonl")
    overrides = json.loads(records[0]["problem"])["overrides"]
    if kind == "attempts":
        assert all(8 < length <= 3 * 8 for length in lengths)  # tokens of more than a turn
        assert overrides["attempts"] == {"most": 3, "discount": 1.0, "explain": True}
        assert score(records[0]["problem"], "1", "2")["correct"] is False
    assert replay(RunFolder(whole)).num_steps == 2


def test_flags_of_turns_are_keywords_of_the_environment_once():
    config = TrainConfig(attempts=2, explain=True, tools=("calculator",))
    keywords = config.problems.keywords
    assert keywords["attempts"] == {"most": 2, "discount": 1.0, "explain": True}
    assert keywords["tools"]["tools"] == [
        {"name": "calculator", "max_length": 200, "max_digits": 50}
    ]
    assert from_record(config.record()) == config
    discounted = TrainConfig(attempts=2, attempt_discount=0.5).problems.keywords
    assert discounted["attempts"] == {"most": 2, "discount": 0.5, "explain": False}
    by_options = TrainConfig(env_options='{"attempts": 2}').problems.keywords
    assert by_options["attempts"]["most"] == 2
    for wrong in (
        {"attempts": 2, "env_options": '{"attempts": 3}'},
        {"explain": True},
        {"attempt_discount": 0.5},
        {"attempts": 2, "attempt_discount": 0.0},
        {"attempts": 2, "attempt_discount": 1.5},
        {"attempts": 0},
        {"tools": ("abacus",)},
        {"env_options": '{"attempts": {"most": 2, "bogus": 1}}'},
    ):
        with pytest.raises(ValueError, match=r"attempt|explain|tool"):
            TrainConfig(**wrong)
