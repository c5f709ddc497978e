"""Checks of problems: values, prompts, names, splits, variety, and the reference solver.

Each is a function of a level and of how many problems it looks at; it yields what fails.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from itertools import combinations

from edgewise.contract.level import Level
from edgewise.outcome import Outcome, answers_of_attempt
from edgewise.scoring import pose
from edgewise.task import SPLITS, Task

TAGS = {
    "boxed": (r"\boxed{",),
    "answer": ("<answer>",),
    "think_answer": ("<think>", "<answer>"),
}
DISTINCT = 0.5  # of the problems that are drawn, at least


def values(level: Level, count: int) -> Iterator[str]:
    """Check that a task and its problems are hashable and equal after pickling."""
    hash(level.env().task)
    for problem in level.problems(count):
        hash(problem)
        if pickle.loads(pickle.dumps(problem)) != problem:
            yield f"a problem must equal its pickled copy, got {problem!r}"
            return


def prompts(level: Level, count: int) -> Iterator[str]:
    """Check that prompts state how to answer: as the preset reads answers, or in one of two ways."""
    env = level.env()
    for problem in level.problems(count):
        text = env.frame_of(problem).text(env.prompt(problem))
        needed = TAGS.get(env.preset.answer, ())
        if lacking := [tag for tag in needed if tag not in text]:
            yield f"a prompt must have {' and '.join(lacking)}, which the preset reads, got {text!r}"
            return
        if not any(tag in text for tag in (r"\boxed{", "<answer>")):
            yield rf"a prompt must say how to answer, by \boxed{{}} or <answer>, got {text!r}"
            return


def names(level: Level) -> Iterator[str]:
    """Check that the name of a problem poses it again, and that of another version is refused."""
    env = level.env()
    env.reset(seed=0)
    prompt, info = env.reset()
    if pose(info["problem"]).render() != prompt:
        yield f"edgewise.pose must pose the same problem, got another for {info['problem']}"
    name = json.loads(info["problem"])
    options = {key: name[key] for key in ("level", "params", "problem_seed")}
    if env.reset(options=options) != (prompt, info):
        yield f"`reset` must pose the same problem for the same options, got another for {options}"
    try:
        pose(json.dumps({**name, "key": "0" * 16}))
    except ValueError:
        return
    yield "`canonical` must tell problems apart, got the same key for another"


def splits(level: Level, count: int) -> Iterator[str]:
    """Check that train, validation and test share no problem, and each has those of its own.

    Of rows of a data set, all are looked at.
    """
    found: dict[str, set[str]] = {}
    few = count // 2 if level.is_drafted else count
    for split in SPLITS:
        task = level.env(split).task
        drawn = level.problems(few if level.is_generated else 20_000, split)
        found[split] = {task.canonical(problem) for problem in drawn}
        if level.is_generated and {task.split_of(problem) for problem in drawn} - {split}:
            yield f"`split_of` must be of the content alone, got another than {split} for a problem"
    for one, other in combinations(SPLITS, 2):
        if shared := found[one] & found[other]:
            yield f"{one} and {other} must share no problem, got {min(shared)}"


def variety(level: Level, count: int, least: float = DISTINCT) -> Iterator[str]:
    """Check that few problems are drawn twice: at least a share of those drawn are distinct."""
    share = distinct(level, count)
    if share < least:
        yield f"at least {least:.0%} of the problems must differ, got {share:.0%}"


def distinct(level: Level, count: int) -> float:
    """Return the share of distinct problems among those that are drawn."""
    drawn = level.problems(count // 4 if level.is_drafted else count)
    task = level.env().task
    return len({task.canonical(problem) for problem in drawn}) / max(1, len(drawn))


def solver(level: Level, count: int) -> Iterator[str]:
    """Check that the reference solver is right, with full credit, on test problems."""
    task = level.env("test").task
    for problem in level.problems(count, "test"):
        answer = task.solve(problem)
        verdict, credit = task.verify(problem, answer), task.credit(problem, answer)
        if verdict is not True or credit != 1.0:
            yield (
                f"`verify` must be True and `credit` 1 for the answer of `solve`, got {verdict} and "
                f"{credit} for {answer!r} to {problem!r}"
            )
            return


def demonstrations(level: Level, count: int) -> Iterator[str]:
    """Check that worked traces, where a task has any, earn the full reward, turn by turn."""
    env = level.env()
    if type(env.task).demonstrate is Task.demonstrate:
        return
    for problem in level.problems(count):
        history: list[Outcome] = []
        while not (history and history[-1].done):
            text = env.demonstrate(problem, tuple(answers_of_attempt(history)))
            history += env.score([problem], [history], [text])
        if history[-1].reward != env.preset.rewards[0]:
            yield (
                f"`demonstrate` must earn {env.preset.rewards[0]}, got {history[-1].reward} for {text!r}"
            )
            return
