"""What guessing earns: constants, and parts of the prompt, given as answers to many problems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np

from edgewise.contract.level import Level
from edgewise.env import ReasoningEnv

BOUND = 0.05  # of what one guess may earn, where there are many answers
EXCESS = 0.02  # over 1 / n, where there are n
NUM_ERRORS = 4  # standard errors of the rate of one guess, as the best of some fifty is looked at
WORD = re.compile(r"\w+")


class Guess(NamedTuple):
    """The best guess."""

    answer: str  # to the first problem
    rate: float  # of problems for which it is right
    bound: float  # that it must not exceed, but by noise
    noise: float  # `NUM_ERRORS` standard errors of `bound`

    @property
    def pays(self) -> bool:
        """Return whether guessing pays."""
        return self.rate > self.bound + self.noise


def guessing(level: Level, count: int, bound: float = BOUND) -> Iterator[str]:
    """Check that no guess is right more often than `bound`, or than chance where answers are few."""
    found = best_guess(level, count, bound)
    if found.pays:
        yield (
            f"no guess must be right for more than {found.bound:.1%} (and {found.noise:.1%} of noise), "
            f"got {found.rate:.1%} for answers such as {found.answer[:80]!r}"
        )


def best_guess(level: Level, count: int, bound: float = BOUND) -> Guess:
    """Return the guess that is right most often on the first test problems of a level."""
    env, posed = level.env("test"), level.problems(count, "test")
    sizes = [env.task.num_answers(problem) or inf for problem in posed]
    bound = max(bound, float(np.mean([1 / size for size in sizes])) + EXCESS)
    noise = NUM_ERRORS * float(np.sqrt(bound * (1 - bound) / len(posed)))
    solutions = [env.task.solve(problem) for problem in level.problems(count)]
    rates = [
        (
            float(np.mean([verdict is True for verdict in env.task.verify_many(posed, answers)])),
            answers,
        )
        for answers in guesses(env, posed, solutions)
    ]
    rate, answers = max(rates, key=lambda pair: pair[0])
    return Guess(answers[0], rate, bound, noise)


def guesses(
    env: ReasoningEnv, posed: Sequence[Any], solutions: Sequence[str]
) -> Iterator[list[str]]:
    """Yield lists of an answer for each problem: constants, and parts of the prompt.

    Args:
        env: Of the level.
        posed: The problems.
        solutions: Answers of other problems of the level.
    """
    prompts = [env.prompt(problem) for problem in posed]
    words = [WORD.findall(prompt) or [""] for prompt in prompts]
    common = Counter(word for text in words for word in set(text)).most_common(40)
    for constant in ["", *(text for text, _ in Counter(solutions).most_common(5) + common)]:
        yield [constant] * len(posed)
    yield prompts
    yield [" ".join(text) for text in words]
    yield [" ".join(word for word in text if word.isdigit()) for text in words]
    for i in range(-20, 20):
        yield [text[i % len(text)] for text in words]
