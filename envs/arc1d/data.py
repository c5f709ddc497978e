"""The public 1D-ARC files: 901 problems of 18 categories, each with three examples.

Data of Xu et al. (2023), "LLMs and the Abstraction and Reasoning Corpus", arXiv 2305.18354; here a
line of JSON for each file of the release, with its "train" and "test" pairs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from edgewise.envs.arc1d.grids import Grid
from edgewise.envs.arc1d.task import ARC1D, Problem
from edgewise.problem_set import ProblemSet
from edgewise.row_file import Stamp, stamped
from edgewise.rows import Row, convert_rows, quoted, read_rows
from edgewise.task import Preset

SEC = ARC1D.presets["sec"]


@dataclass(frozen=True)
class ARC1DDataset(ProblemSet[Problem], ARC1D):
    """Find the rule that turns each input of a 1D-ARC problem into its output, and apply it.

    Levels: the length of the longest grid. The release has no splits; as in ARC1D-v0, the last
    input decides. Nothing is packaged: the rows are read from `data`, a file of JSON lines or a
    folder of such files, by default the folder "arc_1d" in the one that EDGEWISE_DATA names.
    """

    data: str | None = None

    presets = {
        "1d_arc": Preset(
            template=SEC.template,
            levels={
                1: {"min_size": 1, "max_size": 15},
                2: {"min_size": 16, "max_size": 25},
                3: {"min_size": 26, "max_size": 40},
                4: {"min_size": 41, "max_size": 100},
            },
            ood=(4,),
            answer="boxed",
            frame=SEC.frame,
        )
    }

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems of one split whose longest grid has `min_size` to `max_size` cells."""
        return select(stamped(data_files(self.data)), split, **params)

    def divisions(self, kind: str) -> Sequence[dict[str, Any]]:
        """Refuse: the rows have no families."""
        raise ValueError(f"`arms` must be None or a list for ARC1D-Dataset-v0, got {kind!r}")


def data_files(data: str | None) -> tuple[Path, ...]:
    """Return the files of `data`, or of the folder that the environment variable names."""
    path = Path(data or os.environ.get("EDGEWISE_DATA", "."))
    path = path if data else path / "arc_1d"
    files = tuple(sorted(path.glob("*.jsonl*"))) if path.is_dir() else (path,)
    if not files or not files[0].is_file():
        raise FileNotFoundError(
            f"ARC1D-Dataset-v0 needs the 1D-ARC problems as JSON lines, and {path} has none: pass "
            '`data`, or set EDGEWISE_DATA to a folder with "arc_1d/NAME.jsonl" or ".jsonl.gz"'
        )
    return files


@lru_cache
def select(
    files: tuple[Stamp, ...], split: str, min_size: int, max_size: int
) -> tuple[Problem, ...]:
    """Return the problems in `files` of one split and of these sizes, in the order of the files."""
    return tuple(
        problem
        for file in files
        for problem in read(file)
        if ARC1D().split_of(problem) == split
        and min_size <= max(len(grid) for grid, _ in problem.examples) <= max_size
    )


@lru_cache
def read(file: Stamp) -> tuple[Problem, ...]:
    """Return the problems in `file`, one for each test pair."""
    return tuple(chain.from_iterable(convert_rows(read_rows(file.path), read_row)))


def read_row(row: Row) -> list[Problem]:
    """Return the problems of a row, one for each test pair."""
    examples = tuple(map(read_pair, row["train"]))
    if not examples:
        raise ValueError("`train` must have at least one pair, got none")
    return [Problem(examples, *read_pair(test)) for test in row["test"]]


def read_pair(pair: Mapping[str, Any]) -> tuple[Grid, Grid]:
    """Return input and output, each a row of colours in a list of one row."""
    return read_grid(pair["input"]), read_grid(pair["output"])


def read_grid(rows: object) -> Grid:
    """Return the colours of a grid of one row; ValueError if it is none."""
    match rows:
        case [[*cells]] if cells and all(type(cell) is int and 0 <= cell <= 9 for cell in cells):
            return "".join(map(str, cells))
    raise ValueError(f"a grid must be a list of one row of colours 0 to 9, got {quoted(rows)}")
