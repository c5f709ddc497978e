"""One episode of a named problem, in tokens that others sample."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from edgewise.agents.integrations.named import posed
from edgewise.agents.policies.chat import ChatOptions, encode_further, encode_prompt, render_chat
from edgewise.outcome import Outcome


def seed_of(run: int, batch: int, group: int, member: int, turn: int) -> int:
    """Return the seed of a turn of a run, the same whichever process samples it.

    >>> seed_of(0, batch=1, group=0, member=0, turn=0)
    2821894394
    """
    entropy = [run, batch, group, member, turn]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


class Episode:
    r"""The tokens of a prompt, and of answers and observations in turn, of which answers count.

    Example:
        >>> from edgewise.agents import load_policy
        >>> tokenizer = load_policy("seedling").tokenizer
        >>> env = gym.make("Blocksworld-v0", preset="seedling", interactive=True)
        >>> _, info = env.reset(seed=0)
        >>> episode = Episode(info["problem"], tokenizer)
        >>> for action in env.unwrapped.task.solve(env.unwrapped.problem).split(","):
        ...     tokens = tokenizer.encode(rf"\boxed{{{action}}}", add_special_tokens=False)
        ...     episode.answer(tokens, [0.0] * len(tokens))
        >>> episode.done, episode.correct, episode.reward
        (True, True, 1.0)
        >>> len(episode.tokens) == len(episode.mask) == len(episode.logprobs)
        True
    """

    def __init__(self, problem: str, tokenizer: Any, chat: ChatOptions | None = None) -> None:
        """Pose a problem by its name.

        Raises:
            ValueError: If the name is of another version of its environment, or of none.
        """
        self.env, self.tokenizer = posed(problem), tokenizer
        self.problem = self.env.problem
        self.frame = self.env.frame_of(self.problem)
        self.render = partial(render_chat, tokenizer, options=chat or ChatOptions())
        text = self.frame.text(self.env.prompt(self.problem), self.render)
        self.prompt = encode_prompt(tokenizer, text)
        self.tokens: list[int] = []  # after the prompt
        self.mask: list[int] = []  # 1 for what was sampled, 0 for observations
        self.logprobs: list[float] = []
        self.reward, self.length = 0.0, 0  # length: of the answers, in characters
        self.correct, self.verified, self.done = False, True, False
        self.formatted = False  # whether the last answer was one
        self._history: list[Outcome] = []

    def answer(self, tokens: Sequence[int], logprobs: Sequence[float]) -> None:
        """Take the next answer, as it was sampled, and add what is observed after it.

        Args:
            tokens: Of the answer.
            logprobs: Of each of them, or none.
        """
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        self.tokens += tokens
        self.mask += [1] * len(tokens)
        self.logprobs += logprobs
        self.length += len(text)
        observation = self.score(text if self._history else self.frame.opening + text)
        if not self.done:
            if not self._history[-1].said:
                observation = self.frame.further(observation, self.render)
            further = encode_further(self.tokenizer, observation)
            if further[:1] == self.tokens[-1:] == [self.tokenizer.eos_token_id]:
                further = further[1:]  # the end of the message stands there already
            self.tokens += further
            self.mask += [0] * len(further)
            self.logprobs += [0.0] * len(further) if self.logprobs else []

    def stop(self) -> None:
        """End where there is no room for another answer: as if all further ones had no solution."""
        while not self.done:
            self.score("")

    def score(self, text: str) -> str:
        """Score the next answer, and return what is observed after it."""
        outcome = self.env.score([self.problem], [self._history], [text])[0]
        self._history.append(outcome)
        self.reward += outcome.reward
        self.correct |= outcome.correct is True
        self.verified &= outcome.verified
        self.formatted = outcome.formatted
        self.done = outcome.done
        return outcome.observation
