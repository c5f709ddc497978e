"""Pose the problem that a name names, and score completions of it where a call is made: all of it is data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import gymnasium as gym

from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import shown
from edgewise.executor import LOST
from edgewise.names import Name, read_name, read_overrides
from edgewise.outcome import Outcome
from edgewise.registration import task_of

FIELDS = ("correct", "formatted", "answer")
SCORE = "edgewise.scoring:score"
SECONDS = 60.0  # for one completion; verifiers that ask processes of their own have less
MEMORY = 2**33  # bytes of address space, of which those processes have less


def pose(name: str) -> ReasoningEnv:
    """Return an environment that has posed the problem called `name`, ready for a `step`.

    A name is data: it chooses a registered environment and the values of its declared fields, and
    nothing that it says is imported or called. Names of data sets may say which file is read.

    Example:
        >>> env = gym.make("Countdown-v0")
        >>> prompt, info = env.reset(seed=0)
        >>> pose(info["problem"]).render() == prompt
        True

    Raises:
        ValueError: If `name` is none, or another problem has that name here: another version of its
            environment.
        ImportError: If the environment needs an extra that is not installed.
        FileNotFoundError: If its data is not there.
    """
    named = read_name(name)
    env = make_named(named)
    pose_named(env, named)
    return env


def make_named(name: Name) -> ReasoningEnv:
    """Return an environment that can pose the problem called `name`.

    Raises:
        ValueError: If it refuses the overrides.
        ImportError: If it needs an extra that is not installed.
    """
    made = gym.make(name.env, split=name.split, allow_ood=True, **name.overrides)
    return unwrap(made)


def pose_named(env: ReasoningEnv, name: Name) -> Any:
    """Let `env`, which `make_named` made, pose the problem called `name`, and return it.

    Raises:
        ValueError: If another problem has that name here, or none can be made of its params.
        FileNotFoundError: If the data that it names is not there.
    """
    try:
        env.reset(options=name.options)
    except (ArithmeticError, LookupError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"`params` must be such that {name.env} has a problem, got {shown(name.params)}: {error}"
        ) from error
    if env.key_of(env.problem) != name.key:
        raise ValueError(
            f"`key` must be of this version of {name.env}, got {name.key!r} for level {name.level}, "
            f"problem_seed {name.problem_seed}"
        )
    return env.problem


NUM_ENVS, NUM_PROBLEMS = 16, 256  # that are kept, for the next completion


def score(name: str, *turns: str) -> dict[str, Any]:
    r"""Score the completions of an episode of the problem called `name`, one each turn.

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
    outcome = played(env, [problem], [turns])[0]
    return {
        "correct": None if outcome.correct is None else bool(outcome.correct),
        "reward": float(outcome.reward),
        "formatted": outcome.formatted,
        "answer": outcome.answer,
    }


def played(
    env: ReasoningEnv, problems: Sequence[Any], texts: Sequence[Sequence[str]]
) -> list[Outcome]:
    """Return what episodes earn; of several turns, all together.

    Args:
        env: That of the problems.
        problems: One for each episode.
        texts: Of each episode the completions, one each turn; what follows its end is not scored.
    """
    earned: list[list[Outcome]] = [[] for _ in problems]
    for turn in range(max(map(len, texts), default=0)):
        live = [
            i
            for i, found in enumerate(earned)
            if len(texts[i]) > turn and not (found and found[-1].done)
        ]
        outcomes = env.score(
            [problems[i] for i in live],
            [earned[i] for i in live],
            [texts[i][turn] for i in live],
        )
        for i, outcome in zip(live, outcomes, strict=True):
            earned[i].append(outcome)
    return [found[0] if len(found) == 1 else whole(found) for found in earned]


def whole(turns: Sequence[Outcome]) -> Outcome:
    """Return what an episode earns: it is right if a turn is, and lost if a verdict of one is."""
    lost = any(not outcome.verified for outcome in turns)
    return turns[-1]._replace(
        reward=0.0 if lost else sum(outcome.reward for outcome in turns),
        correct=None if lost else any(outcome.correct for outcome in turns),
        formatted=any(outcome.formatted for outcome in turns),
    )


def outcome_of(env: ReasoningEnv, turns: Sequence[str], result: Any) -> Outcome:
    """Convert the result of a call of `score`; one that failed is wrong, one that was lost has no verdict.

    Args:
        env: That of the problem.
        turns: The completions that were scored.
        result: As an executor returns it.
    """
    if isinstance(result, dict):
        return Outcome("", result["reward"], True, *(result[name] for name in FIELDS))
    answers = [env.extract(text) for text in turns]
    is_formatted = any(answer is not None for answer in answers)
    if result is LOST:
        return Outcome("", 0.0, True, None, is_formatted, answers[-1])
    _, formatted, neither = env.preset.rewards
    return Outcome(
        "", formatted if is_formatted else neither, True, False, is_formatted, answers[-1]
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
