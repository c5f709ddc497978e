"""The table of trainers in docs/verl.md says what the code says; needs none of the trainers."""

import ast
import re
from importlib.metadata import requires
from pathlib import Path

import pytest

from edgewise.agents.integrations.compatibility import TABLE, markdown
from edgewise.agents.integrations.versions import (
    LM_EVAL,
    NEMO_GYM,
    OPENENV,
    SKYRL,
    TINKER,
    TRL,
    VERIFIERS,
    VERL,
)

ROOT = Path(__file__).parents[3]


def tree(module):
    """The code of one of our modules, which may need what is not installed."""
    path = ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def constant(module, name):
    """The value of a constant of a module."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_the_page_has_the_table():
    assert markdown() in (ROOT / "docs" / "verl.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.trainer)
def test_what_a_row_names_is_there(row):
    module, _, path = row.hook.partition(":")
    nodes = tree(module).body
    for name in path.split("."):
        [found] = [node for node in nodes if getattr(node, "name", None) == name]
        nodes = found.body
    assert (ROOT / row.tested).exists()


def test_the_lag_of_the_stream_is_what_it_allows():
    [row] = [row for row in TABLE if "Stream" in row.trainer]
    assert row.lag == constant("edgewise.agents.integrations.trl_stream", "MAX_WAITING") - 1


@pytest.mark.parametrize(
    "tested",
    [TRL, VERL, VERIFIERS, OPENENV, SKYRL, LM_EVAL, NEMO_GYM, TINKER],
    ids=lambda tested: tested.package,
)
def test_the_extras_install_the_versions_that_are_tested(tested):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{tested.requirement}{tested}"' in text
    name = re.escape(tested.requirement.partition("[")[0])
    assert any(re.match(name, line) and tested.after in line for line in requires("edgewise"))


@pytest.mark.parametrize(
    ("found", "taken"),
    [("0.9.1", True), ("0.9.10", True), ("0.9.0", False), ("0.10.0", False), ("0.9", False),
     ("1.0", False), ("0.9.1.post1", True), ("unknown", False)],
)  # fmt: skip
def test_other_versions_of_verl_are_refused_in_one_line(found, taken):
    if taken:
        VERL.check(found)
        return
    with pytest.raises(
        ImportError, match=rf"must have verl >=0\.9\.1,<0\.10, got {found}"
    ) as refused:
        VERL.check(found)
    assert "\n" not in str(refused.value) and "verl[verl-core]>=0.9.1,<0.10" in str(refused.value)
