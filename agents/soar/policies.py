r"""Student and teacher of SOAR as language models, arXiv 2601.18778, both of which learn by RLOO.

A student learns from a teacher's problems, with an optimiser of its own, from the weights that it is
given, and answers hard problems greedily. The teacher has one prompt: the i-th problems of its g data sets
are a group, whose advantages sum to 0, so those of all that was accepted do, as Proposition 1 of the paper
asks (see `posing`), also with the divergence from the first teacher in the rewards,

    r_ki = R_k - beta log (pi / pi_0)(z_ki),    A_ki = r_ki - 1/(g - 1) sum over j other than k of r_ji.

Where the paper leaves a choice for the student:
    - "Batch 8, group 32" is taken as 8 problems with 32 answers each, 10 steps of 256 completions.
    - The cosine of its learning rate is over the steps of one training, without warm-up unless asked.
    - The KL term is in the reward (see `rloo`), to the weights that the student started from.
    - Problems are drawn without replacement, epoch after epoch, also where hard and written ones are
      mixed: then every problem is as likely as any other.

And for the teacher:
    - One update of AdamW in each outer step, over all g n problems; "batch 2, group 4" may mean more.
    - The schedule is over the outer steps: 20 of warm-up, then half a cosine.
    - The KL term is in the reward, Schulman's k1 summed over the tokens, as elsewhere in `rloo`.

Shapes, of the teacher: g data sets of n problems, B = g n completions, T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from edgewise.agents.algorithms import rloo
from edgewise.agents.algorithms.rollout import Envs, Rollout
from edgewise.agents.algorithms.token_rewards import penalize
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions, Policy, blank
from edgewise.agents.soar.models import GamePolicy, as_now, has_adapters, learner_of
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.posing import Format, Posed, gather_problems
from edgewise.agents.soar.presets import Exam, StudentConfig, TeacherConfig
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


class PolicyTeacher:
    """Samples problems from a policy, and trains it."""

    def __init__(self, policy: Policy, prompt: str, form: Format, config: TeacherConfig) -> None:
        """Take the policy to train; `prompt` is that of `form`, in the model's own markup."""
        self.policy, self.prompt, self.form, self.config = policy, prompt, form, config
        self.rloo_config = rloo.RLOOConfig(
            num_steps=max(config.num_steps, config.num_warmup_steps),  # a game may end in it
            learning_rate=config.learning_rate,
            lr_schedule="cosine",
            warmup_steps=config.num_warmup_steps,
            num_minibatches=config.num_minibatches,
            importance_cap=config.importance_cap,
            kl_coef=config.kl_coef,
            sampling=config.sampling,
            seed=config.seed,
        )
        self.state = rloo.start(policy, self.rloo_config)
        self.attempts: list[Completions] = []  # of the last data sets
        self.posed: Posed | None = None

    def write(self, count: int) -> Posed:
        """Return `count` problems.

        Raises:
            TooFewProblems: If the attempts run out.
        """
        self.attempts = []
        most = self.config.attempts_per_problem * count
        self.posed = gather_problems(self.ask, self.form, count, most)
        return self.posed

    def ask(self, count: int) -> Sequence[str]:
        """Sample `count` completions of the prompt, of one turn or two, and keep them."""
        sampling, generator = self.config.sampling, self.state.generator
        first = replace(sampling, stop=self.form.stop)
        fresh = self.policy.generate([self.prompt] * count, first, generator)
        texts = fresh.texts
        if then := self.form.then:
            fresh = self.policy.extend(fresh, [then] * count, sampling, generator)
            texts = [then.join(turns) for turns in zip(texts, fresh.texts, strict=True)]
        self.attempts.append(fresh)
        return texts

    def learn(self, rewards: Floats) -> dict[str, float]:
        """Take a step of RLOO with the rewards of the g parts of what was written last, (g,)."""
        assert self.posed is not None
        completions = accepted(self.attempts, self.posed.places)
        penalty, metrics = penalize(self.state.reference, completions, self.config.kl_coef)
        paid = penalty.sum(dim=1).cpu().view(len(rewards), -1)  # (g, n)
        earned = torch.as_tensor(rewards, dtype=torch.float32)[:, None] - paid
        advantages = rloo.leave_one_out(earned.T).T.flatten()  # (B,)
        updates = rloo.improve(self.policy, completions, advantages, self.rloo_config, self.state)
        self.state.step += 1
        return {**metrics, **updates}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the algorithm; the weights are the policy's to save."""
        return self.state.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.state.load_state_dict(state)


def accepted(attempts: Sequence[Completions], places: Sequence[int]) -> Completions:
    """Return the completions at `places` among all attempts, (B, T), padded to the longest."""
    ends = np.cumsum([len(part.texts) for part in attempts])
    everything, first = blank(int(ends[-1]), attempts[0]), 0
    for part, end in zip(attempts, ends.tolist(), strict=True):
        everything = everything.replace(np.arange(first, end), part)
        first = end
    return everything.select(torch.tensor(places))
