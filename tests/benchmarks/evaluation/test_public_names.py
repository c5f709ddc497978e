"""What an agent of one's own needs is imported from the package, when it is used."""

import subprocess
import sys

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks import evaluation

CODE = """
import sys
from edgewise.benchmarks import evaluation
assert "edgewise.benchmarks.evaluation.agent" not in sys.modules  # nothing is loaded yet
names = [getattr(evaluation, name) for name in evaluation.__all__]
assert not {"torch", "transformers"} & set(sys.modules)
"""


@pytest.mark.parametrize("name", evaluation.__all__)
def test_a_public_name_has_its_docstring(name):
    found = getattr(evaluation, name)
    assert found.__doc__ and (name == "SUITES" or found.__name__ == name)


def test_a_name_that_is_none_is_told():
    with pytest.raises(AttributeError, match="has no attribute 'agent_of_mine'"):
        evaluation.agent_of_mine  # noqa: B018


def test_names_are_loaded_when_they_are_used_and_need_no_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
