"""The oracle is right everywhere, and a constant is what it was told to be."""

import json

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main

FEW = ["--plan.num-problems", "6", "--samples", "2"]


def pass_rates(path, *flags):
    assert main(["eval", *FEW, "--output", str(path), *flags]) == 0
    summary = json.loads((path / "summary.json").read_text())
    return [level["pass_at_1"] for level in summary["levels"]]


@pytest.mark.parametrize(
    "flags",
    [
        ["Countdown-v0"],
        ["Countdown-v0", "--preset", "e2h"],
        ["Zebra-v0"],
        ["ARC1D-v0"],
        ["Blocksworld-v0", "--preset", "e2h"],
        ["Arithmetic-v0"],
        ["Blocksworld-v0", "--env-options", '{"interactive": true}'],
        ["Blocksworld-v0", "--preset", "planbench", "--env-options", '{"interactive": true}'],
    ],
    ids=" ".join,
)
def test_the_oracle_is_right(tmp_path, flags):
    rates = pass_rates(tmp_path, "--agent", "oracle", "--env", *flags)
    assert set(rates) == {1.0} and len(rates) > 1


def test_a_constant_is_wrong(tmp_path):
    assert set(pass_rates(tmp_path, "--agent", "constant:banana", "--levels", "3")) == {0.0}


def test_an_episode_that_is_too_short_for_the_oracle_is_refused(tmp_path, capsys):
    options = '{"interactive": true, "max_turns": 1}'
    flags = ["--env", "Blocksworld-v0", "--env-options", options, "--agent"]
    assert main(["eval", *FEW, *flags, "oracle"]) == 2
    assert "must be another than oracle or random for Blocksworld-v0" in capsys.readouterr().err
    assert set(pass_rates(tmp_path / "new", *flags, "constant:pick up the red block")) == {0.0}


def test_options_that_are_no_names_are_refused(capsys):
    for text in ("[1]", "{", "3"):
        assert main(["eval", "--env-options", text, "--agent", "oracle"]) == 2
        assert "`env_options` must be JSON with names" in capsys.readouterr().err
    assert main(["eval", "--env-options", '{"bogus": 1}', "--agent", "oracle"]) == 2


@pytest.mark.slow
def test_the_simulated_learner_is_better_at_easier_levels(tmp_path, capsys):
    flags = ["--plan.num-problems", "100", "--env", "Arithmetic-v0", "--samples", "8", "--agent"]
    for world in ("simulated", "simulated:locked"):
        rates = pass_rates(tmp_path / world, *flags, world)
        assert rates == sorted(rates, reverse=True) and rates[0] > 0.5 > 0.2 > rates[-1]
    assert rates[-1] == 0  # it is locked
    assert main(["eval", "--agent", "simulated:no-such"]) == 2
    assert "`world` must be one of" in capsys.readouterr().err


def test_reasoning_gym_is_scored_too(tmp_path):
    pytest.importorskip("reasoning_gym")
    flags = ["--env", "ReasoningGym/chain_sum-v0", "--levels", "1", "--agent"]
    assert pass_rates(tmp_path, *flags, "oracle") == [1.0]
