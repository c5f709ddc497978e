r"""SeRL's problems: a model writes them, and its own majority says what their answers are.

Self-instruction and self-rewarding of SeRL, arXiv 2505.20347, a baseline of SOAR, arXiv 2601.18778.
A question is kept if the share of its answers that agree with the majority is within bounds, neither
all nor nearly none, and if it is new.

Where the papers leave a choice, or SOAR's does not say what it kept:
    - The prompt is that of SOAR's teacher, without the examples that SeRL draws from its seeds, since
      these would be the hard problems.
    - All problems are of the untrained model, as many as of other teachers; SeRL writes and labels
      anew as it trains.
    - Answers agree if they have one text, or are one number; the first of equal majorities counts.
    - A question is new if no other has its text; SeRL also drops those that are alike by ROUGE-L.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.posing import Posed, TooFewProblems
from edgewise.number import read_exact


@dataclass(frozen=True)
class SeRLConfig:
    """How many answers, and what majority of them; the defaults are SeRL's."""

    num_samples: int = 16
    least: float = 0.2  # share of the answers that agree with the majority
    most: float = 0.8
    max_rounds: int = 16  # in each of which as many are written as are missing


def serl_problems(
    write: Callable[[int], Posed],
    reply: Callable[[Sequence[Pair], int], Sequence[Sequence[str]]],
    count: int,
    config: SeRLConfig,
) -> list[Pair]:
    """Return `count` problems with the majority's answers.

    Args:
        write: Returns so many problems of a teacher, whose own answers are ignored.
        reply: Returns so many answers to each problem, "" where there is none.
        count: At least 1.
        config: What is kept.

    Raises:
        TooFewProblems: If the rounds run out.
    """
    kept: dict[str, Pair] = {}
    num_attempts = 0
    for _ in range(config.max_rounds):
        posed = write(count - len(kept))
        num_attempts += posed.num_attempts
        fresh = list({pair.question: pair for pair in posed.pairs}.values())
        replies = reply(fresh, config.num_samples)
        for pair, answers in zip(fresh, replies, strict=True):
            answer, share = majority(answers)
            if config.least <= share <= config.most:
                kept.setdefault(pair.question, replace(pair, answer=answer))
        if len(kept) == count:
            return list(kept.values())
    refused = {"no majority within bounds, or known": num_attempts - len(kept)}
    raise TooFewProblems(Posed(list(kept.values()), [], num_attempts, refused), count)


def majority(answers: Sequence[str]) -> tuple[str, float]:
    """Return the most frequent answer, and its share of all; "" and 0 if there is no answer.

    >>> majority(["4", "1/2", "0.5", "", "0.50"])
    ('1/2', 0.6)
    """
    meanings = [
        read_exact(answer) if read_exact(answer) is not None else answer for answer in answers
    ]
    counts = Counter(meaning for meaning in meanings if meaning != "")
    if not counts:
        return "", 0.0
    meaning, number = counts.most_common(1)[0]
    return answers[meanings.index(meaning)], number / len(answers)
