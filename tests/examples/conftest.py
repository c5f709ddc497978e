"""A copy of the project with the commits that add an environment and a rule."""

from pathlib import Path

import pytest

from tests.examples.tree import apply, copy_of_tree, run

FOLDER = Path(__file__).parent
FILES = [
    "tests/envs/test_addition.py",
    "tests/envs/test_contract.py",
    *(
        f"tests/wrappers/rules/{name}.py"
        for name in ("test_rules", "test_catalogue", "test_rule_record", "test_exp3")
    ),
]
LONG = "without_importing or hostile"  # tests of the contract that take most of the time


@pytest.fixture(scope="session")
def commits(tmp_path_factory):
    """The files that each commit touches, and the lines of its tests, which all pass in one process."""
    tree = copy_of_tree(tmp_path_factory.mktemp("examples"))
    names = ("environment", "rule")
    touched = {name: sorted(apply(FOLDER / f"{name}.patch", tree)) for name in names}
    every = [path for paths in touched.values() for path in paths]
    run(tree, "ruff", "check", *every)
    run(tree, "ruff", "format", "--check", *every)
    cases = f"(ddition and not ({LONG})) or exp3"
    said = run(tree, "pytest", "-v", "-p", "no:cacheprovider", *FILES, "-k", cases)
    passed = [line for line in said.splitlines() if " PASSED " in line]
    return touched, passed
