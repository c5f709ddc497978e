"""Typed parts of a training run, one for each step of its set-up; imports no torch.

`TrainConfig.setup` makes them of the flags; whoever builds a part of a run is given that part alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from edgewise.agents.algorithms.catalogue import ALGORITHMS
from edgewise.agents.policies.chat import ChatOptions
from edgewise.agents.policies.options import LogProbs, Precision, Sampling
from edgewise.agents.training.flags import EvaluationPlan, ScaledAdapterFlags
from edgewise.agents.training.tracking import TrackerName
from edgewise.env import ReasoningEnv
from edgewise.registration import check_id
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers import ProblemRule, Random, Rule, make_rule
from edgewise.wrappers.allocation import Allotment, make_allocation
from edgewise.wrappers.rules.catalogue import construct

if TYPE_CHECKING:
    from edgewise.agents.algorithms.rollout import Envs


@dataclass(frozen=True)
class Problems:
    """The environments, and which of their problems are trained on."""

    ids: tuple[str, ...]
    preset: str | None = None
    levels: tuple[int, ...] | None = None
    keywords: Mapping[str, Any] = field(default_factory=dict)  # of every environment, data included
    data: str | None = None

    def options(self, **others: Any) -> dict[str, Any]:
        """Return the keywords of an environment, merged over `others`."""
        return {"preset": self.preset, **others, **self.keywords}

    def make(self, num_problems: int, group_size: int, num_ranks: int = 1) -> Envs:
        """Return one rank's training environments, without a prompt format and a curriculum.

        Raises:
            ValueError: If the environment refuses its arguments, or the problems cannot be shared out.
        """
        if num_problems % num_ranks:
            raise ValueError(
                f"`num_problems` must be a multiple of {num_ranks}, the number of processes, "
                f"got {num_problems}"
            )
        for env_id in self.ids:
            check_id(env_id)
        options = self.options(levels=self.levels)
        if len(self.ids) > 1:
            options = {"envs": [{"id": env_id, **options} for env_id in self.ids]}
        envs: Envs = gym.make_vec(
            self.ids[0] if len(self.ids) == 1 else "Mixture-v0",
            num_envs=num_problems // num_ranks * group_size,
            group_size=group_size,
            **options,
        )
        return envs


@dataclass(frozen=True)
class Batch:
    """How many steps there are, and how large their batches are."""

    num_steps: int
    num_problems: int  # P, of all ranks
    group_size: int  # G, on average where an allocation sizes groups
    allocation: str = "none"  # its name and arguments

    @property
    def allotment(self) -> Allotment | None:
        """Return a new allocation at its start, None if all groups have the same size.

        Raises:
            ValueError: If there is no such allocation or argument, or its bounds exclude the average.
        """
        allocation = make_allocation(self.allocation)
        return None if allocation is None else Allotment(allocation, self.group_size)

    @property
    def most(self) -> int:
        """Return the completions of the largest group that there may be."""
        allotment = self.allotment
        if allotment is None:
            return self.group_size
        return allotment.allocation.most


@dataclass(frozen=True)
class CurriculumPart:
    """The curriculum's rule and its pool."""

    rule: str  # its name and arguments
    num_steps: int
    pool_size: int = 1000

    def make(self, envs: Envs) -> Rule | ProblemRule:
        """Return the rule; `Random` is given the sizes of the arms of `envs`.

        Raises:
            ValueError: If there is no such rule or argument.
        """
        rule = make_rule(self.rule, self.num_steps)
        if isinstance(rule, Random) and rule.sizes is None:
            rule.sizes = arm_sizes(envs)
        return rule


@dataclass(frozen=True)
class AlgorithmPart:
    """The algorithm, with what every algorithm needs."""

    algorithm: str  # its name and arguments
    num_steps: int
    group_size: int
    learning_rate: float
    seed: int
    least_size: int  # completions of the smallest group that there may be
    importance_cap: float | None  # where not the learner's own weights sample
    stops: bool  # whether completions that are trained on end at the preset's stop strings

    @property
    def name(self) -> str:
        """Return the name of the algorithm, without its arguments."""
        return self.algorithm.split(":")[0]


@dataclass(frozen=True)
class SamplingPart:
    """Sampling parameters, and limits on the length of prompts and completions."""

    temperature: float
    max_tokens: int | None
    max_prompt_tokens: int | None
    logprobs: LogProbs

    def sampling(self, members: Sequence[ReasoningEnv]) -> Sampling:
        """Return how completions are drawn for all tasks of a run."""
        frames = [member.preset.frame for member in members]
        return Sampling(
            max_tokens=self.max_tokens or max(frame.max_completion_tokens for frame in frames),
            temperature=self.temperature,
            stop=tuple(sorted({stop for frame in frames for stop in frame.stop})),
            logprobs=self.logprobs,
        )


