"""The oracle is right everywhere, and a constant is what it was told to be."""

import json

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main

FEW = ["--plan.num-problems", "6", "--plan.num-samples", "2", "--plan.k", "2"]


def pass_rates(tmp_path, *flags):
    path = tmp_path / "scores.json"
    assert main(["eval", *FEW, "--output", str(path), *flags]) == 0
    return [level["pass_at_1"] for level in json.loads(path.read_text())["levels"]]


@pytest.mark.parametrize(
    "flags",
    [
        ["Countdown-v0"],
        ["Countdown-v0", "--preset", "e2h"],
        ["Zebra-v0"],
        ["ARC1D-v0"],
        ["Blocksworld-v0", "--preset", "e2h"],
        ["Arithmetic-v0"],
    ],
    ids=" ".join,
)
def test_the_oracle_is_right(tmp_path, flags):
    rates = pass_rates(tmp_path, "--agent", "oracle", "--env", *flags)
    assert set(rates) == {1.0} and len(rates) > 1


def test_a_constant_is_wrong(tmp_path):
    assert set(pass_rates(tmp_path, "--agent", "constant:banana", "--levels", "3")) == {0.0}


def test_reasoning_gym_is_scored_too(tmp_path):
    pytest.importorskip("reasoning_gym")
    flags = ["--env", "ReasoningGym/chain_sum-v0", "--levels", "1", "--agent"]
    assert pass_rates(tmp_path, *flags, "oracle") == [1.0]
