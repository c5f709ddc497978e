"""Train a policy in a run folder: evaluate, train, save, evaluate, report; stop and go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from edgewise.agents import distributed
from edgewise.agents.algorithms.catalogue import ALGORITHMS, Algorithm
from edgewise.agents.algorithms.rollout import Envs
from edgewise.agents.policies.chat import today
from edgewise.agents.policies.model_card import made_for
from edgewise.agents.policies.options import IMPORTANCE_CAP, OWN, Sampling
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.policies.sampling import is_out_of_memory
from edgewise.agents.training.checkpoint import load
from edgewise.agents.training.clean import check_config
from edgewise.agents.training.config import TrainConfig, complete, default_output, from_run
from edgewise.agents.training.evaluation import LevelScore, as_records, evaluate
from edgewise.agents.training.report import arm_names, arm_sizes
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_policy import make_policy
from edgewise.agents.training.run_prompts import check_prompts, limit_of, sampling_of, screened_pool
from edgewise.env import ReasoningEnv
from edgewise.files import FileError, about, replacing, said
from edgewise.pool import WorkerError
from edgewise.registration import check_id
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers import ProblemRule, Random, Rule, make_rule, vector
from edgewise.wrappers.record import SCHEMA
from edgewise.wrappers.rules.catalogue import construct
from edgewise.wrappers.rules.rule_record import to_json


class Training:
    """A run in progress: what the command line shows, and what continues after a stop."""

    def __init__(self, config: TrainConfig, folder: RunFolder, policy: ModelPolicy) -> None:
        """Make the environments for `policy`, and take up the last checkpoint if there is one.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        self.config, self.folder, self.policy = config, folder, policy
        self.envs = make_envs(config, self.policy)
        base = unwrap_vector(self.envs)
        self.posing: ReasoningEnv = base.env
        self.members: list[ReasoningEnv] = base.env.members
        self.sampling = sampling_of(config, self.members)
        self.limit = limit_of(config, policy, self.members)
        self.notes: list[str] = []  # of what a new run leaves out
        self.hyperparameters = make_hyperparameters(config, self.sampling)
        self.algorithm = algorithm_of(config)
        self.state = self.algorithm.start(self.policy, self.hyperparameters)
        self.envs.reset(seed=config.seed)  # seeds the draws; the first batch is drawn by `collect`
        self.restore()

    def restore(self) -> None:
        """Continue from the newest intact checkpoint; without one, save the first."""
        found = distributed.run_on_rank0(self.folder.to_continue)
        if found is None:
            self.save()
            return
        algorithm, envs = load(found, self.policy)
        distributed.barrier()  # until all have read
        self.state.load_state_dict(algorithm)
        self.envs.load_state_dict(envs)
        if distributed.rank() == 0:
            assert self.config.num_problems is not None
            sizes = {"metrics.jsonl": 1, "groups.jsonl": self.config.num_problems}
            self.folder.forget_after(self.state.step, sizes)

    def save(self) -> None:
        """Write a checkpoint, on rank 0."""
        states = self.state.state_dict(), self.envs.state_dict()
        with self.policy.gathered():
            if distributed.rank() == 0:
                self.folder.checkpoint(self.policy, *states, keep=self.config.keep_checkpoints)

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
        with self.folder.curves(self.state.step) if first else nullcontext() as writer:
            began, unfit = time.perf_counter(), self.posing.num_unfit
            try:
                for metrics in self.algorithm.train(
                    self.envs, self.policy, self.hyperparameters, self.state
                ):
                    seconds = time.perf_counter() - began
                    metrics["time/step_seconds"] = seconds
                    metrics["time/tokens_per_second"] = metrics["num_tokens"] / seconds
                    if self.limit is not None:
                        metrics["prompts_too_long"] = self.posing.num_unfit - unfit
                    groups = self.groups()
                    if writer is not None:
                        self.record(metrics, groups)
                        for name, value in metrics.items():
                            writer.add_scalar(name, value, self.state.step)
                    if self.state.step % self.config.checkpoint_every == 0:
                        self.save()
                    yield metrics
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
                    self.failed(f"{str(error).splitlines()[0]}; more `num_minibatches` may help")
                ) from error
            self.save()

    def failed(self, reason: str) -> str:
        """Say when the run failed, and from where it continues."""
        kept: object = "not to be found"
        with suppress(FileError, IndexError):
            kept = self.folder.checkpoints()[-1]
        return f"after step {self.state.step}: {reason}; the last checkpoint is {kept}"

    def groups(self) -> list[dict[str, Any]]:
        """Return a record of each group that the curriculum heard of in the last step, on any rank.

        Those that were kept come first, in their places; then the others, in their rounds.
        """
        own: list[dict[str, Any]] = self.envs.records()
        for group in own:
            group["place"] += distributed.rank() * self.envs.lesson.shape[0]
        found = [group for part in distributed.all_gather_object(own) for group in part]
        return sorted(found, key=order_of)

    def record(self, metrics: Mapping[str, float], groups: list[dict[str, Any]]) -> None:
        """Add the last step to the files of the run."""
        rollout = self.state.rollout
        assert rollout is not None
        tokens = rollout.completions.mask.sum(dim=1).int().view_as(rollout.rewards).tolist()
        kept = [{"num_tokens": row} for row in tokens]
        head: dict[str, Any] = {"schema": SCHEMA, "step": self.state.step}
        for group, more in zip(groups, kept, strict=False):
            group |= more
        self.folder.append("groups.jsonl", [head | group for group in groups])
        self.folder.append("metrics.jsonl", [dict(metrics)])

    def score(self, name: str, progress: Callable[[LevelScore], None]) -> dict[str, Any]:
        """Evaluate on all levels, unless the file `name` says how that came out, and write it."""
        scores: dict[str, Any] | None = distributed.broadcast_from_rank0(self.folder.read(name))
        if scores is None:
            found: list[LevelScore] = []
            for member, env_id in zip(self.members, self.config.env.split(","), strict=True):
                protocol = member.preset.protocol
                sampling = replace(self.sampling, temperature=protocol.temperature)
                found += evaluate(
                    self.policy,
                    env_id,
                    self.config.evaluation,
                    sampling,
                    render=self.policy.render,
                    progress=progress,
                    limit=self.limit,
                    preset=self.config.preset,
                    **self.config.keywords,
                )
            scores = as_records(found)
            if distributed.rank() == 0:
                self.folder.write(name, scores)
        return scores

    def finish(self) -> Path:
        """Write the trained model, with what it was made for, and return its folder."""
        path = self.folder.path / "model"
        card = {"envs": self.config.env.split(","), "preset": self.members[0].preset_name}
        content = json.dumps({**made_for(self.config.agent), **card}, indent=2) + "\n"
        with self.policy.gathered():
            if distributed.rank() > 0:
                return path
            with replacing(path) as partial:
                self.policy.export(partial)
                (partial / "edgewise.json").write_text(content, encoding="utf-8")
        return path


