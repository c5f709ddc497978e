"""Plan a game of SOAR: its completions, its memory and its time, without loading weights.

Completions are counted by arithmetic, exact but for chance. What chance decides is an argument: the share
of the teacher's completions that are well formed, and after which outer steps a student is promoted.
Completions that no gradient comes from, since all of a group earn the same, are left out where a game
learns: there are at most as many as counted.

Time is sampling, at a rate of tokens per second, and then passes of the learner, at a share of the
device's floating-point operations. Of each weight and token a pass takes 2 operations, one with a
gradient 6, or 4 where adapters alone are trained, and 2 more where layers are checkpointed. Tokens of
a prompt are computed once for the completions of it that are in one pass; an engine keeps them.
Not counted: attention, padding, starting the engine and handing weights to it, grading, checkpoints.

Memory is that of a training run (`memory_plan`), and besides the students' adapters with the moments
of their optimisers, all of a step; without adapters, teacher and student are two whole models, each
with its gradients, optimiser and reference.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

from edgewise.agents.policies.options import OWN
from edgewise.agents.policies.transformers import ROWS
from edgewise.agents.soar.config import SOARRunConfig, game_of
from edgewise.agents.soar.presets import Game, SOARConfig, StudentConfig, TeacherConfig
from edgewise.agents.training.memory_plan import FULL, Plan, Work, plan_of
from edgewise.agents.training.model_shapes import ModelShape, shape_of
from edgewise.agents.training.parts import ModelPart
from edgewise.agents.training.plan import memory_of, share_of

SECONDS = 24 * 3600  # of a day
MEASURED = 12_500 * 8.03e9  # tokens a second, times weights, of vLLM with Llama 3.1 8B on one H100
KEPT = 3 * FULL  # bytes of an adapter's weight and its two moments


@dataclass(frozen=True)
class Completed:
    """Completions of all outer steps together."""

    sampled: int
    scored: int  # without a gradient; twice where the reference and the learner itself score them
    learned: int  # with a gradient, at most


@dataclass(frozen=True)
class Counts:
    """What a game computes."""

    teacher: Completed
    students: Completed
    asked: int  # greedy answers to hard problems: of the baselines, the students and those promoted

    @property
    def sampled(self) -> int:
        """Return the completions that are sampled in all."""
        return self.teacher.sampled + self.students.sampled + self.asked


def count_game(
    game: Game, num_hard: int, accepted_ratio: float = 1.0, promotions: Collection[int] = ()
) -> Counts:
    """Count what a game computes.

    Args:
        game: Its sizes.
        num_hard: Hard training problems that there are.
        accepted_ratio: Share of the teacher's completions that are well formed.
        promotions: Outer steps after which a student is promoted, from 1.
    """
    soar, student = game.soar, game.student
    written = soar.num_datasets * soar.dataset_size * soar.num_steps
    attempts = ceil(written / accepted_ratio)
    teacher = Completed(attempts, written * passes(game.teacher), written)
    if soar.reward == "learnability":
        return Counts(teacher, Completed(written * soar.num_samples, 0, 0), 0)
    trained = soar.num_datasets * soar.num_students
    steps = sum(inner_steps(soar, step, promotions) for step in range(1, soar.num_steps + 1))
    answered = trained * steps * student.num_problems * student.group_size
    students = Completed(answered, answered * passes(student), answered)
    asked = soar.num_steps * (1 + trained) * min(soar.num_hard, num_hard)
    asked += num_hard * sum(step <= soar.num_steps for step in promotions)
    return Counts(teacher, students, asked)


def passes(config: TeacherConfig | StudentConfig) -> int:
    """Return how often a completion is scored without a gradient."""
    return (config.kl_coef > 0) + (config.importance_cap is not None)


def inner_steps(soar: SOARConfig, step: int, promotions: Collection[int]) -> int:
    """Return the steps of a student in an outer step, from 1."""
    before = sum(promoted < step for promoted in promotions)
    return min(soar.inner_steps + soar.more_steps * before, soar.max_inner_steps)


@dataclass(frozen=True)
class Duration:
    """What a part of a game takes."""

    completions: int
    tokens: float  # sampled
    flops: float  # of scoring and learning
    sampling: float  # seconds
    learning: float  # seconds, scoring included

    @property
    def seconds(self) -> float:
        """Return both."""
        return self.sampling + self.learning


@dataclass(frozen=True)
class GamePlan:
    """What a game needs."""

    game: Game
    shape: ModelShape
    counts: Counts
    rate: float  # tokens sampled in a second
    durations: dict[str, Duration]  # of the teacher, of training students, of asking them
    memory: int  # bytes that are planned for
    plan: Plan
    beside: dict[str, int]  # bytes that are there besides, all the time
    longest_mean: float  # tokens of a student's answer on average with which it takes three days

    @property
    def days(self) -> float:
        """Return how long the game takes."""
        return sum(part.seconds for part in self.durations.values()) / SECONDS

    @property
    def needs(self) -> int:
        """Return the bytes that the device must have."""
        return self.plan.needs() + sum(self.beside.values())

    @property
    def fits(self) -> bool:
        """Return whether the device has what is needed."""
        return self.needs <= self.memory


def plan_game(config: SOARRunConfig) -> GamePlan:
    """Plan the game of `config`.

    Raises:
        ValueError: If any part of it is refused, its model's sizes or the memory are not known.
    """
    game = game_of(config)
    model, shape = config.model(game.agent), shape_of(game.agent)
    counts = count_game(game, config.total_hard, config.accepted_ratio, config.promotions)
    rate = config.sampled_per_second or MEASURED / shape.num_parameters
    mean = min(config.mean_tokens, game.student.max_tokens)
    found = durations(config, game, shape, counts, rate, mean)
    longer = durations(config, game, shape, counts, rate, 2 * mean)
    growth = (sum_of(longer) - sum_of(found)) / mean  # seconds for each further token
    memory = memory_of(config.memory, config.device)
    work = work_of(config, game, model, shape)
    beside = besides(game, model, work)
    return GamePlan(
        game=game,
        shape=shape,
        counts=counts,
        rate=rate,
        durations=found,
        memory=memory,
        plan=plan_of(work, max(memory - sum(beside.values()), 1)),
        beside=beside,
        longest_mean=mean + (3 * SECONDS - sum_of(found)) / growth,
    )


def sum_of(parts: dict[str, Duration]) -> float:
    """Return the seconds of all parts."""
    return sum(part.seconds for part in parts.values())


def durations(
    config: SOARRunConfig, game: Game, shape: ModelShape, counts: Counts, rate: float, mean: float
) -> dict[str, Duration]:
    """Return what each part takes, with answers of `mean` tokens."""
    speed = config.peak_tflops * 1e12 * config.utilization
    trains_all = config.lora_rank is None
    learned = (6 if trains_all else 4) + 2 * config.gradient_checkpointing
    written = min(config.mean_teacher_tokens, game.teacher.sampling.max_tokens)
    alone = config.gradient_checkpointing  # each completion with its prompt

    def part(found: Completed, tokens: float, num_prompts: int) -> Duration:
        share = 1.0 if alone else min(1.0, num_prompts / ROWS)
        read = tokens + share * config.prompt_tokens
        operations = (2 * found.scored + learned * found.learned) * read * shape.num_parameters
        sampled = found.sampled * tokens
        return Duration(found.sampled, sampled, operations, sampled / rate, operations / speed)

    return {
        "teacher": part(counts.teacher, written, 1),
        "students, training": part(counts.students, mean, game.student.num_problems),
        "students, asked": part(Completed(counts.asked, 0, 0), mean, 1),
    }


def work_of(config: SOARRunConfig, game: Game, model: ModelPart, shape: ModelShape) -> Work:
    """Return what memory depends on: of whichever of teacher and student takes more."""
    student, teacher = game.student, game.teacher
    rows = max(student.num_problems * student.group_size, game.soar.num_hard)
    prompt, answer = config.prompt_tokens, student.max_tokens
    longest = max(prompt + answer, prompt + teacher.sampling.max_tokens)
    positions = shape.config.get("max_position_embeddings") or longest
    adapters = model.adapters
    return Work(
        shape=shape,
        dtype=model.dtype,
        device=model.device,
        num_processes=1,
        sharded=False,
        checkpointing=model.gradient_checkpointing,
        reference=max(student.kl_coef, teacher.kl_coef) > 0,
        adapters=None if adapters is None else (adapters.rank, tuple(adapters.targets)),
        engine_share=share_of(model),
        samples_itself=model.engine == OWN,
        decode_dtype=model.dtype,
        rows=rows,
        minibatch=rows // student.num_minibatches,
        row_tokens=min(longest, positions),
        max_tokens_per_pass=model.max_tokens_per_pass,
    )


def besides(game: Game, model: ModelPart, work: Work) -> dict[str, int]:
    """Return what is there all the time beside a training run of one model."""
    if model.adapters is None:
        standing = plan_of(work).always
        return {f"student's {name}": count for name, count in standing.items()}
    together = 1 if model.engine == OWN else game.soar.num_datasets * game.soar.num_students
    at_work = 2 * FULL  # gradients and the reference of the student that learns
    return {"students' adapters": (KEPT * together + at_work) * work.trained}
