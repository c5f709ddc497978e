"""The study of training in turns: its file of results, and that it goes on where it was."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tyro")

from edgewise.benchmarks.studies.turns import Study, main  # noqa: E402


def test_each_run_is_kept_and_not_made_again(tiny_model, tmp_path, capsys):
    sizes = {"num_problems": 2, "group_size": 2, "test_problems": 2, "test_samples": 1}
    output = tmp_path / "turns.jsonl"
    study = Study(tiny_model, output, tasks=("attempts",), seeds=(3,), num_steps=2, **sizes)
    main(study)
    (row,) = [json.loads(line) for line in output.read_text().splitlines()]
    assert (row["task"], row["seed"], row["num_steps"], len(row["rewards"])) == (
        "attempts",
        3,
        2,
        2,
    )
    assert 0.0 <= min(row["before"], row["after"]) <= max(row["before"], row["after"]) <= 1.0
    assert (tmp_path / "turns" / "attempts-3" / "model.safetensors").is_file()
    output.write_text(json.dumps({**row, "before": 0.25, "after": 0.5}) + "\n")
    capsys.readouterr()
    main(study)
    assert "attempts: 1 seeds, 0.250 to 0.500, gain +0.250" in capsys.readouterr().out
