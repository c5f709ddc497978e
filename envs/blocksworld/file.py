"""Blocksworld problems of a file, in the layouts of E2H and of PlanBench."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgewise.envs.blocksworld.plan import check_goal
from edgewise.envs.blocksworld.task import Blocksworld, Problem
from edgewise.envs.blocksworld.text import NOTATIONS
from edgewise.errors import unknown
from edgewise.file_task import FileTask
from edgewise.rows import Row, check_text, quoted
from edgewise.task import Unsolvable

MAX_TEXT = 20_000


@dataclass(frozen=True)
class BlocksworldFile(FileTask[Problem], Blocksworld):
    """Bring the blocks of a row of your file from its start to its goal; any plan counts that does.

    A row has `init` and `goal`, each a text in the words of PlanBench and E2H or a list of PDDL facts,
    or else `pddl`, the text of a problem file. A row whose goal cannot be reached is left out.

    Example:
        >>> row = {"init": ["handempty", "ontable a", "on b a", "clear b"], "goal": ["on a b"]}
        >>> problem = BlocksworldFile().read_row(row)
        >>> BlocksworldFile().verify(problem, "(unstack b a) (put-down b) (pick-up a) (stack a b)")
        True
    """

    notation: str = ""  # of the prompt: "words" or "pddl"; "" is that of the row

    name = "BlocksworldFile-v0"
    file_name = "blocksworld.jsonl"
    presets = {
        name: replace(preset, task_options={"notation": "pddl" if name == "pddl" else "words"})
        for name, preset in Blocksworld.presets.items()
        if name != "seedling"
    }

    def __post_init__(self) -> None:
        """Check the options, and make the ladders."""
        if self.notation and self.notation not in NOTATIONS:
            raise ValueError(unknown("notation", self.notation, NOTATIONS))
        FileTask.__post_init__(self)
        Blocksworld.__post_init__(self)

    def read_row(self, row: Row) -> Problem:
        """Return the problem of a row."""
        problem = self.parse(state_row(row), "")
        if problem is None:
            fields = "pddl" if "init" not in row else "init` and `goal"
            raise ValueError(f"`{fields}` must state where all blocks are, and what is wanted")
        try:
            check_goal(dict(problem.start), problem.goal)
        except Unsolvable as error:
            raise ValueError(str(error)) from error
        return replace(problem, notation=self.notation or problem.notation)


def state_row(row: Row) -> str:
    """Return the text of the problem in a row, in words or in PDDL."""
    if "init" not in row and "pddl" in row:
        return check_text("`pddl`", row["pddl"], MAX_TEXT)
    start, goal = row["init"], row["goal"]
    if isinstance(start, str) and isinstance(goal, str):
        words = [check_text(f"`{name}`", row[name], MAX_TEXT) for name in ("init", "goal")]
        return f"{words[0]}. My goal is to have that {words[1]}."
    return f"(:init {write_list('init', start)}) (:goal (and {write_list('goal', goal)}))"


def write_list(name: str, facts: object) -> str:
    """Return PDDL facts, which may lack their parentheses, in one text."""
    if not isinstance(facts, (list, tuple)) or not all(isinstance(fact, str) for fact in facts):
        raise ValueError(f"`{name}` must be a text, or a list of facts, got {quoted(facts)}")
    text = " ".join(f"({fact.strip().removeprefix('(').removesuffix(')')})" for fact in facts)
    return check_text(f"`{name}`", text, MAX_TEXT)
