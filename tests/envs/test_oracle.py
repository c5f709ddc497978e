"""`edgewise eval` with an oracle and a constant, on every data set in its own layout."""

import json

import pytest

pytest.importorskip("tyro")
pytest.importorskip("flint")

from edgewise.cli import main

DATA_SETS = (
    "MATH", "MATH500", "GSM8K", "AQuA", "AIME24", "AIME25", "AMC", "AMC23", "OlympiadBench",
    "MinervaMath", "HARP", "ARC1D-Dataset", "ARC1DFile", "BlocksworldFile", "CountdownFile", "ZebraFile",
    "ZebraLogic",
)  # fmt: skip
SAME = {"MATH500", "AIME25", "AMC23"}  # layouts that another has, too
FEW = ["--plan.num-problems", "8", "--samples", "1"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SAME)) for name in DATA_SETS],
)
def test_the_oracle_is_right_and_a_constant_is_not(name, data, tmp_path):
    means = []
    for agent in ("oracle", "constant:banana"):
        path = tmp_path / agent.partition(":")[0]
        flags = ["--env", f"{name}-v0", "--agent", agent, "--output", str(path), *FEW]
        folder = not name.startswith("ARC1D") and not name.endswith(("File", "Logic"))
        given = ["--data", str(data)] if folder else []
        assert main(["eval", *flags, *given]) == 0
        means.append(
            [
                level["pass_at_1"]
                for level in json.loads((path / "summary.json").read_text())["levels"]
            ]
        )
    assert set(means[0]) == {1.0} and set(means[1]) == {0.0}


def test_a_missing_folder_is_told_in_one_line(tmp_path, capsys):
    assert main(["eval", "--env", "GSM8K-v0", "--agent", "oracle", "--data", str(tmp_path)]) == 2
    assert "gsm8k/test" in capsys.readouterr().err
