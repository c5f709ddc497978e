"""Every notebook runs from its first cell to its last, in one namespace of a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
RUN = """
import json, sys
names = {"__name__": "__main__"}
for number, cell in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))["cells"]):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
print("history", len(names["history"]), len(names["figure"].axes))
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_printed(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    for number, cell in enumerate(book["cells"]):
        if cell["cell_type"] == "code":
            assert not cell["outputs"] and cell["execution_count"] is None
            compile("".join(cell["source"]), f"cell {number}", "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    pytest.importorskip("torch")
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", RUN, str(path)]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    assert "arm 0: {'level': 1}" in ran.stdout and "correct True" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "history 12 2"
