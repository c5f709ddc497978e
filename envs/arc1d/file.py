"""One-dimensional grids of a file, in the layout of SEC's data."""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.envs.arc1d.families import fitting
from edgewise.envs.arc1d.grids import Grid
from edgewise.envs.arc1d.task import ARC1D, Problem
from edgewise.file_task import FileTask
from edgewise.rows import Row, quoted
from edgewise.task import Unsolvable

MAX_CELLS = 200


@dataclass(frozen=True)
class ARC1DFile(FileTask[Problem], ARC1D):
    """Find the rule of the examples in a row of your file, and apply it to one more input.

    A row has `examples`, a list of pairs of input and output, `input` and `answer`; a grid is a list
    of colours 0 to 9. The solver gives the answer of the row: a few rows of SEC's data allow others.

    Example:
        >>> pairs = [[[1, 0, 0], [0, 1, 0]], [[2, 0, 0], [0, 2, 0]]]
        >>> ARC1DFile().read_row({"examples": pairs, "input": [0, 3, 0], "answer": [0, 0, 3]}).answer
        '003'
    """

    name = "ARC1DFile-v0"
    file_name = "arc1d.jsonl"
    presets = {"sec": ARC1D.presets["sec"]}

    def read_row(self, row: Row) -> Problem:
        """Return the problem of a row."""
        examples = tuple((read_cells(one), read_cells(two)) for one, two in row["examples"])
        if not examples:
            raise ValueError("`examples` must have at least one pair, got none")
        return Problem(examples, read_cells(row["input"]), read_cells(row["answer"]))

    def solve(self, problem: Problem) -> str:
        """Return the answer of the row."""
        return " ".join(problem.answer)

    def demonstrate(self, problem: Problem) -> str:
        """Name the first rule that fits the examples and gives the answer, and give it."""
        for rule in fitting(problem.examples):
            if rule(problem.grid) == problem.answer:
                return rf"{rule},\boxed{{{problem.answer}}}"
        raise Unsolvable(f"`examples` fit no known rule with this answer: {problem.examples}")


def read_cells(value: object) -> Grid:
    """Return the colours of a grid; ValueError if it is none."""
    match value:
        case [*cells] if 1 <= len(cells) <= MAX_CELLS and all(
            type(cell) is int and 0 <= cell <= 9 for cell in cells
        ):
            return "".join(map(str, cells))
    raise ValueError(
        f"a grid must be a list of 1 to {MAX_CELLS} colours 0 to 9, got {quoted(value)}"
    )
