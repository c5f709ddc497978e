"""Agents that need no model: one knows every answer, one always says the same, one guesses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator

from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions, Sampler
from edgewise.benchmarks.simulation.env import RIGHT
from edgewise.benchmarks.simulation.learner import SimulatedLearner
from edgewise.benchmarks.simulation.worlds import WORLDS
from edgewise.env import ReasoningEnv
from edgewise.errors import unknown
from edgewise.task import Task

Script = Callable[[str, int], str]  # from the prompt and the turn, from 0, to the completion
KINDS = ("oracle", "constant", "simulated")


class Scripted:
    """A sampler that answers by a script; its completions have one token a turn."""

    def __init__(self, script: Script) -> None:
        """Answer with `script(prompt, turn)`."""
        self.script = script
        self.prompts, self.turn = list[str](), 0  # of the completions that were made last

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, generator: Generator
    ) -> Completions:
        """Answer each of B prompts."""
        self.prompts, self.turn = list(prompts), 0
        said = {prompt: self.script(prompt, 0) for prompt in dict.fromkeys(prompts)}
        tokens, ones = (torch.full((len(prompts), 1), number) for number in (0, 1))
        return Completions(
            [said[prompt] for prompt in prompts],
            tokens,
            ones,
            ones.float(),
            torch.zeros(len(prompts), 1),
            torch.ones(len(prompts), dtype=torch.bool),
        )

    def extend(
        self,
        completions: Completions,
        observations: Sequence[str],
        sampling: Sampling,
        generator: Generator,
    ) -> Completions:
        """Answer each observation in a further turn; "" is passed over."""
        self.turn += 1
        told = [
            self.script(prompt, self.turn) if text else ""
            for prompt, text in zip(self.prompts, observations, strict=True)
        ]
        tokens = torch.zeros(len(told), 1, dtype=torch.int64)
        live = torch.tensor([[bool(text)] for text in observations])
        return Completions(
            told,
            torch.cat([completions.tokens, tokens], dim=1),
            torch.cat([completions.attention, live.long()], dim=1),
            torch.cat([completions.mask, live.float()], dim=1),
            torch.cat([completions.logprobs, torch.zeros(len(told), 1)], dim=1),
            completions.ended,
        )


class Guesser(SimulatedLearner):
    """A simulated learner that answers real prompts: rightly, or with no answer at all."""

    def __init__(self, world: str, known: Mapping[str, tuple[str, str]], num_levels: int) -> None:
        """Begin with the skills of the first learner of a world.

        Args:
            world: Its name.
            known: For each prompt, "level problem_seed" and the completion that is right.
            num_levels: How many levels there are, easiest first.
        """
        if world not in WORLDS:
            raise ValueError(unknown("world", world, WORLDS))
        super().__init__(WORLDS[world](max(2, num_levels), 0))
        self.known = known

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, generator: Generator
    ) -> Completions:
        """Answer each of B prompts."""
        named = [self.known[prompt][0] for prompt in prompts]
        completions = super().generate(named, sampling, generator)
        told = zip(prompts, completions.texts, strict=True)
        texts = [self.known[prompt][1] if text == RIGHT else "" for prompt, text in told]
        return replace(completions, texts=texts)


def is_scripted(agent: str) -> bool:
    """Return whether `agent` is oracle, constant, constant:TEXT, simulated or simulated:WORLD."""
    kind, colon, _ = agent.partition(":")
    return kind in KINDS and not (kind == "oracle" and colon)


def scripted(agent: str, env: ReasoningEnv, posed: Iterable[Mapping[str, Any]]) -> Sampler:
    r"""Return the agent of that name for some problems of `env`.

    "oracle" gives the answers of the task's solver, "constant:TEXT" always the answer TEXT, by
    default 0, both in the answer format of the preset. "simulated:WORLD", by default independent,
    is right with the probabilities of a `SimulatedLearner`.

    Args:
        agent: Its name.
        env: What is answered.
        posed: The options of the problems that it will be asked, "level" and "problem_seed".

    Raises:
        ValueError: If there is no such world, or the oracle has no answer.

    Example:
        >>> env = gym.make("Countdown-v0", split="test").unwrapped
        >>> scripted("constant:7", env, []).script("Which number?", 0)
        '\\boxed{7}'
    """
    kind, _, name = agent.partition(":")
    if kind == "constant":
        first, later = (
            completion(env, name or "0", each) for each in (env.preset.frame.opening, "")
        )
        return Scripted(lambda prompt, turn: later if turn else first)
    known = {}
    places = {level: place for place, level in enumerate(env.preset.levels, start=1)}
    for options in posed:
        problem = env.draw(options["level"], options["problem_seed"])
        frame = env.frame_of(problem)
        answers = answers_of(env, problem)
        openings = [frame.opening, *("" for _ in answers[1:])]
        texts = [completion(env, *pair) for pair in zip(answers, openings, strict=True)]
        place = f"{places[options['level']]} {options['problem_seed']}"
        known[frame.text(env.prompt(problem))] = place, texts
    if kind == "simulated":
        single = {prompt: (place, texts[0]) for prompt, (place, texts) in known.items()}
        return Guesser(name or "independent", single, len(places))
    return Scripted(lambda prompt, turn: "".join(known[prompt][1][turn : turn + 1]))


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
            f"`agent` must be another than oracle for {env.identity['env']} with these options: "
            f"neither the solver's answer nor its lines, one a turn, solve a problem"
        )
    return lines[:count]


def completion(env: ReasoningEnv, answer: str, opening: str) -> str:
    """Return a completion that gives `answer` in the preset's format, after `opening`."""
    if env.preset.answer in ("any", "boxed"):
        return f"\\boxed{{{answer}}}"
    thought = ".</think>" if "<think>" in opening else "<think>.</think>"
    return f"{thought} <answer>{answer}</answer>"
