"""What a node does for an evaluation: answers as an agent without a model, and plays its episodes."""

from __future__ import annotations

import time

from edgewise.agents.policies.options import Sampling
from edgewise.benchmarks.evaluation.agent import Script, guess, oracle, simulated
from edgewise.benchmarks.evaluation.question import Question
from edgewise.benchmarks.evaluation.scripted import Played, played_by
from edgewise.names import read_name
from edgewise.scoring import posed


def script_of(agent: str, seed: int) -> Script | None:
    """Return the script of an agent that can answer anywhere; None of any other."""
    kind, _, rest = agent.partition(":")
    if agent == "oracle":
        return oracle
    if agent == "random":
        return guess(seed)
    return simulated(rest or "independent", seed) if kind == "simulated" else None


def answer(agent: str, seed: str, part: str, name: str, sample: str) -> tuple[list[str], float]:
    """Answer a question as an agent that needs no model; return the text of each turn, and the seconds.

    Args:
        agent: Its name.
        seed: Of the evaluation.
        part: Of the suite, which the question is in.
        name: Of the problem.
        sample: Which of its answers, from 0.
    """
    script = script_of(agent, int(seed))
    if script is None:
        raise ValueError(f"`agent` must be oracle, random or simulated:WORLD, got {agent!r}")
    env, problem = posed(name)
    read = read_name(name)
    place = (part, read.level, read.level in env.preset.ood, read.problem_seed, name)
    question = Question(*place, env, problem, Sampling(max_tokens=1))
    start = time.perf_counter()
    found = script(question, int(sample))
    return found if isinstance(found, list) else [found], time.perf_counter() - start


def play(agent: str, name: str) -> Played:
    """Play the episode of a problem as an agent that is `scripted`."""
    env, _ = posed(name)
    return played_by(agent, env, read_name(name).options)