def order_of(group: Mapping[str, Any]) -> tuple[bool, int, int]:
    """Return where the record of a group stands among those of its step."""
    kept = group["kept"]
    return not kept, 0 if kept else group["round"], group["place"]


def make_envs(config: TrainConfig, policy: ModelPolicy) -> vector.Curriculum:
    """Return this rank's training environments, framed for the model, under the curriculum.

    Raises:
        ValueError: If the environment refuses its arguments, there is no such curriculum, or the
            problems cannot be shared out among the ranks.
    """
    envs = base_envs(config, distributed.num_ranks())
    base = unwrap_vector(envs)
    if limit := limit_of(config, policy, base.env.members):
        limit.screen(base.env)
    framed = vector.PromptFormat(envs, render=policy.render)
    gather = distributed.all_gather if distributed.num_ranks() > 1 else None
    rule = rule_for(config, envs)
    return vector.with_rule(framed, rule, config.pool_size, distributed.rank(), gather)


def rule_for(config: TrainConfig, envs: Envs) -> Rule | ProblemRule:
    """Return the rule that the command line names; `Random` is told how large the arms are.

    Raises:
        ValueError: If there is no such curriculum.
    """
    assert config.num_steps
    rule = make_rule(config.curriculum, config.num_steps)
    if isinstance(rule, Random) and rule.sizes is None:
        rule.sizes = arm_sizes(envs)
    return rule


