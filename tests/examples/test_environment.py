"""An environment is added in three files, as CONTRIBUTING.md shows: its own, a line, its test."""

import re
from pathlib import Path

import pytest

from tests.examples.tree import ROOT, apply, copy_of_tree, run

COMMIT = Path(__file__).with_name("environment.patch")
GUIDE = ROOT / "CONTRIBUTING.md"
CASES = "ddition and not (without_importing or hostile)"  # which take most of the time


def added():
    """The lines that the commit adds to its first two files."""
    parts = re.split(r"^diff .*\n", COMMIT.read_text(), flags=re.MULTILINE)[1:]
    lines = [re.findall(r"^\+(?!\+\+ )(.*\n)", part, flags=re.MULTILINE) for part in parts]
    return ["".join(part) for part in lines]


@pytest.mark.skipif(not GUIDE.is_file(), reason="CONTRIBUTING.md is not here")
def test_contributing_shows_what_the_commit_adds():
    line, module, _ = added()
    text = GUIDE.read_text(encoding="utf-8")
    assert re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) == [module, line]


def test_a_commit_that_adds_an_environment(tmp_path):
    tree = copy_of_tree(tmp_path)
    own = "tests/envs/test_addition.py"
    touched = ["envs/__init__.py", "envs/addition.py", own]
    assert sorted(apply(COMMIT, tree)) == touched
    run(tree, "ruff", "check", *touched)
    run(tree, "ruff", "format", "--check", *touched)
    contract = "tests/envs/test_contract.py"
    said = run(tree, "pytest", "-q", "-p", "no:cacheprovider", own, contract, "-k", CASES)
    assert int(re.search(r"(\d+) passed", said)[1]) > 30
