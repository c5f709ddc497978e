"""The cost of a scored token, from a bed that trains for a step or two."""

import json

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.headroom_plan import HeadroomConfig
from edgewise.benchmarks.studies.scored_cost import Config, Spent, main, measure

BED = {"env": "Arithmetic-v0", "agent": "seedling:sums", "preset": "ladder", "num_problems": 4}


def test_the_cost_is_of_a_token_by_a_token():
    assert Spent(scoring=1.0, other=12.0, scored=100.0, generated=300.0).cost == pytest.approx(0.25)
    with pytest.raises(ValueError, match="no completion had an advantage"):
        _ = Spent(other=1.0, generated=1.0).cost


def test_a_bed_is_measured():
    spent = measure(HeadroomConfig(**BED), num_steps=2)
    assert 0 < spent.scored < spent.generated
    assert 0 < spent.scoring < spent.other


def test_the_command_prints_the_constant(tmp_path, capsys):
    plan = {"entrants": {"random": {"curriculum": "random"}}, "baselines": ["random"]}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**plan, "beds": {"one": BED}, "seeds": [1, 2]}))
    main(Config(path, num_steps=1))
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("one ") and last == f"scored_cost {first.split()[-1]}"
    with pytest.raises(ValueError, match="`num_steps` must be at least 1, got 0"):
        Config(path, num_steps=0)
