"""Train a policy in a run folder: evaluate, train, save, evaluate, report; stop and go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from torch.utils.tensorboard import SummaryWriter

from edgewise.agents import grpo
from edgewise.agents.evaluation import EvaluationPlan, LevelScore, as_records, evaluate
from edgewise.agents.models import load_policy, made_for, model_path
from edgewise.agents.policy import Sampling
from edgewise.agents.rollout import Envs
from edgewise.agents.run_folder import RunFolder, group_records
from edgewise.agents.transformers_policy import TransformersPolicy
from edgewise.registration import check_id
from edgewise.wrappers import make_rule, vector
from edgewise.wrappers.catalogue import construct
from edgewise.wrappers.rule import to_json

ALGORITHMS = {"grpo": grpo.GRPOConfig}
SEC_SIZE = {"num_steps": 240, "num_problems": 256, "group_size": 8, "learning_rate": 1e-6}


@dataclass(frozen=True)
class TrainConfig:
    """Train a language model on an environment, under a curriculum."""

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them."""
    curriculum: str = "sec"
    """Rule that chooses what is posed, with its arguments: sec, sec:temperature=0.4, random ..."""
    algorithm: str = "grpo"
    """Algorithm, with its arguments: grpo, grpo:num_epochs=2:clip_eps=0.1 ..."""
    agent: str = "seedling"
    """Model to train: seedling, seedling:NAME, or hf:PATH for a folder or hub id."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the first."""
    levels: tuple[int, ...] | None = None
    """Levels to train on; by default all that are not kept out of training."""
    num_steps: int | None = None
    """Training steps, one batch each; by default the model's own number, else 240, as in SEC."""
    num_problems: int | None = None
    """Problems in a batch, P; by default the model's own number, else 256, as in SEC."""
    group_size: int | None = None
    """Completions of each problem, G, at least 2; by default the model's own number, else 8."""
    learning_rate: float | None = None
    """Learning rate of AdamW; by default the model's own, else 1e-6, as in SEC."""
    temperature: float = 1.0
    """Temperature at which completions are sampled."""
    max_tokens: int | None = None
    """Longest completion in tokens; by default the preset's."""
    seed: int = 0
    """Seed of problems, arms and sampled tokens."""
    output: Path | None = None
    """Folder of the run, which must not exist; by default a new one under runs/."""
    resume: Path | None = None
    """Folder of a run to continue where it stopped; other flags must be left out."""
    checkpoint_every: int = 20
    """Steps between checkpoints; at most so many are done again after a kill."""
    evaluate: bool = True
    """Whether to score every level of the test split before and after training."""
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    """What is asked of each level."""
    threads: int = 1
    """Threads of torch; one is fastest for a small model on a busy machine."""

    def __post_init__(self) -> None:
        """Check what nothing else checks."""
        for name in ("num_steps", "num_problems", "checkpoint_every", "threads", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        if self.group_size is not None and self.group_size < 2:
            raise ValueError(f"`group_size` must be at least 2 for GRPO, got {self.group_size}")
        if self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")


def complete(config: TrainConfig) -> TrainConfig:
    """Fill in what is left open from what the model was made for, else with the size of SEC's runs.

    Raises:
        ValueError: If the agent does not exist.
    """
    card = made_for(config.agent)
    defaults = {**SEC_SIZE, **card["train"]}
    if config.env in card["envs"]:
        defaults["preset"] = card["preset"]
    given = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    return replace(config, **given)


def default_output(config: TrainConfig) -> Path:
    """Return the first free folder runs/ENV-CURRICULUM-ALGORITHM-sSEED[-N]."""
    parts = (config.env.removesuffix("-v0").lower(), config.curriculum, config.algorithm)
    name = "-".join([*(part.split(":")[0] for part in parts), f"s{config.seed}"])
    names = [name, *(f"{name}-{number}" for number in range(2, 1_000))]
    return next(path for path in map(Path("runs").joinpath, names) if not path.exists())


class Training:
    """A run in progress: what the command line shows, and what continues after a stop."""

    def __init__(self, config: TrainConfig, folder: RunFolder) -> None:
        """Load the model, make the environments, and take up the latest checkpoint if there is one.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        self.config, self.folder = config, folder
        self.policy: TransformersPolicy = load_policy(config.agent)
        self.envs = make_envs(config, self.policy)
        base: Any = self.envs.unwrapped
        self.preset, self.preset_name = base.env.preset, base.env.preset_name
        self.sampling = Sampling(
            max_tokens=config.max_tokens or self.preset.frame.max_completion_tokens,
            temperature=config.temperature,
            stop=self.preset.frame.stop,
        )
        self.algorithm = make_algorithm(config, self.sampling)
        self.state = grpo.start(self.policy, self.algorithm)
        self.envs.reset(seed=config.seed)  # seeds the draws; the first batch is drawn by `collect`
        self.restore()

    def restore(self) -> None:
        """Continue from the latest checkpoint; without one, save the first."""
        saved = self.folder.restore(self.policy)
        if saved is None:
            self.save()
            return
        algorithm, envs = saved
        self.state.load_state_dict(algorithm)
        self.envs.load_state_dict(envs)
        self.folder.forget_after(self.state.step)

    def save(self) -> None:
        """Write a checkpoint."""
        self.folder.checkpoint(self.policy, self.state.state_dict(), self.envs.state_dict())

    def steps(self) -> Generator[dict[str, float]]:
        """Train, record each step, and yield its metrics; close the iterator to stop and save."""
        logs = str(self.folder.path / "tensorboard")
        with closing(SummaryWriter(logs, purge_step=self.state.step + 1)) as writer:
            began = time.perf_counter()
            try:
                for metrics in grpo.train(self.envs, self.policy, self.algorithm, self.state):
                    seconds = time.perf_counter() - began
                    metrics["time/step_seconds"] = seconds
                    metrics["time/tokens_per_second"] = metrics["num_tokens"] / seconds
                    self.record(metrics)
                    for name, value in metrics.items():
                        writer.add_scalar(name, value, self.state.step)
                    if self.state.step % self.config.checkpoint_every == 0:
                        self.save()
                    yield metrics
                    began = time.perf_counter()
            except GeneratorExit:  # between two steps; in the middle of one nothing is saved
                self.save()
                raise
            self.save()

    def record(self, metrics: Mapping[str, float]) -> None:
        """Add the last step to the files of the run."""
        rollout, abs_advantages = self.state.rollout, self.state.abs_advantages
        assert rollout is not None and abs_advantages is not None
        lengths = rollout.completions.mask.sum(dim=1).int().view_as(rollout.rewards)
        arrays = {
            "rewards": rollout.rewards,
            "correct": rollout.correct,
            "abs_advantages": abs_advantages,
            "lengths": lengths,
        }
        self.folder.append("groups.jsonl", group_records(self.state.step, rollout.infos, arrays))
        self.folder.append("metrics.jsonl", [dict(metrics)])

    def score(self, name: str, progress: Callable[[LevelScore], None]) -> dict[str, Any]:
        """Evaluate on all levels, unless the file `name` says how that came out, and write it."""
        scores: dict[str, Any] | None = self.folder.read(name)
        if scores is None:
            scores = as_records(
                evaluate(
                    self.policy,
                    self.config.env,
                    self.config.evaluation,
                    replace(self.sampling, temperature=self.preset.protocol.temperature),
                    render=self.policy.render,
                    progress=progress,
                    preset=self.config.preset,
                )
            )
            self.folder.write(name, scores)
        return scores

    def finish(self) -> Path:
        """Write the trained model, with what it was made for, and return its folder."""
        path = self.folder.path / "model"
        self.policy.save(path)
        card = {"envs": [self.config.env], "preset": self.preset_name}
        self.folder.write("model/edgewise.json", {**made_for(self.config.agent), **card})
        return path


def make_envs(config: TrainConfig, policy: TransformersPolicy) -> vector.Curriculum:
    """Return the training environments, framed for the model, under the curriculum.

    Raises:
        ValueError: If the environment refuses its arguments, or there is no such curriculum.
    """
    check_id(config.env)
    assert config.num_problems and config.group_size and config.num_steps
    rule = make_rule(config.curriculum, config.num_steps)
    envs: Envs = gym.make_vec(
        config.env,
        num_envs=config.num_problems * config.group_size,
        group_size=config.group_size,
        preset=config.preset,
        levels=config.levels,
    )
    return vector.with_rule(vector.PromptFormat(envs, render=policy.render), rule)


def make_algorithm(config: TrainConfig, sampling: Sampling) -> grpo.GRPOConfig:
    """Return the hyperparameters that the command line names.

    Raises:
        ValueError: If there is no such algorithm or argument.
    """
    algorithm: grpo.GRPOConfig = construct(
        "algorithm",
        config.algorithm,
        ALGORITHMS,
        num_steps=config.num_steps,
        learning_rate=config.learning_rate,
        sampling=sampling,
        seed=config.seed,
    )
    return algorithm


def to_record(config: TrainConfig) -> dict[str, Any]:
    """Return `config` for JSON, with the rule and the algorithm in full."""
    assert config.num_steps
    record: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    algorithm = make_algorithm(config, Sampling())
    details = {"rule": to_json(make_rule(config.curriculum, config.num_steps))}
    return {**record, **details, "hyperparameters": asdict(algorithm)}


def from_record(record: Mapping[str, Any]) -> TrainConfig:
    """Return the config of a run that has begun."""
    kept = {name: record[name] for name in TrainConfig.__dataclass_fields__}
    plan = EvaluationPlan(**kept.pop("evaluation"))
    levels = None if kept["levels"] is None else tuple(kept["levels"])
    return TrainConfig(**{**kept, "evaluation": plan, "levels": levels})


def begin(config: TrainConfig) -> Training:
    """Start a new run; its folder is made only after everything else was accepted.

    Raises:
        ValueError: If any part of `config` is refused, or the folder exists.
    """
    config = complete(config)
    config = replace(config, output=config.output or default_output(config))
    assert config.output is not None
    model_path(config.agent)
    make_envs(config, load_policy(config.agent))
    folder = RunFolder.create(config.output, to_record(config))
    return Training(config, folder)


def resume(path: Path) -> Training:
    """Continue the run in `path`.

    Raises:
        ValueError: If there is none.
    """
    folder = RunFolder.open(path)
    return Training(from_record(folder.read("config.json")), folder)
