r"""The student of SOAR as a language model: RLOO on a teacher's problems, greedy answers to hard ones.

arXiv 2601.18778. Every student has an optimiser of its own and starts from the weights it is given.

Where the paper leaves a choice:
    - "Batch 8, group 32" is taken as 8 problems with 32 answers each, 10 steps of 256 completions.
    - The cosine of its learning rate is over the steps of one training, without warm-up unless asked.
    - The KL term is in the reward (see `rloo`), to the weights that the student started from.
    - Problems are drawn without replacement, epoch after epoch, also where hard and written ones are
      mixed: then every problem is as likely as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from edgewise.agents.algorithms import rloo
from edgewise.agents.algorithms.rollout import Envs, Rollout
from edgewise.agents.policies.options import Sampling
from edgewise.agents.soar.models import GamePolicy, as_now, has_adapters, learner_of
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.presets import Exam, StudentConfig
from edgewise.agents.soar.promotion import Floats
from edgewise.agents.training.evaluation import ask
from edgewise.answer import extract_answer
from edgewise.pool import TooManyUnverified
from edgewise.wrappers import vector
from edgewise.wrappers.rules.signal import Bools

Phase = tuple[Sequence[Pair], int]  # problems, and steps on them


class PolicyStudent:
    """Trains a policy on problems, and evaluates it."""

    def __init__(self, policy: GamePolicy, exam: Exam, config: StudentConfig) -> None:
        """Take the policy, whose weights are those of whichever student is at work."""
        self.policy, self.exam, self.config = policy, exam, config

    def snapshot(self) -> Mapping[str, Any]:
        """Return a copy of the weights, in the memory of the CPU."""
        weights = learner_of(self.policy).state_dict().items()
        return {name: weight.detach().to("cpu", copy=True) for name, weight in weights}

    def restore(self, weights: Mapping[str, Any]) -> None:
        """Load weights that `snapshot` returned."""
        learner_of(self.policy).load_state_dict(weights)

    def train(
        self,
        problems: Sequence[Pair],
        num_steps: int,
        seed: int,
        report: Callable[[dict[str, float]], None] = lambda metrics: None,
    ) -> None:
        """Take `num_steps` of RLOO on `problems`; `report` is called with the metrics of each."""
        self.train_in_turn([(problems, num_steps)], seed, report)

    def train_in_turn(
        self, phases: Sequence[Phase], seed: int, report: Callable[[dict[str, float]], None]
    ) -> None:
        """Train on the problems of each phase for its steps, with one optimiser and schedule."""
        total = sum(num_steps for _, num_steps in phases)
        hyperparameters = self.hyperparameters(total, seed)
        state = rloo.start(self.policy, hyperparameters)
        if hyperparameters.kl_coef and has_adapters(self.policy):
            state.reference = as_now(self.policy)  # not the model without them
        try:
            for problems, num_steps in phases:
                envs = self.framed(problems, self.config.num_problems, self.config.group_size)
                envs.reset(seed=seed)
                steps = rloo.train(envs, self.policy, hyperparameters, state)
                for _ in range(num_steps):
                    report(next(steps))
        finally:
            state.optimizer.release()

    def hyperparameters(self, num_steps: int, seed: int) -> rloo.RLOOConfig:
        """Return those of a training of some steps."""
        config = self.config
        return rloo.RLOOConfig(
            num_steps=max(num_steps, config.num_warmup_steps),
            learning_rate=config.learning_rate,
            lr_schedule="cosine",
            warmup_steps=config.num_warmup_steps,
            kl_coef=config.kl_coef,
            num_minibatches=config.num_minibatches,
            importance_cap=config.importance_cap,
            sampling=self.sampling(config.temperature),
            seed=seed,
        )

    def accuracy(self, problems: Sequence[Pair]) -> float:
        """Compute greedy accuracy over the verified `problems`."""
        right, verified = self.verdicts(problems, 1, 0.0, seed=0)
        return float(right[verified].mean())

    def success(self, problems: Sequence[Pair], num_samples: int, seed: int) -> Floats:
        """Return the share of right answers among those verified, (N,), 0 where none was.

        It is 0 for a problem without any.
        """
        temperature = self.config.temperature
        right, verified = self.verdicts(problems, num_samples, temperature, seed)
        rates: Floats = right.sum(axis=1) / verified.sum(axis=1).clip(min=1)
        return rates

    def answers(
        self, problems: Sequence[Pair], num_samples: int, temperature: float, seed: int
    ) -> Floats:
        """Return 1.0 for each right answer, of each problem, shape (problems, num_samples).

        Raises:
            TooManyUnverified: If one could not be verified, for all are counted.
        """
        right, verified = self.verdicts(problems, num_samples, temperature, seed)
        if not verified.all():
            raise TooManyUnverified(
                f"{int((~verified).sum())} of {verified.size} answers could not be verified, and "
                "all are counted; go on later"
            )
        return right

    def verdicts(
        self, problems: Sequence[Pair], num_samples: int, temperature: float, seed: int
    ) -> tuple[Floats, Bools]:
        """Return which answers are right, as 0.0 and 1.0, and which were verified."""
        rollouts = list(self.rollouts(problems, num_samples, temperature, seed))
        right = np.concatenate([rollout.correct.double().numpy() for rollout in rollouts])
        return right, np.concatenate([rollout.verified.numpy() for rollout in rollouts])

    def replies(self, problems: Sequence[Pair], num_samples: int, seed: int) -> list[list[str]]:
        """Return the boxed answers of sampled completions, "" without one, of each problem."""
        rollouts = self.rollouts(problems, num_samples, self.config.temperature, seed)
        texts = [text for rollout in rollouts for text in rollout.completions.texts]
        found = [extract_answer(text, "boxed") or "" for text in texts]
        return [found[row : row + num_samples] for row in range(0, len(found), num_samples)]

    def rollouts(
        self, problems: Sequence[Pair], num_samples: int, temperature: float, seed: int
    ) -> Iterator[Rollout]:
        """Yield rollouts of all problems, a batch at a time."""
        generator = torch.Generator().manual_seed(seed)
        return ask(
            self.policy, problems, num_samples, self.sampling(temperature), generator, self.posed
        )

    def posed(
        self, problems: Sequence[Pair], num_samples: int
    ) -> tuple[Envs, list[dict[str, Any]]]:
        """Make environments of problems, and the options that pose each of them."""
        groups = [{"level": 1, "problem_seed": row} for row in range(len(problems))]
        return self.framed(problems, len(problems), num_samples), groups

    def framed(self, problems: Sequence[Pair], num_problems: int, group_size: int) -> Envs:
        """Return environments of `problems`, with the model's prompt format."""
        envs = self.exam.envs(problems, num_problems, group_size)
        return vector.PromptFormat(envs, render=self.policy.render)

    def sampling(self, temperature: float) -> Sampling:
        """Return how answers are drawn."""
        return Sampling(self.config.max_tokens, temperature, stop=self.exam.frame.stop)
