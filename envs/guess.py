r"""Guess: find a hidden code by guesses, each of which is told how near it is.

The game of Mastermind, or bulls and cows, over letters that the prompt lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from edgewise.frame import Frame
from edgewise.task import Preset, Task, Turn

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_ANSWER = 100  # characters
MAX_CODES = 20_000  # of a problem
NO_CODE = "This is no code."
LEVELS = {
    1: {"length": 2, "num_letters": 4, "num_guesses": 5},
    2: {"length": 3, "num_letters": 4, "num_guesses": 6},
    3: {"length": 3, "num_letters": 6, "num_guesses": 8},
    4: {"length": 4, "num_letters": 5, "num_guesses": 8},
    5: {"length": 4, "num_letters": 6, "num_guesses": 9},
}


@dataclass(frozen=True)
class Problem:
    """Find `code`, which may repeat letters, within a count of guesses."""

    code: str
    letters: str  # that it is made of, in order of the alphabet
    num_guesses: int
    is_compact: bool = False  # whether little is said


@dataclass(frozen=True)
class Guess(Task[Problem]):
    r"""Find a hidden code of letters; after each guess it is told how many are right and in place.

    Levels: the count of codes, 16, 64, 216, 625 and 1,296, by the length of the code and the letters that
    there are. Who ignores what is told finds 31, 9, 4, 1.3 and .7 % of the codes; who guesses what agrees with
    it finds all. A right guess ends the episode with full credit, the last one that is allowed ends
    it too. A text that is no code uses up a guess.

    Example:
        >>> task = Guess()
        >>> problem = Problem("BAB", "ABCD", num_guesses=3)
        >>> task.turn(problem, ["ABB"]).observation
        '1 in place, 2 elsewhere.'
        >>> task.turn(problem, ["ABB", "b a b"])[:2]
        (True, 1.0)
    """

    presets = {
        "plain": Preset(
            template=(
                "Find a hidden code of {length} letters, each one of {letters}; a letter may occur several "
                "times. You have {guesses} guesses. After each you are told how many letters are in place, and "
                "how many others are in the code elsewhere. Put each guess in \\boxed{{}}, for example "
                "\\boxed{{{example}}}.\n"
            ),
            levels=LEVELS,
            ood=(5,),
            answer="boxed",
        ),
        "seedling": Preset(
            template="{letters} {length} {guesses} \\boxed{{}}: ",
            levels={k: {**level, "is_compact": True} for k, level in LEVELS.items()},
            ood=(5,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=32, max_completion_tokens=16),
        ),
    }

    def generate(
        self,
        rng: np.random.Generator,
        *,
        length: int,
        num_letters: int,
        num_guesses: int,
        is_compact: bool = False,
    ) -> Problem:
        """Draw letters, and a code of them.

        Args:
            rng: The source of all that is drawn.
            length: Of the code.
            num_letters: Different ones that it may have.
            num_guesses: How many there are.
            is_compact: Whether little is said, for models that know no language.
        """
        if not 2 <= num_letters <= len(LETTERS):
            raise ValueError(f"`num_letters` must be in [2, {len(LETTERS)}], got {num_letters}")
        if length < 1 or num_letters**length > MAX_CODES:
            raise ValueError(
                f"`length` must be such that there are at most {MAX_CODES:,} codes, got {length}"
            )
        if num_guesses < 1:
            raise ValueError(f"`num_guesses` must be positive, got {num_guesses}")
        chosen = np.argsort(rng.random(len(LETTERS)), kind="stable")[:num_letters].tolist()
        letters = "".join(sorted(LETTERS[i] for i in chosen))
        code = "".join(letters[int(part * num_letters)] for part in rng.random(length))
        return Problem(code, letters, num_guesses, is_compact)

    def prompt(self, problem: Problem, template: str) -> str:
        """State the letters, the length and the count of guesses."""
        length = len(problem.code)
        return template.format(
            length=length,
            letters=problem.letters if problem.is_compact else " ".join(problem.letters),
            guesses=problem.num_guesses,
            example=(problem.letters * length)[:length],
        )

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is the code; case and spaces do not matter."""
        return read_code(problem, answer) == problem.code

    def turn(self, problem: Problem, answers: Sequence[str]) -> Turn:
        """Judge a guess, and say how near it is unless it is the last."""
        guess = read_code(problem, answers[-1])
        if guess == problem.code or len(answers) >= problem.num_guesses:
            return Turn(guess == problem.code, float(guess == problem.code))
        if guess is None:
            return Turn(False, 0.0, "?" if problem.is_compact else NO_CODE, done=False)
        placed, elsewhere = compare(problem.code, guess)
        told = f"{placed} in place, {elsewhere} elsewhere."
        return Turn(False, 0.0, f"{placed}+{elsewhere}" if problem.is_compact else told, done=False)

    def solve(self, problem: Problem) -> str:
        """Return the code."""
        return problem.code

    def demonstrate(self, problem: Problem) -> str:
        """Return the first guess."""
        return self.next_turn(problem, ())

    def next_turn(self, problem: Problem, answers: Sequence[str]) -> str:
        """Return the first code that agrees with what was told, without a look at the hidden one.

        The codes of all levels are found so within their guesses.
        """
        guesses = [guess for answer in answers if (guess := read_code(problem, answer)) is not None]
        told = [(guess, compare(problem.code, guess)) for guess in guesses]
        for letters in product(problem.letters, repeat=len(problem.code)):
            code = "".join(letters)
            if all(compare(code, guess) == found for guess, found in told):
                return rf"\boxed{{{code}}}"
        raise AssertionError("the hidden code agrees with all that was told")

    def canonical(self, problem: Problem) -> str:
        """Return the letters and the code."""
        return f"{problem.letters} {problem.code}"

    def num_answers(self, problem: Problem) -> int:
        """Return the count of codes, of which a first guess is one."""
        return int(len(problem.letters) ** len(problem.code))


def read_code(problem: Problem, answer: str) -> str | None:
    """Return the code that `answer` is, None if it is none."""
    if len(answer) > MAX_ANSWER:
        return None
    code = "".join(answer.split()).upper()
    right = len(code) == len(problem.code) and set(code) <= set(problem.letters)
    return code if right else None


def compare(code: str, guess: str) -> tuple[int, int]:
    """Return how many letters of `guess` are in place, and how many others are elsewhere in `code`.

    >>> compare("AABC", "ACAA")
    (1, 2)
    """
    placed = sum(one == other for one, other in zip(code, guess, strict=True))
    shared = sum(min(code.count(letter), guess.count(letter)) for letter in set(guess))
    return placed, shared - placed
