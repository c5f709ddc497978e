"""Worked episodes of several turns, as rows of tokens of which the model's own turns are learned."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from edgewise.env import ReasoningEnv
from edgewise.outcome import History, Outcome, answers_of_attempt, num_attempts


class Worked(NamedTuple):
    """A turn of a worked episode."""

    text: str
    observation: str  # "" after the last turn
    is_slip: bool  # whether it is wrong on purpose, and not to be learned


def worked_episode(
    env: ReasoningEnv,
    problem: Any,
    rng: np.random.Generator,
    slips: float = 0.0,
    mistake: str | None = None,
) -> list[Worked]:
    """Return the turns that solve `problem`, after wrong attempts by chance where there are several.

    Args:
        env: Has posed it.
        problem: The problem.
        rng: Decides the wrong attempts.
        slips: The chance that an attempt but the last is a wrong one.
        mistake: A wrong first attempt, such as a model's own; it is no chance then.

    Raises:
        NotImplementedError: If the task has no traces.
    """
    history: list[Outcome] = []
    turns: list[Worked] = []
    while not (history and history[-1].done):
        is_mistake = mistake is not None and not history
        is_slip = is_mistake or (may_slip(env, history) and rng.random() < slips)
        if mistake is not None and is_mistake:
            text = mistake
        elif is_slip:
            text = env.as_completion(env.task.slip(problem, rng))
        else:
            text = env.demonstrate(problem, tuple(answers_of_attempt(history)))
        history += env.score([problem], [history], [text])
        turns.append(Worked(text, "" if history[-1].done else history[-1].observation, is_slip))
    return turns


def may_slip(env: ReasoningEnv, history: History) -> bool:
    """Return whether an attempt begins here, and another comes after it."""
    if env.attempts is None or num_attempts(history) + 1 >= env.attempts.most:
        return False
    return not history or history[-1].ends_attempt


def row_of(turns: list[Worked], prompt: list[int], tokenizer: Any) -> tuple[list[int], list[bool]]:
    """Return the tokens of an episode and their loss mask."""
    tokens, learned = list(prompt), [False] * len(prompt)
    for turn in turns:
        own = [*tokenizer.encode(turn.text, add_special_tokens=False), tokenizer.eos_token_id]
        further = tokenizer.encode(turn.observation, add_special_tokens=False)
        tokens += [*own, *further]
        learned += [not turn.is_slip] * len(own) + [False] * len(further)
    return tokens, learned
