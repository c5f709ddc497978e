"""Evaluations small enough for a test."""

import json

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main

FEW = ["--plan.num-problems", "3"]


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """A function that runs `edgewise eval` in a folder, and returns that folder and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEWISE_DATA", raising=False)

    def run(agent, *flags, output="out", code=0):
        arguments = ["eval", *FEW, "--agent", agent, "--output", str(tmp_path / output), *flags]
        assert main(arguments) == code
        return tmp_path / output, capsys.readouterr()

    return run


@pytest.fixture
def lines():
    """A function that reads JSON lines."""
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]
