"""A preflight measures what training would do, warns of what cannot learn, and leaves nothing."""

import re
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.preflight import preflight, warnings_of
from edgewise.agents.training.scores import LevelScore
from edgewise.cli import main

GOOD = LevelScore("Countdown-v0", 1, False, 8, 8, 0.5, 0.4, 0.6, 8, 0.9, 8, 0.9, 0.1, 20.0)


def test_the_seedling_is_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(levels=(1, 2), num_problems=2, group_size=2, num_steps=1000)
    seen = []
    found = preflight(config, seen.append)
    assert found.scores == seen and {score.level for score in seen} > {1, 2}
    assert found.scores[0].pass_at_1 > 0.5  # it was made on these
    assert found.tokens_per_second * found.step_seconds > 4  # at least a token of each completion
    assert 2**27 < found.memory < 2**36
    assert 0.0 <= found.equal_groups <= 1.0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"pass_at_1": 0.0}, ["0 of 64 right, no gradient there"]),
        ({"pass_at_1": 1.0}, ["64 of 64 right, no gradient there"]),
        ({"format_rate": 0.25}, ["an answer is found in 25% of completions"]),
        ({"truncated": 0.75}, ["75% of completions reach the token limit, a larger `max_tokens`"]),
        ({"pass_at_1": 0.0, "ood": True}, []),
    ],
)
def test_plain_warnings(changes, expected):
    warnings = warnings_of([replace(GOOD, **changes)])
    assert len(warnings) == len(expected)
    for warning, part in zip(warnings, expected, strict=True):
        assert warning.startswith(f"Countdown-v0 level 1: {part}")


def test_levels_that_are_not_trained_on_get_no_warning():
    hard = replace(GOOD, pass_at_1=0.0, level=3)
    assert not warnings_of([hard], levels=(1, 2))
    assert warnings_of([replace(hard, ood=True)], levels=(3,))


def test_the_command_says_what_a_run_would_take(tiny_model, capsys):
    assert main(["preflight", "--agent", f"hf:{tiny_model}", "--levels", "3"]) == 0
    out = capsys.readouterr().out
    assert "6 steps take 0.00 hours" in out and "GiB" in out
    assert re.fullmatch(r"fits: \d+\.\d\d GB of [\d,]+\.\d\d GB", out.splitlines()[-1])
    assert "warning: Countdown-v0 level 3: 0 of 64 right, no gradient there" in out


@pytest.mark.parametrize("flag", ["resume", "output"])
def test_a_preflight_has_no_run(flag, capsys):
    assert main(["preflight", f"--{flag}", "somewhere"]) == 2
    assert f"`{flag}` must be left out" in capsys.readouterr().err
