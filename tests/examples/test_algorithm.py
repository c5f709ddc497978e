"""An algorithm is added in three files: its own, a line of the catalogue, and its test."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.examples.tree import apply, copy_of_tree, run

COMMIT = Path(__file__).with_name("algorithm.patch")


@pytest.mark.skipif(find_spec("torch") is None, reason="algorithms need torch")
def test_a_commit_that_adds_an_algorithm(tmp_path):
    tree = copy_of_tree(tmp_path)
    own = "tests/agents/algorithms/test_opo.py"
    touched = ["agents/algorithms/catalogue.py", "agents/algorithms/opo.py", own]
    assert sorted(apply(COMMIT, tree)) == touched
    run(tree, "ruff", "check", *touched)
    run(tree, "ruff", "format", "--check", *touched)
    shared = [f"tests/agents/algorithms/test_{name}.py" for name in ("catalogue", "unverified")]
    said = run(tree, "pytest", "-q", "-p", "no:cacheprovider", own, *shared, "-k", "opo")
    assert int(re.search(r"(\d+) passed", said)[1]) > 5
