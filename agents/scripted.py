"""Agents that need no model: one knows every answer, one always says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator

import edgewise
from edgewise.agents.policy import Completions, Sampling
from edgewise.env import ReasoningEnv

Script = Callable[[str], str]  # from the prompt to the completion


class Scripted:
    """A sampler that answers by a script; its completions have one token."""

    def __init__(self, script: Script) -> None:
        """Answer with `script(prompt)`."""
        self.script = script

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, generator: Generator
    ) -> Completions:
        """Answer each of B prompts."""
        said = {prompt: self.script(prompt) for prompt in dict.fromkeys(prompts)}
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
        told = [self.script(text) if text else "" for text in observations]
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


def is_scripted(agent: str) -> bool:
    """Return whether `agent` is oracle, constant or constant:TEXT."""
    return agent == "oracle" or agent.partition(":")[0] == "constant"


def scripted(
    agent: str, env: ReasoningEnv, levels: Sequence[int] | None, num_problems: int
) -> Scripted:
    r"""Return the agent of that name for the evaluation sets of `env`.

    "oracle" gives the answers of the task's solver, "constant:TEXT" always the answer TEXT, by
    default 0, both in the answer format of the preset.

    Example:
        >>> env = gym.make("Countdown-v0", split="test").unwrapped
        >>> scripted("constant:7", env, (1,), 1).script("Which number?")
        '\\boxed{7}'
    """
    if agent != "oracle":
        said = completion(env, agent.partition(":")[2] or "0", env.preset.frame.opening)
        return Scripted(lambda prompt: said)
    known = {}
    for level in env.preset.levels if levels is None else levels:
        for options in edgewise.evaluation_set(env, level, num_problems):
            problem = env.draw(level, options["problem_seed"])
            frame = env.frame_of(problem)
            answer = completion(env, env.task.solve(problem), frame.opening)
            known[frame.text(env.prompt(problem))] = answer
    return Scripted(lambda prompt: known.get(prompt, ""))


def completion(env: ReasoningEnv, answer: str, opening: str) -> str:
    """Return a completion that gives `answer` in the preset's format, after `opening`."""
    if env.preset.answer in ("any", "boxed"):
        return f"\\boxed{{{answer}}}"
    thought = ".</think>" if "<think>" in opening else "<think>.</think>"
    return f"{thought} <answer>{answer}</answer>"