@dataclass(frozen=True)
class AdapterPart:
    """Adapters of low rank."""

    rank: int
    alpha: float
    targets: tuple[str, ...]
    dropout: float = 0.0

    @classmethod
    def of(cls, flags: ScaledAdapterFlags) -> AdapterPart | None:
        """Return the adapters that flags ask for, None if the whole model is trained."""
        rank = flags.lora_rank
        if rank is None:
            return None
        alpha = 2 * rank if flags.lora_alpha is None else flags.lora_alpha
        return cls(rank, alpha, flags.lora_targets, flags.lora_dropout)


@dataclass(frozen=True)
class ModelPart:
    """The model to train: precision, adapters, sharding, and the engine that samples for it."""

    agent: str
    dtype: Precision
    device: str
    chat: ChatOptions
    adapters: AdapterPart | None  # None trains the whole model
    gradient_checkpointing: bool
    max_tokens_per_pass: int
    sharded: bool
    decode_dtype: Precision | None
    engine: str
    engine_folder: Path | None
    endless: bool  # whether the number of positions is ignored, as in Edgewise 0.1


@dataclass(frozen=True)
class CheckpointPart:
    """When the run is saved, and how many checkpoints are kept."""

    every: int  # steps
    keep: int


@dataclass(frozen=True)
class RecordPart:
    """What a run keeps and tells beside its metrics."""

    num_samples: int  # completions of each step in samples.jsonl
    trackers: tuple[TrackerName, ...]


@dataclass(frozen=True)
class ValidationPart:
    """How often the model is validated, on what, and when a run ends for want of a better score."""

    every: int  # steps
    plan: EvaluationPlan
    patience: int | None  # validations without a better score; None for any number


@dataclass(frozen=True)
class Setup:
    """All parts of a training run."""

    problems: Problems
    batch: Batch
    curriculum: CurriculumPart
    algorithm: AlgorithmPart
    sampling: SamplingPart
    model: ModelPart
    checkpoints: CheckpointPart
    records: RecordPart
    evaluate: bool  # before and after training
    evaluation: EvaluationPlan
    validation: ValidationPart | None  # while it trains
    seed: int
    threads: int

    def envs(self, num_ranks: int = 1) -> Envs:
        """Return one rank's training environments, without a prompt format and a curriculum.

        Raises:
            ValueError: As `Problems.make`.
        """
        return self.problems.make(self.batch.num_problems, self.batch.most, num_ranks)


def make_hyperparameters(part: AlgorithmPart, sampling: Sampling) -> Any:
    """Return the hyperparameters of the algorithm.

    Raises:
        ValueError: If there is no such algorithm or argument, or the groups are too small for it.
    """
    hyperparameters: Any = construct(
        "algorithm",
        part.algorithm,
        {name: algorithm.config for name, algorithm in ALGORITHMS.items()},
        num_steps=part.num_steps,
        learning_rate=part.learning_rate,
        sampling=sampling if part.stops else replace(sampling, stop=()),
        seed=part.seed,
        importance_cap=part.importance_cap,
    )
    least = hyperparameters.min_group_size
    for name, size in (("group_size", part.group_size), ("least", part.least_size)):
        if size < least:
            raise ValueError(f"`{name}` must be at least {least} for {part.algorithm}, got {size}")
    return hyperparameters


def arm_names(env_ids: Sequence[str], arms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each arm: "level 2", or "Zebra-v0 level 2" among several tasks."""
    names = []
    for arm in arms:
        place = f"{env_ids[arm['env']]} " if "env" in arm else ""
        rest = {key: value for key, value in arm.items() if key != "env"}
        names.append(place + " ".join(f"{key} {value}" for key, value in rest.items()))
    return names


def arm_sizes(envs: Envs) -> list[int] | None:
    """Return the number of problems of each arm, (K,); None if one is generated without end."""
    base = unwrap_vector(envs)
    sizes: list[int] = []
    for arm in base.arms:
        member = base.env.members[arm.get("env", 0)]
        params = {**member.preset.levels[arm["level"]], **arm.get("params", {})}
        size = member.task.num_rows(member.split, **params)
        if size is None:
            return None
        sizes.append(size)
    return sizes
