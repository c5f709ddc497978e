"""The table of docs/planning.md is what `edgewise preflight --plan` prints."""

import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgewise.cli import main

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| S") or line.startswith("| E2H")
]


def test_the_table_has_the_papers_runs():
    runs = {name for name, *_ in ROWS}
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.json")}
    named = {word for row in ROWS for word in re.findall(r"recipes/([\w.-]+)\.json", row[2])}
    assert named == {name for name in recipes if name.startswith(("sec-", "e2h-"))}
    assert "SOAR, a student" in runs


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} on {row[1]}")
def test_a_row_is_what_the_command_prints(row, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, _, flags, needs, phase, rows, tokens, computed, verdict = row
    assert main(["preflight", "--plan", *shlex.split(flags.strip("`"))]) == (verdict != "fits") * 2
    told = capsys.readouterr().out
    assert told.splitlines()[-1].startswith(f"{verdict}: {needs} of ")
    assert f"({rows} completions at once)" in told and f"({tokens} tokens)" in told
    most = next(line for line in told.splitlines() if line.endswith(", which is the most at once"))
    assert most.startswith(phase) and f" {computed} PFLOP a step" in told