def base_envs(config: TrainConfig, num_ranks: int = 1) -> Envs:
    """Return one rank's training environments as they are without a model and a curriculum.

    Raises:
        ValueError: If the environment refuses its arguments, or the problems cannot be shared out.
    """
    assert config.num_problems and config.group_size
    if config.num_problems % num_ranks:
        raise ValueError(
            f"`num_problems` must be a multiple of {num_ranks}, the number of processes, "
            f"got {config.num_problems}"
        )
    ids = config.env.split(",")
    for env_id in ids:
        check_id(env_id)
    options = {"preset": config.preset, "levels": config.levels, **config.keywords}
    if len(ids) > 1:
        options = {"envs": [{"id": env_id, **options} for env_id in ids]}
    envs: Envs = gym.make_vec(
        ids[0] if len(ids) == 1 else "Mixture-v0",
        num_envs=config.num_problems // num_ranks * config.group_size,
        group_size=config.group_size,
        **options,
    )
    return envs


def algorithm_of(config: TrainConfig) -> Algorithm:
    """Return the algorithm that the command line names, without its arguments."""
    return ALGORITHMS[config.algorithm.split(":")[0]]


def make_hyperparameters(config: TrainConfig, sampling: Sampling) -> Any:
    """Return the config of the algorithm that the command line names.

    Where something else than the learner samples, an engine or a `decode_dtype`, it has an
    importance cap, by default `IMPORTANCE_CAP`.

    Raises:
        ValueError: If there is no such algorithm or argument, or the groups are too small for it.
    """
    own = config.engine == OWN and config.decode_dtype in (None, config.dtype)
    hyperparameters: Any = construct(
        "algorithm",
        config.algorithm,
        {name: algorithm.config for name, algorithm in ALGORITHMS.items()},
        num_steps=config.num_steps,
        learning_rate=config.learning_rate,
        sampling=sampling if config.stop == "preset" else replace(sampling, stop=()),
        seed=config.seed,
        importance_cap=None if own else IMPORTANCE_CAP,
    )
    assert config.group_size is not None
    if config.group_size < hyperparameters.min_group_size:
        raise ValueError(
            f"`group_size` must be at least {hyperparameters.min_group_size} "
            f"for {config.algorithm}, got {config.group_size}"
        )
    return hyperparameters


def to_record(config: TrainConfig, envs: Envs) -> dict[str, Any]:
    """Return `config` for JSON, with the rule and the algorithm in full and the arms of `envs`."""
    record: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    base = unwrap_vector(envs)
    hyperparameters = make_hyperparameters(config, sampling_of(config, base.env.members))
    details = {
        "rule": to_json(rule_for(config, envs)),
        "arms": arm_names(config.env.split(","), base.arms),
    }
    if isinstance(envs, vector.Curriculum):
        details |= screened_pool(envs)
    return {**record, **details, "hyperparameters": asdict(hyperparameters)}


def begin(config: TrainConfig) -> Training:
    """Start a new run; its folder is made only after everything else was accepted.

    Raises:
        ValueError: If any part of `config` is refused, or the folder exists.
    """
    config = replace(complete(config), chat_date=config.chat_date or today())
    output = distributed.broadcast_from_rank0(config.output or default_output(config))
    config = replace(config, output=output)
    check_evaluation(config)
    policy = make_policy(config)
    base = unwrap_vector(base_envs(config))
    notes = check_prompts(config, policy, base.env.members)
    envs = make_envs(config, policy)
    if distributed.rank() == 0:
        RunFolder.create(output, to_record(config, envs))
    distributed.barrier()
    training = Training(config, RunFolder.open(output), policy)
    training.notes = notes
    return training


def check_evaluation(config: TrainConfig) -> None:
    """Raise ValueError if the evaluation of a run would score what the run trains on."""
    options = {"preset": config.preset, "split": config.evaluation.split, **config.keywords}
    for env_id in config.env.split(",") if config.evaluate else ():
        check_id(env_id)
        check_config(config, env_id, **options)


def resume(path: Path) -> Training:
    """Continue the run in `path`.

    Raises:
        ValueError: If there is none.
    """
    folder = RunFolder.open(path)
    record = folder.config()
    if "arms" not in record:
        raise ValueError(f"`resume` must be the folder of a run of `edgewise train`, got {path}")
    with about(path / "config.json"):
        config = from_run(record)
    return Training(config, folder, make_policy(config))
