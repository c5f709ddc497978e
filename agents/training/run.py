"""Training runs: begin, resume, step, checkpoint, evaluate and export."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from edgewise.agents import distributed
from edgewise.agents.algorithms.catalogue import ALGORITHMS, Algorithm
from edgewise.agents.algorithms.length import check_buffer
from edgewise.agents.algorithms.rollout import Envs
from edgewise.agents.policies.engine import EnginePolicy
from edgewise.agents.policies.model_card import made_for
from edgewise.agents.policies.options import Sampling, check_engine
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.policies.sampling import is_out_of_memory
from edgewise.agents.training.checkpoint import ALGORITHM, ENVS, load, loading
from edgewise.agents.training.clean import check_evaluation
from edgewise.agents.training.config import TrainConfig, begun, from_run
from edgewise.agents.training.evaluation import evaluate
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.folder_kind import check_free
from edgewise.agents.training.looks import Looks
from edgewise.agents.training.parts import Setup, arm_names, make_hyperparameters
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_policy import check_prompts, limit_of, make_policy, screened_pool
from edgewise.agents.training.run_reading import METRICS, check_metrics
from edgewise.agents.training.samples import LINES as SAMPLES
from edgewise.agents.training.samples import samples_of
from edgewise.agents.training.scores import LevelScore, as_records, as_scalars
from edgewise.agents.training.tracking import Trackers, tracking
from edgewise.agents.training.validation import BEST
from edgewise.env import ReasoningEnv
from edgewise.files import FileError, about, replacing, said
from edgewise.pool import WorkerError
from edgewise.provenance import provenance
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers import vector
from edgewise.wrappers.lessons.batch import SCHEMA
from edgewise.wrappers.lessons.kinds import ArmLesson
from edgewise.wrappers.rules.rule_record import to_json


class Training:
    """A training run in progress, which can be stopped and resumed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> folder = TemporaryDirectory()
        >>> sizes = {"num_steps": 2, "num_problems": 2, "group_size": 4, "max_tokens": 8}
        >>> config = TrainConfig(**sizes, evaluate=False, output=Path(folder.name) / "run")
        >>> training = begin(config)
        >>> [metrics["step"] for metrics in training.steps()]
        [1, 2]
        >>> training.finish().name  # the trained model
        'model'
        >>> folder.cleanup()
    """

    def __init__(self, setup: Setup, folder: RunFolder, policy: ModelPolicy) -> None:
        """Make the environments for `policy`, and load the last checkpoint if there is one.

        Raises:
            ValueError: If any part of `setup` is refused.
        """
        torch.set_num_threads(setup.threads)
        self.setup, self.folder, self.policy = setup, folder, policy
        self.envs = make_envs(setup, self.policy)
        base = unwrap_vector(self.envs)
        self.posing: ReasoningEnv = base.env
        self.members: list[ReasoningEnv] = base.env.members
        self.sampling = setup.sampling.sampling(self.members)
        self.limit = limit_of(setup.sampling, policy, self.members)
        self.notes: list[str] = []  # of what a new run leaves out
        self.samples: list[dict[str, Any]] = []  # of the last step, on rank 0
        self.hyperparameters = make_hyperparameters(setup.algorithm, self.sampling)
        self.algorithm: Algorithm = ALGORITHMS[setup.algorithm.name]
        self.state = self.algorithm.start(self.policy, self.hyperparameters)
        self.envs.reset(seed=setup.seed)  # seeds the draws; the first batch is drawn by `collect`
        self.restore()
        self.looks = Looks(setup.validation, folder, self.evaluated, self.keep)

    def restore(self) -> None:
        """Continue from the newest intact checkpoint; without one, save the first."""
        found = distributed.run_on_rank0(self.folder.to_continue)
        if found is None:
            self.save()
            return
        algorithm, envs = load(found, self.policy)
        distributed.barrier()  # until all have read
        with loading(found / ALGORITHM):
            self.state.load_state_dict(algorithm)
        with loading(found / ENVS):
            self.envs.load_state_dict(envs)
        if distributed.rank() == 0:
            sizes = {METRICS: 1, "groups.jsonl": self.setup.batch.num_problems}
            self.folder.forget_after(self.state.step, sizes, {METRICS: check_metrics})

    @property
    def done(self) -> bool:
        """Return whether no step is left: all were done, or validations have no better score."""
        return self.state.step == self.setup.batch.num_steps or self.looks.exhausted

    def save(self) -> None:
        """Write a checkpoint, on rank 0."""
        states = self.state.state_dict(), self.envs.state_dict()
        with self.policy.gathered():
            if distributed.rank() == 0:
                self.folder.checkpoint(self.policy, *states, keep=self.setup.checkpoints.keep)

    def steps(self) -> Generator[dict[str, float]]:
        """Train, record each step, and yield its metrics; close the iterator to stop and save.

        All ranks yield the same metrics, but times; rank 0 records them.

        Raises:
            FloatingPointError: If a reward, the loss or its gradient is not finite.
            WorkerError: If too many answers of a step could not be verified, or no worker can start.
            OSError: If the folder cannot be written.
            MemoryError: If the memory runs out. After each of these the last checkpoint is whole, and
                the run continues from it.
        """
        first = distributed.rank() == 0
        with self.tracking() if first else nullcontext() as trackers:
            try:
                self.looks.after(self.state.step, trackers)
                if self.done:
                    return
                began, unfit = time.perf_counter(), self.posing.num_unfit
                for metrics in self.algorithm.train(
                    self.envs, self.policy, self.hyperparameters, self.state
                ):
                    seconds = time.perf_counter() - began
                    metrics["time/step_seconds"] = seconds
                    metrics["time/tokens_per_second"] = metrics["num_tokens"] / seconds
                    if isinstance(self.policy, EnginePolicy):
                        taken = self.policy.take_seconds()
                        metrics |= {f"time/{name}_seconds": taken[name] for name in taken}
                    if self.limit is not None:
                        metrics["prompts_too_long"] = self.posing.num_unfit - unfit
                    groups = self.groups()
                    if trackers is not None:
                        self.record(metrics, groups, trackers)
                    metrics |= self.looks.after(self.state.step, trackers)
                    if self.state.step % self.setup.checkpoints.every == 0:
                        self.save()
                    yield metrics
                    if self.looks.exhausted:
                        break
                    began, unfit = time.perf_counter(), self.posing.num_unfit
            except GeneratorExit:  # between two steps; in the middle of one nothing is saved
                self.save()
                raise
            except (FloatingPointError, OSError, MemoryError, WorkerError) as error:
                reason = said(error) if isinstance(error, OSError) else str(error)
                raise type(error)(self.failed(reason)) from error
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise MemoryError(
                    self.failed(
                        f"{str(error).splitlines()[0]}; a smaller `max_tokens_per_pass` may help"
                    )
                ) from error
            self.save()

    def failed(self, reason: str) -> str:
        """Return the message for a step that failed for `reason`, with the checkpoint to resume from."""
        kept: object = "not to be found"
        with suppress(FileError, IndexError):
            kept = self.folder.checkpoints()[-1]
        return f"after step {self.state.step}: {reason}; the last checkpoint is {kept}"

    def groups(self) -> list[dict[str, Any]]:
        """Gather the records of the last step's groups, rejected ones included, from all ranks.

        Those that were kept come first, in their places; then the others, in their rounds.
        """
        own: list[dict[str, Any]] = self.envs.records()
        for group in own:
            group["place"] += distributed.rank() * self.envs.lesson.shape[0]
        found = [group for part in distributed.all_gather_object(own) for group in part]
        return sorted(found, key=order_of)

    def tracking(self) -> AbstractContextManager[Trackers]:
        """Open the trackers of the run, on rank 0."""
        path, config = self.folder.path, self.folder.config()
        return tracking(self.setup.records.trackers, path, config, self.state.step)

    def record(
        self, metrics: Mapping[str, float], groups: list[dict[str, Any]], trackers: Trackers
    ) -> None:
        """Append the last step to groups.jsonl, samples.jsonl and metrics.jsonl, and to `trackers`."""
        rollout = self.state.rollout
        assert rollout is not None
        tokens = rollout.completions.mask.sum(dim=1).int().split(rollout.made.sum(dim=1).tolist())
        for group, row in zip(groups, tokens, strict=False):
            group["num_tokens"] = row.tolist()
        step, number = self.state.step, self.setup.records.num_samples
        head = {"schema": SCHEMA, "step": step}
        self.folder.append("groups.jsonl", [head | group for group in groups])
        over_arms = isinstance(self.envs.lesson, ArmLesson)
        self.samples = samples_of(rollout, groups, self.policy.tokenizer, number, step, over_arms)
        self.folder.append(SAMPLES, self.samples)
        self.folder.append(METRICS, [dict(metrics)])
        trackers.log(step, metrics)
        trackers.table(step, "samples", self.samples)

    def score(self, name: str, progress: Callable[[LevelScore], None]) -> dict[str, Any]:
        """Evaluate on all levels and save the scores as `name`, unless that file exists."""
        scores: dict[str, Any] | None = distributed.broadcast_from_rank0(self.folder.read(name))
        if scores is None:
            scores = self.evaluated(self.setup.evaluation, progress)
            if distributed.rank() == 0:
                self.folder.write(name, scores)
                with self.tracking() as trackers:
                    trackers.log(self.state.step, as_scalars(scores, "test"))
        return scores

    def evaluated(
        self, plan: EvaluationPlan, progress: Callable[[LevelScore], None] = lambda score: None
    ) -> dict[str, Any]:
        """Return the scores on all levels by `plan`, as records; on all ranks those of rank 0."""
        found: list[LevelScore] = []
        problems = self.setup.problems
        for member, env_id in zip(self.members, problems.ids, strict=True):
            protocol = member.preset.protocol
            found += evaluate(
                self.policy,
                env_id,
                plan,
                replace(self.sampling, temperature=protocol.temperature),
                render=self.policy.render,
                progress=progress,
                limit=self.limit,
                **problems.options(),
            )
        return distributed.broadcast_from_rank0(as_records(found))

    def finish(self) -> Path:
        """Export the trained model with its card, and return its folder."""
        return self.export("model")

    def keep(self, score: float) -> None:
        """Keep the model as the best so far, of the validation score `score`, after a checkpoint of its step."""
        self.save()
        self.export(BEST, step=self.state.step, validation=score)

    def export(self, name: str, **more: Any) -> Path:
        """Export the model as it is to the folder `name`, with `more` in its card; return the folder."""
        path = self.folder.path / name
        card = {"envs": self.setup.problems.ids, "preset": self.members[0].preset_name, **more}
        content = json.dumps({**made_for(self.setup.model.agent), **card}, indent=2) + "\n"
        with self.policy.gathered():
            if distributed.rank() > 0:
                return path
            with replacing(path) as partial:
                self.policy.export(partial)
                (partial / "edgewise.json").write_text(content, encoding="utf-8")
        return path


def order_of(group: Mapping[str, Any]) -> tuple[bool, int, int]:
    """Return the sort key of a group's record within its step."""
    kept = group["kept"]
    return not kept, 0 if kept else group["round"], group["place"]


