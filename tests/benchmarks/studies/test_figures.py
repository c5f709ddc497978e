"""The figures of committed tables are drawn from those tables alone."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.figures import draw_all

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


def test_the_committed_tables_are_drawn(tmp_path):
    for name in ("trl_curves.csv", "trl_curricula.csv"):
        shutil.copy(RESULTS / name, tmp_path)
    for path in draw_all(tmp_path):
        assert path.parent == tmp_path and path.read_bytes().startswith(b"\x89PNG")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"trl_curves\.csv: must be the table"):
        draw_all(tmp_path)
