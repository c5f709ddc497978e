"""Score a completion of a named problem where a call is made: both are data, and so is the outcome."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from edgewise.env import Outcome, ReasoningEnv
from edgewise.executor import LOST
from edgewise.names import Name, read_name, read_overrides
from edgewise.posing import make_named, pose_named
from edgewise.registration import task_of

FIELDS = ("correct", "formatted", "answer")
SCORE = "edgewise.scoring:score"
SECONDS = 60.0  # for one completion; verifiers that ask processes of their own have less
MEMORY = 2**33  # bytes of address space, of which those processes have less
NUM_ENVS, NUM_PROBLEMS = 16, 256  # that are kept, for the next completion


def score(name: str, completion: str) -> dict[str, Any]:
    r"""Score a completion of the problem called `name`, which needs one turn.

    Example:
        >>> env = gym.make("Countdown-v0")
        >>> prompt, info = env.reset(seed=24)
        >>> found = score(info["problem"], env.unwrapped.demonstrate(env.unwrapped.problem))
        >>> found["correct"], found["reward"]
        (True, 1.0)

    Raises:
        ValueError: If `name` is none, or names another problem here.
        ImportError: If the environment needs an extra that is not installed.
        FileNotFoundError: If its data is not there.
    """
    env, problem = posed(name)
    outcome = env.score([problem], [()], [completion])[0]
    return {
        "correct": None if outcome.correct is None else bool(outcome.correct),
        "reward": float(outcome.reward),
        "formatted": outcome.formatted,
        "answer": outcome.answer,
    }


def outcome_of(env: ReasoningEnv, completion: str, result: Any) -> Outcome:
    """Convert the result of a call of `score`; one that failed is wrong, one that was lost has no verdict.

    Args:
        env: That of the problem.
        completion: That was scored.
        result: As an executor returns it.
    """
    if isinstance(result, dict):
        return Outcome("", result["reward"], True, *(result[name] for name in FIELDS))
    answer = env.extract(completion)
    _, formatted, neither = env.preset.rewards
    if result is LOST:
        return Outcome("", 0.0, True, None, answer is not None, answer)
    return Outcome(
        "", neither if answer is None else formatted, True, False, answer is not None, answer
    )


@lru_cache(maxsize=NUM_PROBLEMS)
def posed(name: str) -> tuple[ReasoningEnv, Any]:
    """Return the problem of a name, and an environment that can pose it, the same for equal ones.

    Raises:
        ValueError, ImportError, FileNotFoundError: As `score`.
    """
    read = read_name(name)
    env = environment(read.env, read.split, json.dumps(json.loads(name)["overrides"]))
    return env, pose_named(env, read)


@lru_cache(maxsize=NUM_ENVS)
def environment(env_id: str, split: str, overrides: str) -> ReasoningEnv:
    """Make the environment of problems, of overrides in JSON."""
    task = task_of(env_id)
    assert task is not None  # a mixture names no problem
    read = read_overrides(env_id, task, json.loads(overrides), "overrides")
    return make_named(Name(env_id, read, split, 1, {}, 0, ""))
