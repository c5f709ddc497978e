"""Train and ask all students of an outer step together: one batch of an engine for all of them.

In each inner step the problems of all students are posed, one batch of the engine answers them, every
row with the weights of its student, and then each student in its turn takes the step of RLOO that it
would take alone: the same seeds, log-probabilities of its own, an optimiser of its own. So students
are the same as one after the other, but for the rounding of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from edgewise.agents.algorithms import rloo
from edgewise.agents.policies.engine import Turn
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Scorer
from edgewise.agents.policies.room import drop_full
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.soar.models import SharingPolicy, as_now
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.players import CRASHES
from edgewise.agents.soar.policies import PolicyStudent
from edgewise.pool import WorkerError
from edgewise.vector_env import Texts, TextWrapper

Weights = Mapping[str, Any]


@runtime_checkable
class ManyEngine(Protocol):
    """An engine that samples from several sets of trained weights in one batch."""

    def load_each(
        self, learner: TransformersPolicy, weights: Sequence[Mapping[str, Tensor]]
    ) -> None:
        """Load sets of weights, each as `state_dict` of `learner` has them."""

    def sample_each(
        self,
        prompts: Sequence[Sequence[int]],
        owners: Sequence[int],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
    ) -> list[Turn]:
        """Sample a turn after each prompt, from the weights of its owner, an index into those loaded."""

    def wake(self) -> None:
        """Allocate the memory that sampling needs."""

    def sleep(self) -> None:
        """Leave the memory to the learner."""


@dataclass(frozen=True)
class Request:
    """A prompt that one student answers."""

    owner: int
    prompt: tuple[int, ...]
    seed: int


class Shared:
    """Stands in for the engine: hands to a student what was sampled for it in the batch of all."""

    def __init__(self, engine: ManyEngine, num_owners: int, ends: Sequence[int]) -> None:
        """Hold the engine, which has the weights of `num_owners` students."""
        self.engine, self.num_owners, self.ends = engine, num_owners, ends
        self.owner = 0  # whose turn it is
        self.turns: dict[Request, Turn] = {}

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> None:
        """Sample all `requests` in one batch, replacing the earlier samples."""
        self.engine.wake()
        turns = self.engine.sample_each(
            [request.prompt for request in requests],
            [request.owner for request in requests],
            sampling,
            [request.seed for request in requests],
            self.ends,
        )
        self.engine.sleep()
        self.turns = dict(zip(requests, turns, strict=True))

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
    ) -> list[Turn]:
        """Return the turns of the student whose turn it is.

        If they are not there yet, all students are asked the same, and are so at once.
        """
        asked = [
            Request(self.owner, tuple(prompt), seed)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        if asked[0] not in self.turns:
            owners = range(self.num_owners)
            self.answer([replace(one, owner=owner) for owner in owners for one in asked], sampling)
        return [self.turns[request] for request in asked]

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load nothing: the engine has the weights of all students."""

    def adapt(self, write: Callable[[Path], None]) -> None:
        """Load nothing: the engine has the adapters of all students."""

    def wake(self) -> None:
        """Do nothing: the engine is awake while it samples for all."""

    def sleep(self) -> None:
        """Do nothing, as above."""


class Ahead(TextWrapper):
    """Poses a batch before it is asked for, so that its prompts are known."""

    posed: tuple[Texts, dict[str, Any]] | None = None

    def pose(self) -> Texts:
        """Pose the next batch, and return its prompts."""
        self.posed = super().reset()
        return self.posed[0]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Texts, dict[str, Any]]:
        """Return the batch that was posed, or pose one."""
        posed, self.posed = self.posed, None
        return super().reset(seed=seed, options=options) if posed is None else posed


