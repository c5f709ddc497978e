"""Answers that need no model: the solver's, always the same, or right by chance; without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewise.agents.training.scores import Ask, Asker, Options, Verdicts
from edgewise.benchmarks.evaluation.agent_names import check_world
from edgewise.benchmarks.evaluation.question import completion
from edgewise.benchmarks.simulation.skills import Draws, Skills
from edgewise.benchmarks.simulation.worlds import WORLDS
from edgewise.env import ReasoningEnv
from edgewise.pool import refuse_unverified
from edgewise.task import Task

Turns = Callable[[int], str]  # from the turn, from 0, to the answer
Played = tuple[float, float, float, float, float]  # what `Verdicts` has of an answer
Plays = Callable[[str, Sequence[Options]], list[Played]]  # episodes of an agent


def scripted(agent: str, env: ReasoningEnv, plays: Plays | None = None) -> Asker:
    r"""Make the agent of that name answer problems of `env`.

    "oracle" gives the answers of the task's solver, "constant:TEXT" always the answer TEXT, by
    default 0, both in the answer format of the preset. "simulated:WORLD", by default independent,
    is right with the probabilities of a `SimulatedLearner`.

    Args:
        agent: Its name.
        env: Is reset to each problem that is asked.
        plays: Plays the episodes elsewhere; by default they are played in `env`.

    Raises:
        ValueError: If there is no such world; when it is asked, if the oracle has no answer.

    Example:
        >>> env = gym.make("Countdown-v0", split="test").unwrapped
        >>> ask = scripted("constant:7", env)(0)
        >>> ask([{"level": 1, "problem_seed": 0}], 2).formatted.tolist()
        [[1.0, 1.0]]
    """
    kind, _, name = agent.partition(":")

    def here(agent: str, problems: Sequence[Options]) -> list[Played]:
        return [played_by(agent, env, options) for options in problems]

    if kind == "simulated":
        return by_chance(name or "independent", env, plays or here)

    def ask(problems: Sequence[Options], num_samples: int) -> Verdicts:
        rows = (plays or here)(agent, problems)
        table = np.array(rows, dtype=np.float64).reshape(-1, 1, 5)
        return judged(np.repeat(table, num_samples, axis=1))

    return lambda seed: ask


def played_by(agent: str, env: ReasoningEnv, options: Options) -> Played:
    """Play an episode as the agent of that name; as the solver where it is right by chance."""
    kind, _, name = agent.partition(":")
    if kind == "constant":
        return played(env, options, lambda turn: name or "0")
    answers = answers_of(env, env.draw(options["level"], options["problem_seed"]))
    return played(env, options, turns_of(answers if kind == "oracle" else answers[:1]))


def by_chance(world: str, env: ReasoningEnv, plays: Plays) -> Asker:
    """Make a learner of `world` at its start answer: rightly, or with no answer at all.

    Raises:
        ValueError: If there is no such world.
    """
    check_world(world)
    places = {level: place for place, level in enumerate(env.preset.levels, start=1)}
    skills = Skills(WORLDS[world](max(2, len(places)), 0))

    def begin(seed: int) -> Ask:
        draws = Draws(seed)

        def ask(problems: Sequence[Options], num_samples: int) -> Verdicts:
            rows = []
            for options, right in zip(problems, plays("simulated", problems), strict=True):
                seeds = np.array([options["problem_seed"]], dtype=np.int64)
                chance = skills.chances(np.array([places[options["level"]]]), seeds)
                wrong = (0.0, 1.0, 0.0, 1.0, 1.0)
                lots = draws.uniform(num_samples) < chance
                rows.append([right if lot else wrong for lot in lots])
            table = np.array(rows, dtype=np.float64).reshape(len(problems), num_samples, 5)
            return judged(table)

        return ask

    return begin


def turns_of(answers: Sequence[str]) -> Turns:
    """Give the answers turn by turn, and "" after the last."""
    return lambda turn: answers[turn] if turn < len(answers) else ""


def played(env: ReasoningEnv, options: Options, answers: Turns) -> Played:
    """Play an episode; return what `Verdicts` has of its answer, of one token a turn."""
    env.reset(options=dict(options))
    correct, verified, formatted, done, turn = False, True, False, False, 0
    while not done:
        text = completion(env, answers(turn), "")
        _, _, terminated, truncated, info = env.step(text)
        done = terminated or truncated
        correct |= info["correct"]
        verified &= info["verified"]
        formatted |= info["formatted"]
        turn += 1
    return float(correct and verified), float(verified), float(formatted), 1.0, float(turn)


def judged(table: Any) -> Verdicts:
    """Make verdicts of a table, (N, n, 5).

    Raises:
        TooManyUnverified: If more than 1 % of the answers have none.
    """
    found = Verdicts(*np.moveaxis(table, 2, 0))
    refuse_unverified(int((1 - found.verified).sum()), found.verified.size)
    return found


def answers_of(env: ReasoningEnv, problem: Any) -> list[str]:
    """Return the answer of each turn that solves `problem`: the solver's, or line by line.

    Raises:
        ValueError: If neither solves it.
    """
    answer = env.task.solve(problem)
    if type(env.task).turn is Task.turn or env.task.turn(problem, [answer]).correct:
        return [answer]
    lines = answer.splitlines()
    for count in range(1, len(lines) + 1):
        turn = env.task.turn(problem, lines[:count])
        if turn.done:
            break
    if not lines or not turn.correct:
        raise ValueError(
            f"`agent` must be another than oracle or random for {env.identity['env']} with these options: "
            f"neither the solver's answer nor its lines, one a turn, solve a problem"
        )
    return lines[:count]
