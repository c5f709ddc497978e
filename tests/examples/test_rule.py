"""A rule is added in two files: its own, and its test."""

import re
from pathlib import Path

from tests.examples.tree import apply, copy_of_tree, run

COMMIT = Path(__file__).with_name("rule.patch")
CATALOGUE = ["test_rules", "test_catalogue", "test_rule_record", "test_exp3"]


def test_a_commit_that_adds_a_rule(tmp_path):
    tree = copy_of_tree(tmp_path)
    touched = ["tests/wrappers/rules/test_exp3.py", "wrappers/rules/exp3.py"]
    assert sorted(apply(COMMIT, tree)) == touched
    run(tree, "ruff", "check", *touched)
    run(tree, "ruff", "format", "--check", *touched)
    files = [f"tests/wrappers/rules/{name}.py" for name in CATALOGUE]
    said = run(tree, "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", "exp3")
    assert int(re.search(r"(\d+) passed", said)[1]) > 15
