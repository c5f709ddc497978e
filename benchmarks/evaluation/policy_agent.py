"""A language model of this process as an agent of suites; needs torch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from edgewise.agents.policies.chat import ChatOptions
from edgewise.agents.policies.load import load_policy, with_engine
from edgewise.agents.policies.options import Precision
from edgewise.agents.policies.policy import ModelPolicy, Sampler
from edgewise.agents.training.evaluation import BATCH, ask
from edgewise.agents.training.run_policy import limit_for
from edgewise.benchmarks.evaluation.agent import Agent, Reply, Request, entropy
from edgewise.benchmarks.evaluation.question import Opened, Question
from edgewise.frame import Render
from edgewise.interrupts import asked
from edgewise.vector_env import Actions, Batch, Texts, TextWrapper
from edgewise.wrappers import vector


class PolicyAgent:
    """Samples with a policy, whose prompts are in the frame of the preset.

    The tokens of a batch depend on the seed and on its first question, so an evaluation that was
    interrupted between two batches gives what it would have given.
    """

    def __init__(
        self, policy: Sampler, render: Render | None, seed: int, batch: int = BATCH
    ) -> None:
        """Sample `batch` completions at a time.

        Args:
            policy: Samples.
            render: Makes text of the messages of a chat.
            seed: Of the sampled tokens.
            batch: Completions at a time.
        """
        self.policy, self.render, self.seed, self.batch = policy, render, seed, batch

    def answer(self, requests: Sequence[Request]) -> Iterator[Sequence[Reply]]:
        """Yield the replies of a batch at a time, all samples of some problems of one part."""
        for _, group in groupby(requests, key=lambda request: request.question.part):
            questions = [request.question for request in group]
            width = max(1, self.batch // questions[0].num_samples)
            for first in range(0, len(questions), width):
                if asked():
                    return
                yield self.sampled(questions[first : first + width])

    def sampled(self, questions: Sequence[Question]) -> list[Reply]:
        """Sample all answers to some questions of one part."""
        one, size = questions[0], questions[0].num_samples
        spec = one.env.spec
        assert spec is not None  # a part is made by its id
        count = len(questions) * size
        envs = Transcript(gym.make_vec(spec, num_envs=count, group_size=size))
        generator = torch.Generator().manual_seed(entropy(self.seed, one, 0)[0])
        start = time.perf_counter()
        (rollout,) = ask(
            self.policy,
            questions,
            size,
            one.sampling,
            generator,
            lambda chosen, _: (
                vector.PromptFormat(envs, render=self.render),
                [{"level": q.level, "problem_seed": q.problem_seed} for q in chosen],
            ),
            batch=count,
        )
        seconds, found = (time.perf_counter() - start) / count, rollout.completions
        sampled, read = (x.sum(dim=1).tolist() for x in (found.mask, found.attention))
        return [
            Reply.of_turns(
                questions[row // size],
                row % size,
                turns,
                ended=bool(found.ended[row]),
                num_tokens=sampled[row],
                num_prompt_tokens=read[row] - sampled[row],
                seconds=seconds,
            )
            for row, turns in enumerate(envs.turns)
        ]


class Transcript(TextWrapper):
    """Keep the actions of each episode."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Texts, dict[str, Any]]:
        """Pose the problems, all anew."""
        self.turns: list[list[str]] = [[] for _ in range(self.num_envs)]
        self.over = np.zeros(self.num_envs, dtype=np.bool_)
        return super().reset(seed=seed, options=options)

    def step(self, actions: Actions) -> Batch:
        """Score `actions`, and keep those of the episodes that are not over."""
        for turns, action, over in zip(self.turns, actions, self.over, strict=True):
            if action is not None and not over:
                turns.append(action)
        found = super().step(actions)
        self.over |= found[2] | found[3]
        return found


def load_agent(
    model: str, dtype: Precision, device: str, chat: ChatOptions, engine: str | None, seed: int
) -> PolicyAgent:
    """Load a model to answer questions.

    Args:
        model: As `load_policy` takes it.
        dtype: Precision of the weights.
        device: Where it computes.
        chat: What its chat template is given.
        engine: What samples in place of the model itself.
        seed: Of the sampled tokens.
    """
    policy = load_policy(model, dtype, device, chat)
    sampler = policy if engine is None else with_engine(policy, engine)
    return PolicyAgent(sampler, policy.render, seed)


def fitting(opened: Opened, agent: Agent, max_prompt_tokens: int | None) -> Opened:
    """Filter out problems whose prompts do not fit the model's context.

    Raises:
        ValueError: If it has room for none of a level.
    """
    if not (isinstance(agent, PolicyAgent) and isinstance(agent.policy, ModelPolicy)):
        return opened
    limit = limit_for(agent.policy, opened.sampling, max_prompt_tokens)
    if limit is None:
        return opened
    kept = [one for one in opened.questions if limit.fits(one.env, one.problem)]
    for level in {one.level for one in opened.questions} - {one.level for one in kept}:
        limit.check(opened.env, [{"level": level}])
    return replace(opened, questions=kept, num_too_long=len(opened.questions) - len(kept))