def make_envs(setup: Setup, policy: ModelPolicy) -> vector.Curriculum:
    """Return this rank's training environments, framed for the model, under the curriculum.

    Raises:
        ValueError: If the environment refuses its arguments, there is no such curriculum, or the
            problems cannot be shared out among the ranks.
    """
    envs = setup.envs(distributed.num_ranks())
    base = unwrap_vector(envs)
    if limit := limit_of(setup.sampling, policy, base.env.members):
        limit.screen(base.env)
    framed = vector.PromptFormat(envs, render=policy.render)
    gather = distributed.all_gather if distributed.num_ranks() > 1 else None
    curriculum, rank, allotment = setup.curriculum, distributed.rank(), setup.batch.allotment
    rule = curriculum.make(envs)
    return vector.with_rule(framed, rule, curriculum.pool_size, rank, gather, allotment)


def to_record(config: TrainConfig, envs: Envs) -> dict[str, Any]:
    """Return `config` for JSON, with the rule and the algorithm in full and the arms of `envs`."""
    setup = config.setup
    base = unwrap_vector(envs)
    sampling = setup.sampling.sampling(base.env.members)
    hyperparameters = make_hyperparameters(setup.algorithm, sampling)
    check_buffer(hyperparameters)
    details = {
        "rule": to_json(setup.curriculum.make(envs)),
        "arms": arm_names(setup.problems.ids, base.arms),
    }
    if isinstance(envs, vector.Curriculum):
        details |= screened_pool(envs)
    hyper = {"hyperparameters": asdict(hyperparameters)}
    return {**config.record(), **details, **hyper, **provenance()}


