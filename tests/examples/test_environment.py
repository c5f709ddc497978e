"""An environment is added in three files, as CONTRIBUTING.md shows: its own, a line, its test."""

import re
from pathlib import Path

import pytest

from tests.examples.tree import ROOT

COMMIT = Path(__file__).with_name("environment.patch")
GUIDE = ROOT / "CONTRIBUTING.md"


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


def test_a_commit_that_adds_an_environment(commits):
    touched, passed = commits
    own = "tests/envs/test_addition.py"
    assert touched["environment"] == ["envs/__init__.py", "envs/addition.py", own]
    assert sum("ddition" in test for test in passed) > 30
