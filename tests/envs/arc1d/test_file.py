"""Rows in the layout of SEC's ARC-1D: every answer, what is left out, and the public data."""

import json
import os
import warnings
from pathlib import Path

import pytest

from edgewise.envs.arc1d.file import ARC1DFile
from edgewise.task import Unsolvable

BESIDE = Path(__file__).parents[4] / "shared" / "data"
PAIRS = [[[1, 1, 0, 0], [0, 1, 1, 0]], [[2, 0, 0, 0], [0, 2, 0, 0]], [[0, 3, 3, 0], [0, 0, 3, 3]]]
ROW = {"examples": PAIRS, "input": [4, 4, 0, 0], "answer": [0, 4, 4, 0]}


def test_the_answer_of_the_row_counts_and_is_explained_by_a_rule():
    task = ARC1DFile()
    problem = task.read_row(ROW)
    assert task.verify(problem, "0 4 4 0") and task.verify(problem, "[0, 4, 4, 0]")
    assert not task.verify(problem, "0 0 4 4") and not task.verify(problem, "4 4 0 0")
    assert task.demonstrate(problem) == r"move 1,\boxed{0440}"
    odd = task.read_row({**ROW, "answer": [9, 9, 9, 9]})
    assert task.solve(odd) == "9 9 9 9"
    with pytest.raises(Unsolvable, match="fit no known rule with this answer"):
        task.demonstrate(odd)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"examples": []}, "`examples` must have at least one pair"),
        ({"examples": [[[1, 0]]]}, "not enough values"),
        ({"examples": 7}, "must be in the layout of ARC1DFile-v0"),
        *(({name: grid}, "a grid must be a list of 1 to 200 colours") for name in ("input", "answer")
          for grid in (None, [], [[1]], [10], [-1], ["1"], [True], "12", [0] * 201)),
    ],
)  # fmt: skip
def test_a_bad_row_is_left_out_with_its_place(tmp_path, parts, reason):
    path = tmp_path / "train.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n{json.dumps({**ROW, **parts})}\n")
    with pytest.warns(UserWarning, match="1 of 2 rows are no problems"):
        left_out = ARC1DFile(data=str(path)).left_out
    assert left_out[0].place == f"{path}:2" and reason in left_out[0].reason


@pytest.mark.skipif(not (BESIDE / "sec").is_dir(), reason="the public data is not there")
def test_every_row_of_sec_is_posed_in_its_split_and_level():
    path = os.fspath(BESIDE / "sec" / "arc_*.jsonl.gz")
    task = ARC1DFile(data=path, level_column="difficulty", num_levels=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = {
            s: [len(task.rows(s, level=n)) for n in (1, 2, 3, 4)]
            for s in ("train", "validation", "test")
        }
    assert counts == {"train": [1000] * 3 + [0], "validation": [0] * 4, "test": [100] * 4}
    for split in ("train", "test"):
        for level in (1, 2, 3, 4):
            for problem in task.rows(split, level=level):
                assert len(problem.grid) == 10 * level
                assert task.verify(problem, task.solve(problem))
