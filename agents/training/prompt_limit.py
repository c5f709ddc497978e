"""Leave out problems whose prompts leave no room for a completion in the model's context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edgewise.env import ReasoningEnv
from edgewise.frame import Frame, Render

NUM_SAMPLED = 8  # prompts of each arm that are measured before a run
MAX_SAMPLED = 200  # where none of those fits
UNLIMITED = 0  # as `max_prompt_tokens`: nothing is measured, as in Edgewise 0.1

Options = Mapping[str, Any]


@dataclass(frozen=True)
class PromptLimit:
    """The longest prompt allowed by the frame and by the model's context."""

    tokens_of: Callable[[str], Sequence[int]]  # the tokens of a prompt
    render: Render | None  # makes text of the messages of a chat
    positions: int | None  # of the model, None if it has no end
    max_tokens: int  # of a completion
    max_prompt_tokens: int | None = None  # in place of the frames' own

    def room(self, frame: Frame) -> int:
        """Return the most tokens that a prompt in `frame` may have."""
        most = self.max_prompt_tokens or frame.max_prompt_tokens
        return most if self.positions is None else min(most, self.positions - self.max_tokens)

    def length(self, env: ReasoningEnv, problem: Any) -> int:
        """Return the number of tokens of a problem's prompt, frame included."""
        text = env.frame_of(problem).text(env.prompt(problem), self.render)
        return len(self.tokens_of(text))

    def fits(self, env: ReasoningEnv, problem: Any) -> bool:
        """Return whether the prompt of `problem` fits."""
        return self.length(env, problem) <= self.room(env.frame_of(problem))

    def screen(self, env: ReasoningEnv) -> None:
        """Make `env` and its members redraw problems whose prompts do not fit."""
        for member in env.members:
            member.fits = partial(self.fits, member)

    def fitting(self, env: ReasoningEnv, problems: Sequence[Options]) -> list[Options]:
        """Filter problems to those whose prompts fit."""
        return [options for options in problems if self.fits(env, problem_of(env, options))]

    def check(self, env: ReasoningEnv, arms: Sequence[Options] | None = None) -> list[str]:
        """Measure the first prompts of each arm; return a note for each arm with prompts that do not fit.

        Args:
            env: Of one task.
            arms: Options of `reset`; by default those of `env`.

        Raises:
            ValueError: If no problem of an arm fits.
        """
        lines, longest = list[str](), 0
        refused: tuple[str, int, Frame] | None = None
        for arm in env.arms if arms is None else arms:
            lengths = list[int]()
            for problem in sampled(env, arm):
                frame = env.frame_of(problem)
                lengths.append(self.length(env, problem))
                if len(lengths) >= NUM_SAMPLED and min(lengths) <= self.room(frame):
                    break
            if not lengths:
                raise ValueError(
                    f"`split` must have problems, got none of {env.identity['env']} in {env.split}, "
                    f"{dict(arm)}"
                )
            room, name = self.room(frame), f"{env.identity['env']}, {dict(arm)}"
            fitting = [length for length in lengths if length <= room]
            longest = max(longest, *(fitting or lengths[:NUM_SAMPLED]))
            if not fitting and refused is None:
                refused = name, min(lengths), frame
            elif len(fitting) < len(lengths):
                lines.append(
                    f"{name}: {len(lengths) - len(fitting)} of the first {len(lengths)} prompts have "
                    f"more than {room} tokens; such problems are left out"
                )
        if refused is not None:
            raise ValueError(self.refusal(*refused, longest))
        return lines

    def refusal(self, name: str, shortest: int, frame: Frame, longest: int) -> str:
        """Return the error message for an arm without any prompt that fits.

        Args:
            name: Of the arm.
            shortest: Tokens of its shortest prompt.
            frame: Around its prompts.
            longest: Tokens of the longest prompt that is to fit.
        """
        most = self.max_prompt_tokens or frame.max_prompt_tokens
        if shortest > most:
            return (
                f"`max_prompt_tokens` must be at least {shortest}, the tokens of the shortest prompt "
                f"of {name}, got {most}"
            )
        assert self.positions is not None
        left = self.positions - longest
        if left < 1:
            return (
                f"`agent` must have more than {longest} positions, since prompts of {name} have "
                f"{shortest} tokens or more, got a model of {self.positions}"
            )
        return (
            f"`max_tokens` must be at most {left} for this model, which has {self.positions} "
            f"positions, since prompts have up to {longest} tokens, got {self.max_tokens}"
        )


def sampled(env: ReasoningEnv, arm: Options) -> Iterator[Any]:
    """Yield the first problems of an arm."""
    first = env.choose(np.random.default_rng(0), {"problem_seed": 0, **arm})
    if "problem_seed" in arm:
        yield problem_of(env, first)
        return
    parameters = {**env.preset.levels[first["level"]], **first["params"]}
    size = env.task.num_rows(env.split, **parameters)
    for seed in range(MAX_SAMPLED if size is None else min(size, MAX_SAMPLED)):
        yield problem_of(env, {**first, "problem_seed": seed})


def problem_of(env: ReasoningEnv, options: Options) -> Any:
    """Return the problem of options that are complete."""
    return env.draw(options["level"], options["problem_seed"], options.get("params") or {})