def begin(config: TrainConfig) -> Training:
    """Start a new run; its folder is made only after everything else was accepted.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> folder = TemporaryDirectory()
        >>> sizes = {"num_steps": 2, "num_problems": 2, "group_size": 4, "max_tokens": 8}
        >>> config = TrainConfig(**sizes, evaluate=False, output=Path(folder.name) / "run")
        >>> begin(config).state.step
        0
        >>> folder.cleanup()

    Raises:
        ValueError: If any part of `config` is refused, or the folder exists.
    """
    config = distributed.broadcast_from_rank0(begun(config))
    with config.source("allocation"):
        setup = config.setup
    output = config.folder()
    if distributed.rank() == 0:
        check_free(output)  # before the model is loaded
    with config.source("algorithm"):
        make_hyperparameters(setup.algorithm, Sampling())
    with config.source("engine"):
        check_engine(setup.model.engine)
    check_evaluation(setup)
    policy = make_policy(setup.model)
    base = unwrap_vector(setup.envs())
    notes = check_prompts(setup, policy, base.env.members)
    envs = make_envs(setup, policy)
    if distributed.rank() == 0:
        RunFolder.create(output, to_record(config, envs))
    distributed.barrier()
    training = Training(setup, RunFolder.open(output), policy)
    training.notes = notes
    return training


def resume(path: Path) -> Training:
    """Continue the run in `path`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> folder = TemporaryDirectory()
        >>> sizes = {"num_steps": 2, "num_problems": 2, "group_size": 4, "max_tokens": 8}
        >>> config = TrainConfig(**sizes, evaluate=False, output=Path(folder.name) / "run")
        >>> steps = begin(config).steps()
        >>> next(steps)["step"]
        1
        >>> steps.close()  # stops, and saves
        >>> [metrics["step"] for metrics in resume(config.folder()).steps()]
        [2]
        >>> folder.cleanup()

    Raises:
        ValueError: If there is none.
    """
    folder = RunFolder.open(path)
    record = folder.config()
    if "arms" not in record:
        raise ValueError(f"`resume` must be the folder of a run of `edgewise train`, got {path}")
    with about(path / "config.json"):
        setup = from_run(record).setup
    return Training(setup, folder, make_policy(setup.model))
