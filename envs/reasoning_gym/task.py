"""The data sets of Reasoning Gym as environments, made and scored in worker processes.

Stojanovski et al. (2025), "Reasoning Gym", arXiv 2505.24760. `reasoning_gym.json` has a line for
each data set: who scores its answers, and the configuration of each level. The table in
docs/reasoning-gym.md says what is left out and why; both are made by
`python -m edgewise.benchmarks.studies.reasoning_gym`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgewise.envs.reasoning_gym.answers import MAX_LENGTH, plain
from edgewise.executor import LOST, Executor, WorkerError
from edgewise.pool import as_verdict, pool_for
from edgewise.registration import require
from edgewise.task import Preset, Task, Verdict

TABLE: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("levels.json").read_text(encoding="utf-8")
)
SECONDS = 30.0  # for one problem or one answer; data sets are made once, n_queens' in 4
MEMORY = 2**31
MAX_REFUSED = 100  # problems that the generator refuses, in a row
MAX_STOPPED = 3  # problems that it does not make within the limits, in a row
TEMPLATE = "{question}\n\nPut the final answer, and nothing else, between <answer> and </answer>."


@dataclass(frozen=True)
class Problem:
    """Problem `index` of a data set with the configuration `config`, JSON."""

    config: str
    index: int
    question: str
    answer: str  # one that is right


@dataclass(frozen=True)
class ReasoningGym(Task[Problem]):
    """One data set of Reasoning Gym; `named` has the classes.

    Levels: those of its curriculum, all attributes raised together, that can be generated.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]] = {}
    any_params = True  # the workers bound time and memory

    def generate(self, rng: np.random.Generator, **config: Any) -> Problem:
        """Draw a problem: Reasoning Gym seeds its own generator with a number from `rng`.

        Raises:
            RuntimeError: If the generator fails too often in a row.
            WorkerError: If its workers are killed; another problem would not be that of the seed.
        """
        text = json.dumps(config)
        refused = stopped = 0
        while refused < MAX_REFUSED and stopped < MAX_STOPPED:
            index = rng.bit_generator.random_raw() >> 2
            made = shared_pool().map([(self.name, text, str(index))])[0]
            if made is LOST:
                raise WorkerError(f"the workers that make problems of {self.name} were killed")
            if made:
                return Problem(text, index, made[0].strip(), made[1].strip())
            refused, stopped = (refused, stopped + 1) if made is None else (refused + 1, 0)
        raise RuntimeError(
            f"{self.name} refused {refused} problems of {text}, and was stopped after {SECONDS:g} s "
            f"or {MEMORY:,} bytes on {stopped}"
        )

    def prompt(self, problem: Problem, template: str) -> str:
        """State the question."""
        return template.format(question=problem.question)

    def verify(self, problem: Problem, answer: str) -> Verdict:
        """Return whether `answer` is right: plainly the known one, or in the eyes of the scorer."""
        return self.verify_many([problem], [answer])[0]

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[Verdict]:
        """Return `verify` of each pair; the scorer of a data set is asked in the workers."""
        given = [text.strip() if is_bounded(text) else "" for text in answers]
        right: list[Verdict] = [
            plain(text) == plain(problem.answer)
            for problem, text in zip(problems, given, strict=True)
        ]
        if TABLE[self.name]["scorer"] == "strict":
            return right
        asked = [i for i, text in enumerate(given) if text and not right[i]]
        posed = [problems[i] for i in asked]
        jobs = [
            (self.name, problem.config, str(problem.index), given[i])
            for i, problem in zip(asked, posed, strict=True)
        ]
        for i, result in zip(asked, shared_pool().map(jobs), strict=True):
            right[i] = as_verdict(result)
        return right

    def solve(self, problem: Problem) -> str:
        """Return the known answer."""
        return problem.answer

    def canonical(self, problem: Problem) -> str:
        """Return the question."""
        return problem.question


def is_bounded(answer: object) -> bool:
    """Return whether `answer` is a text, and not too long a one."""
    return isinstance(answer, str) and len(answer) <= MAX_LENGTH


@cache
def named(name: str) -> type[ReasoningGym]:
    """Return the task of the data set `name`."""
    levels = dict(enumerate(TABLE[name]["levels"], start=1))
    preset = Preset(template=TEMPLATE, levels=levels, answer="answer")
    body = {
        "name": name,
        "presets": {"plain": preset},
        "__module__": __name__,
        "__doc__": f"The data set {name} of Reasoning Gym.",
    }
    made: type[ReasoningGym] = type(name, (ReasoningGym,), body)
    return made


def __getattr__(name: str) -> type[ReasoningGym]:
    """Return `named(name)`, so that each data set has its place in this module."""
    if name not in TABLE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return named(name)


def shared_pool() -> Executor:
    """Return the workers that make and score for this process, started on the first call."""
    require("reasoning-gym")
    function = "edgewise.envs.reasoning_gym.worker:work"
    return pool_for(function, seconds=SECONDS, memory=MEMORY)
