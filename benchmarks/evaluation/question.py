"""The fixed problems of an evaluation, each with its name, its words and a checksum over all; and answers in their format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import gymnasium as gym

import edgewise
from edgewise.agents.policies.options import Sampling
from edgewise.benchmarks.evaluation.suite import Part
from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import unknown
from edgewise.frame import Frame
from edgewise.judging import takes_turns

CHECKSUM_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Question:
    """A problem that is put to an agent."""

    part: str
    level: int
    ood: bool  # whether the level is kept out of training
    problem_seed: int
    name: str = field(repr=False)  # for `edgewise.pose`
    env: ReasoningEnv = field(repr=False)
    problem: Any = field(repr=False)
    sampling: Sampling = field(repr=False)
    num_samples: int = 1

    @cached_property
    def prompt(self) -> str:
        """The task's text, with no frame around it."""
        return self.env.prompt(self.problem)

    @property
    def frame(self) -> Frame:
        """What the paper puts around the text."""
        return self.env.frame_of(self.problem)

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it from the others of an evaluation."""
        return self.part, self.level, self.problem_seed

    def record(self) -> dict[str, Any]:
        """Return it for a file, by names that hold everywhere."""
        return {
            "part": self.part,
            "level": self.level,
            "ood": self.ood,
            "problem_seed": self.problem_seed,
            "num_samples": self.num_samples,
            "name": self.name,
            "prompt": self.prompt,
        }


class NotAtHand(Exception):
    """A part of a suite cannot be evaluated as it is asked for."""


@dataclass(frozen=True)
class Opened:
    """A part whose data files were found."""

    part: Part
    env: ReasoningEnv
    sampling: Sampling
    questions: Sequence[Question]
    num_too_long: int = 0  # problems that are not among these, since the model has no room for them

    def record(self) -> dict[str, Any]:
        """Build the record of the part for config.json."""
        return {
            "name": self.part.name,
            "env": self.part.env,
            "preset": self.env.preset_name,
            "levels": sorted({question.level for question in self.questions}),
            "num_problems": len(self.questions),
            **({"num_too_long": self.num_too_long} if self.num_too_long else {}),
            "num_samples": self.part.protocol.num_samples,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "max_tokens": self.sampling.max_tokens,
            "checksum": checksum(self.questions),
        }


def open_part(
    part: Part,
    num_problems: int = 200,
    max_tokens: int | None = None,
    split: str = "test",
    levels: Sequence[int] | None = None,
    turns: bool = False,
) -> Opened:
    """Open a part: make its environment and pose the first problems of the fixed set of each level.

    Example:
        >>> from edgewise.benchmarks.evaluation import SUITES
        >>> opened = open_part(SUITES["sec"][0], num_problems=2, levels=[1, 4])
        >>> [(question.level, question.ood) for question in opened.questions]
        [(1, False), (1, False), (4, True), (4, True)]

    Args:
        part: Of a suite.
        num_problems: Of each level.
        max_tokens: Longest completion; by default the preset's.
        split: Whose problems they are.
        levels: Of the preset; all by default.
        turns: Whether who answers can play episodes of several turns.

    Raises:
        NotAtHand: If it has no such preset, or another reason is known.
        ImportError: If it needs an extra that is not installed.
        FileNotFoundError: If its data is not at hand.
        ValueError: If an option is refused, or its problems have several turns.
    """
    if part.reason:
        raise NotAtHand(part.reason)
    presets = unwrap(gym.make(part.env, split=split)).task.presets
    if part.preset is not None and part.preset not in presets:
        raise NotAtHand(unknown("preset", part.preset, presets))
    made = gym.make(part.env, preset=part.preset, split=split, levels=levels, **part.options)
    env = unwrap(made)
    frame, protocol = env.preset.frame, part.protocol
    sampling = Sampling(
        max_tokens=max_tokens or frame.max_completion_tokens,
        temperature=protocol.temperature,
        top_p=protocol.top_p,
        stop=frame.stop,
    )
    questions: list[Question] = []
    for level in dict.fromkeys(env.preset.levels if levels is None else levels):
        ood = part.ood or level in env.preset.ood
        for options in edgewise.evaluation_set(env, level, num_problems):
            problem, info = env.pose(options)
            if not turns and not questions and takes_turns(env, problem):
                raise ValueError(
                    f"`env` must have one turn for this agent, {part.env} with these options has more"
                )
            number = int(info["problem_seed"])
            place = (part.name, level, ood, number, info["problem"])
            questions.append(Question(*place, env, problem, sampling, protocol.num_samples))
    if not questions:
        raise ValueError(f"`split` must have problems, got none of {part.env} in {split}")
    return Opened(part, env, sampling, questions)


def checksum(questions: Iterable[Question]) -> str:
    """Return a hash of places, contents and prompts: equal sums, equal questions."""
    return checksum_of_records(question.record() for question in questions)


def checksum_of_records(records: Iterable[Mapping[str, Any]]) -> str:
    """Return the checksum of questions by their records.

    Raises:
        KeyError, TypeError, ValueError: If one is damaged.
    """
    digest = hashlib.sha256()
    for record in records:
        content = json.loads(record["name"])["key"]
        place = [record[name] for name in ("part", "level", "problem_seed")]
        digest.update(json.dumps([*place, content, record["prompt"]]).encode())
    return digest.hexdigest()[:CHECKSUM_DIGITS]


def in_format(env: ReasoningEnv, line: str) -> str:
    """Return a completion of what someone typed: an answer, with or without its format, or the call of a tool."""
    is_call = env.tools is not None and any(True for _ in env.tools.calls_in(line))
    is_whole = is_call or "\\boxed{" in line or "<answer>" in line
    return line if is_whole else completion(env, line, "")


def completion(env: ReasoningEnv, answer: str, opening: str) -> str:
    """Return a completion that gives `answer` in the preset's format, after `opening`."""
    if env.preset.answer in ("any", "boxed"):
        return f"\\boxed{{{answer}}}"
    thought = ".</think>" if "<think>" in opening else "<think>.</think>"
    return f"{thought} <answer>{answer}</answer>"
