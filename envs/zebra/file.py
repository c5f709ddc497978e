"""Logic puzzles of a file, in the layouts of ZebraLogic and of SEC.

ZebraLogic is of Lin et al. (2025), arXiv 2502.01100; SEC of Chen et al. (2025), arXiv 2505.14970.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import factorial
from typing import Any

from edgewise.envs.zebra.problem import Problem, Values
from edgewise.envs.zebra.sentences import Puzzle, read_puzzle
from edgewise.envs.zebra.solver import search, solution_of
from edgewise.envs.zebra.table import read_cells, write_table
from edgewise.envs.zebra.task import Zebra, normalise
from edgewise.file_task import FileTask
from edgewise.frame import Frame
from edgewise.rows import Row, check_text, quoted
from edgewise.task import Preset, Unsolvable

MAX_TEXT = 20_000
MAX_CELL = 100
MASKED = re.compile(r"_+")
SIZE = re.compile(r"(\d{1,2})\s*[*x]\s*(\d{1,2})")
ASKED = re.compile(r"What is (\w+) of the person who lives in House ([1-9])\?")
GROUPS = (10**3, 10**6, 10**10)  # tables possible, from which on a puzzle is of the next group
SEPARATORS = re.compile(r"[,;|\n]")


@dataclass(frozen=True)
class Stated(Problem):
    """A puzzle in the words of its file; without clues if these could not be read."""

    text: str = field(default="", compare=False)


class Puzzles(FileTask[Problem], Zebra):
    """Puzzles with a text of their own."""

    def prompt(self, problem: Problem, template: str) -> str:
        """State the puzzle in its own words, and the answer format."""
        assert isinstance(problem, Stated)
        return template.format(problem=problem.text)

    def canonical(self, problem: Problem) -> str:
        """Forget spaces and case."""
        assert isinstance(problem, Stated)
        return " ".join(problem.text.split()).casefold()


@dataclass(frozen=True)
class ZebraFile(Puzzles):
    r"""Deduce one value from a puzzle of your file, in the layout of SEC's data.

    A row has `problem`, the text with the listed values, the clues and a question such as "What is
    Name of the person who lives in House 1?", and `answer`. The clues are read and solved: a row
    whose clues cannot be read, or do not allow just its answer, is left out.

    Example:
        >>> text = '''There are 2 houses.
        ...  - Each person has a unique name: bob, alice
        ...  - Each person has a favorite drink: tea, milk
        ...
        ... 1. Bob is directly left of the tea drinker.
        ...
        ... What is Name of the person who lives in House 1? Put it in \\boxed{}.'''
        >>> ZebraFile().solve(ZebraFile().read_row({"problem": text, "answer": "bob"}))
        'bob'
    """

    name = "ZebraFile-v0"
    file_name = "zebra.jsonl"
    presets = {
        "sec": Preset(
            template="{problem}",
            levels={1: {}},
            rewards=(1.0, 0.1, 0.0),
            answer="boxed",
            frame=Zebra.presets["sec"].frame,
            protocol=Zebra.presets["sec"].protocol,
        )
    }

    def read_row(self, row: Row) -> Problem:
        """Return the problem of a row."""
        text = check_text("`problem`", row["problem"], MAX_TEXT)
        answer = check_text("`answer`", row["answer"], MAX_CELL)
        puzzle = read_puzzle(text)
        problem = Stated(named(puzzle), puzzle.clues(), read_question(text, puzzle), text=text)
        answers = {solve_question(problem, problem.question), normalise(answer)}
        if len(answers) > 1:
            raise ValueError(f"the clues must allow {quoted(answer)} only, got another")
        return problem


@dataclass(frozen=True)
class ZebraLogic(Puzzles):
    r"""Fill in the table of a puzzle of your file, in the layout of ZebraLogic.

    A row has `puzzle`, the text with the listed values and the clues, `size`, such as "5*6" for
    houses and attributes, and `solution`, with `header` and `rows`. Where its cells are masked with
    "___", as in the public file, the clues are read and solved, and a row whose clues cannot be read,
    or do not allow just one table, is left out.

    Levels, without `level_column`: the four groups of the paper by the count of tables that are
    possible before a clue is read: less than 10^3, 10^6, 10^10, and more. The answer is JSON, an
    object of houses, or a table with a row for each house.

    Example:
        >>> text = '''There are 2 houses, numbered 1 to 2 from left to right.
        ...  - Each person has a unique name: `Eric`, `Arnold`
        ...  - Each person has a unique type of pet: `dog`, `cat`
        ...
        ... ## Clues:
        ... 1. Eric is somewhere to the left of the person who owns a dog.'''
        >>> header, masked = ["House", "Name", "Pet"], [["___"] * 3] * 2
        >>> row = {"puzzle": text, "size": "2*2", "solution": {"header": header, "rows": masked}}
        >>> problem = ZebraLogic().read_row(row)
        >>> ZebraLogic().solve(problem)
        '{"House 1":{"Name":"Eric","Pet":"cat"},"House 2":{"Name":"Arnold","Pet":"dog"}}'
        >>> ZebraLogic().verify(problem, "House | Name | Pet\n1 | Eric | cat\n2 | Arnold | dog")
        True
    """

    num_levels: int = 4

    name = "ZebraLogic-v0"
    file_name = "zebralogic.jsonl"
    presets = {
        "zebralogic": Preset(
            template=(
                "{problem}\n\nWork out who lives where. Answer with one JSON object in "
                "<answer> </answer> tags. It has a key for each house, from left to right, and for "
                "each house an object with the values of all its attributes: {form}"
            ),
            levels={level: {} for level in (1, 2, 3, 4)},
            answer="answer",
            frame=Frame(max_prompt_tokens=2048, max_completion_tokens=4096),
        )
    }

    def prompt(self, problem: Problem, template: str) -> str:
        """State the puzzle in its own words, and the form of the answer."""
        assert isinstance(problem, Stated)
        masked = tuple((name, ("...",) * problem.num_houses) for name, _ in problem.attributes)
        return template.format(problem=problem.text.strip(), form=write_table(masked))

    def read_row(self, row: Row) -> Problem:
        """Return the problem of a row."""
        text = check_text("`puzzle`", row["puzzle"], MAX_TEXT)
        puzzle = read_puzzle(text)
        header, cells = read_solution(row["solution"], puzzle)
        check_size(row["size"], puzzle)
        attributes = tuple(
            (name, values) for name, (_, values) in zip(header, puzzle.attributes, strict=True)
        )
        if cells is not None:
            return Stated(attributes, read_clues(puzzle), None, given(attributes, cells), text=text)
        problem = Stated(attributes, puzzle.clues(), None, text=text)
        try:
            return Stated(attributes, problem.clues, None, search(problem), text=text)
        except Unsolvable as error:
            raise ValueError(str(error)) from error

    def level_of(self, problem: Problem) -> int:
        """Return the group of the count of tables."""
        tables = int(factorial(problem.num_houses) ** len(problem.attributes))
        group = 1 + sum(tables >= bound for bound in GROUPS)
        return min(group, self.num_levels)

    def fraction(self, problem: Problem, answer: str) -> float:
        """Return the share of the cells that are right; 0 for what is no table of this shape."""
        solution = solution_of(problem)
        found = read_cells(answer, [name for name, _ in solution], problem.num_houses)
        if found is None:
            return 0.0
        right = [
            normalise(found[house][a]) == normalise(values[house])
            for a, (_, values) in enumerate(solution)
            for house in range(problem.num_houses)
        ]
        return sum(right) / len(right)

    def solve(self, problem: Problem) -> str:
        """Return the table as JSON."""
        return write_table(solution_of(problem))

    def demonstrate(self, problem: Problem) -> str:
        """Go through the clues, and say what each leaves; Unsolvable if they could not be read."""
        if not problem.clues:
            raise Unsolvable("`clues` must be read for a demonstration, and could not be")
        return super().demonstrate(problem)


def named(puzzle: Puzzle) -> Values:
    """Return the attributes of a puzzle, each under its introduction."""
    return tuple((introduction, values) for introduction, values in puzzle.attributes)


def read_question(text: str, puzzle: Puzzle) -> tuple[int, int]:
    """Return the attribute and the house, from 0, that the last line of a text asks for."""
    match = ASKED.search(text.rpartition("\n")[2])
    if match is None:
        raise ValueError(
            "the last line must ask 'What is ... of the person who lives in House ...?'"
        )
    asked = [
        place
        for place, (introduction, _) in enumerate(puzzle.attributes)
        if match[1].lower() in introduction.lower().split()
    ]
    house = int(match[2]) - 1
    if len(asked) != 1 or house >= puzzle.num_houses:
        raise ValueError(f"the question must be about one cell of the table, got {match[0]!r}")
    return asked[0], house


def solve_question(problem: Problem, question: tuple[int, int] | None) -> str:
    """Return the value asked for, normalised; ValueError if the clues allow no or several tables."""
    assert question is not None
    try:
        return normalise(search(problem)[question[0]][1][question[1]])
    except Unsolvable as error:
        raise ValueError(str(error)) from error


def read_solution(solution: Any, puzzle: Puzzle) -> tuple[list[str], list[list[str]] | None]:
    """Return the names of the attributes, and the cells of each house; None if they are masked."""
    if not isinstance(solution, dict):
        raise ValueError(f"`solution` must have `header` and `rows`, got {quoted(solution)}")
    n, m = puzzle.num_houses, len(puzzle.attributes)
    header = texts("`header`", solution["header"], m + 1)
    if header[0].lower() != "house" or len({name.lower() for name in header}) != m + 1:
        raise ValueError(f"`header` must be House and {m} names that differ, got {quoted(header)}")
    rows = solution["rows"]
    if not isinstance(rows, (list, tuple)) or len(rows) != n:
        raise ValueError(f"`rows` must be {n}, one for each house, got {quoted(rows)}")
    cells = [texts("a row", row, m + 1)[1:] for row in rows]
    flat = [cell for row in cells for cell in row]
    if all(map(MASKED.fullmatch, flat)):
        return header[1:], None
    numbers = [texts("a row", row, m + 1)[0] for row in rows]
    if numbers != [str(house + 1) for house in range(n)]:
        raise ValueError(f"`rows` must begin with the houses from 1 to {n}, got {quoted(numbers)}")
    return header[1:], cells


def texts(name: str, value: object, count: int) -> list[str]:
    """Return a list of `count` short texts that a table can hold; else ValueError."""
    parts = value if isinstance(value, (list, tuple)) else ()
    if len(parts) != count or not all(isinstance(part, (str, int)) for part in parts):
        raise ValueError(f"{name} must be {count} texts, got {quoted(value)}")
    found = [check_text(f"a text of {name}", str(part), MAX_CELL).strip() for part in parts]
    if any(map(SEPARATORS.search, found)):
        raise ValueError(f"{name} must have no comma, semicolon or bar, got {quoted(value)}")
    return found


def check_size(size: object, puzzle: Puzzle) -> None:
    """Raise ValueError if `size` is not that of the puzzle."""
    match = SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    shape = (puzzle.num_houses, len(puzzle.attributes))
    if match is None or (int(match[1]), int(match[2])) != shape:
        raise ValueError(f"`size` must be '{shape[0]}*{shape[1]}', got {quoted(size)}")


def given(attributes: Values, cells: list[list[str]]) -> Values:
    """Return the solution from house 1 on, each value as it is listed."""
    columns = []
    for place, (name, values) in enumerate(attributes):
        listed = {value.lower(): value for value in values}
        column = [listed.get(row[place].lower()) for row in cells]
        if set(column) != set(values):
            raise ValueError(f"the solution must have each value of {name} once")
        columns.append((name, tuple(value for value in column if value is not None)))
    return tuple(columns)


def read_clues(puzzle: Puzzle) -> Any:
    """Return the clues of a puzzle whose solution is known; none if one cannot be read."""
    try:
        return puzzle.clues()
    except ValueError:
        return ()