class Seat:
    """A student that trains beside others, with its weights, optimiser and problems."""

    def __init__(
        self,
        student: PolicyStudent,
        problems: Sequence[Pair],
        num_steps: int,
        seed: int,
        weights: Weights,
        reference: Scorer,
    ) -> None:
        """Pose nothing yet; the policy of `student` must have `weights`."""
        config = student.hyperparameters(num_steps, seed)
        self.student, self.weights = student, weights
        self.envs = Ahead(
            student.framed(problems, student.config.num_problems, student.config.group_size)
        )
        self.envs.reset(seed=seed)
        self.state = rloo.start(student.policy, config)
        if config.kl_coef:
            self.state.reference = reference
        self.steps = rloo.train(self.envs, student.policy, config, self.state)

    def requests(
        self, owner: int, learner: TransformersPolicy, sampling: Sampling
    ) -> Iterator[Request]:
        """Pose the next batch, and yield what it asks, with the seeds that the policy would draw."""
        start = learner.start(self.envs.pose(), sampling)
        every = torch.arange(len(start.texts))
        start, rows = drop_full(start, every, learner.positions, sampling.max_tokens)
        generator = torch.Generator()
        generator.set_state(self.state.generator.get_state())
        seeds = torch.randint(2**31, (len(start.texts),), generator=generator).tolist()
        for row in rows.tolist():
            prompt = start.tokens[row][start.attention[row].bool()]
            yield Request(owner, tuple(prompt.tolist()), seeds[row])

    def step(self) -> None:
        """Take the next step of RLOO, with the answers that were sampled."""
        self.student.restore(self.weights)
        next(self.steps)
        self.weights = self.student.snapshot()


class PolicyCohort(PolicyStudent):
    """Trains and asks several students together if its engine samples from several in one batch."""

    @property
    def together(self) -> tuple[SharingPolicy, ManyEngine] | None:
        """Return the policy and the engine if the latter samples from several students in one batch."""
        if isinstance(self.policy, SharingPolicy) and isinstance(self.policy.engine, ManyEngine):
            return self.policy, self.policy.engine
        return None

    def train_all(
        self,
        baseline: Weights,
        datasets: Sequence[Sequence[Pair]],
        num_steps: int,
        seeds: Sequence[int],
    ) -> list[Weights | None] | None:
        """Train a student on each data set, all from `baseline`, together.

        Returns:
            Their weights, None of one that crashed; or None if they are to be trained in turn.
        """
        if self.together is None:
            return None
        policy, engine = self.together
        self.restore(baseline)
        reference = as_now(policy)
        seats: dict[int, Seat] = {
            place: Seat(self, problems, num_steps, seed, baseline, reference)
            for place, (problems, seed) in enumerate(zip(datasets, seeds, strict=True))
        }
        learner, sampling = policy.learner, self.sampling(self.config.temperature)
        for _ in range(num_steps):
            if not seats:
                break
            engine.load_each(learner, [seat.weights for seat in seats.values()])
            shared = Shared(engine, len(seats), learner.ends.tolist())
            working = list(seats.items())
            requests = [
                request
                for owner, (_, seat) in enumerate(working)
                for request in seat.requests(owner, learner, sampling)
            ]
            shared.answer(requests, sampling)
            with policy.answered_by(shared):
                for shared.owner, (place, seat) in enumerate(working):
                    try:
                        seat.step()
                    except WorkerError:  # it is not the student that cannot go on
                        raise
                    except CRASHES:
                        del seats[place]
        return [seats[place].weights if place in seats else None for place in range(len(datasets))]

    def accuracies(self, weights: Sequence[Weights], problems: Sequence[Pair]) -> list[float]:
        """Return the greedy accuracy of each of several students over the verified `problems`."""
        if self.together is None:
            return [self.accuracy_of(own, problems) for own in weights]
        policy, engine = self.together
        engine.load_each(policy.learner, weights)
        shared = Shared(engine, len(weights), policy.learner.ends.tolist())
        found = []
        with policy.answered_by(shared):
            for shared.owner, own in enumerate(weights):
                found.append(self.accuracy_of(own, problems))
        return found

    def accuracy_of(self, weights: Weights, problems: Sequence[Pair]) -> float:
        """Return the greedy accuracy of one student, whose weights stay loaded."""
        self.restore(weights)
        return self.accuracy(problems)
