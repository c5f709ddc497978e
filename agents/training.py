"""Train a policy in a run folder: evaluate, train, save, evaluate, report; stop and go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import torch

from edgewise.agents import ranks
from edgewise.agents.algorithms import ALGORITHMS, Algorithm
from edgewise.agents.display import arm_names
from edgewise.agents.evaluation import EvaluationPlan, LevelScore, as_records, evaluate
from edgewise.agents.lora import Adapters, LoRAPolicy
from edgewise.agents.models import Precision, load_policy, made_for
from edgewise.agents.parts import is_out_of_memory
from edgewise.agents.policy import Sampling
from edgewise.agents.rollout import Envs
from edgewise.agents.run_folder import RunFolder, group_records
from edgewise.agents.transformers_policy import TransformersPolicy
from edgewise.env import ReasoningEnv
from edgewise.registration import check_id
from edgewise.wrappers import make_rule, vector
from edgewise.wrappers.catalogue import construct
from edgewise.wrappers.rule import to_json

SEC_SIZE = {"num_steps": 240, "num_problems": 256, "group_size": 8, "learning_rate": 1e-6}


@dataclass(frozen=True)
class TrainConfig:
    """Train a language model on an environment, under a curriculum."""

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or several, with commas between."""
    curriculum: str = "sec"
    """Rule that chooses what is posed, with its arguments: sec, sec:temperature=0.4, random ..."""
    pool_size: int = 1000
    """Problems that rules over problems, such as plr and mopps, choose from; at least a batch."""
    algorithm: str = "grpo"
    """Algorithm, with its arguments: grpo, rloo, ppo, reinforce, reinforce++, ppo:num_epochs=2 ..."""
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
    """Completions of each problem, G; by default the model's own number, else 8, as in SEC."""
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
    keep_checkpoints: int = 2
    """How many of the last checkpoints are kept."""
    evaluate: bool = True
    """Whether to score every level of the test split before and after training."""
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    """What is asked of each level."""
    dtype: Precision = "float32"
    """Precision of the weights; with bfloat16 the optimiser has a copy in float32."""
    lora_rank: int | None = None
    """Rank of adapters, which alone are trained, 32 in E2H; by default the whole model is."""
    lora_alpha: float | None = None
    """What adapters are multiplied by, times their rank; by default twice the rank, as in E2H."""
    lora_targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Matrices with adapters, by the ends of their names; queries and values, as in E2H."""
    gradient_checkpointing: bool = False
    """Whether passes are computed again for the gradient, which takes less memory and more time."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model computes."""
    threads: int = 1
    """Threads of torch; one is fastest for a small model on a busy machine."""

    def __post_init__(self) -> None:
        """Check what nothing else checks."""
        counts = ("num_steps", "num_problems", "group_size", "max_tokens")
        for name in (*counts, "lora_rank", "checkpoint_every", "keep_checkpoints", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        if self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")


def complete(config: TrainConfig) -> TrainConfig:
    """Fill in what is left open from what the model was made for, else with the size of SEC's runs.

    Raises:
        ValueError: If the agent does not exist.
    """
    card = made_for(config.agent)
    defaults = {**SEC_SIZE, **card["train"]}
    if set(config.env.split(",")) <= set(card["envs"]):
        defaults["preset"] = card["preset"]
    given = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    return replace(config, **given)


def default_output(config: TrainConfig) -> Path:
    """Return the first free folder runs/ENV-CURRICULUM-ALGORITHM-sSEED[-N]."""
    envs = config.env.replace("-v0", "").replace(",", "-").lower()
    parts = (envs, config.curriculum.split(":")[0], config.algorithm.split(":")[0])
    name = "-".join([*parts, f"s{config.seed}"])
    names = [name, *(f"{name}-{number}" for number in range(2, 1_000))]
    return next(path for path in map(Path("runs").joinpath, names) if not path.exists())


class Training:
    """A run in progress: what the command line shows, and what continues after a stop."""

    def __init__(self, config: TrainConfig, folder: RunFolder, policy: TransformersPolicy) -> None:
        """Make the environments for `policy`, and take up the last checkpoint if there is one.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        self.config, self.folder, self.policy = config, folder, policy
        self.envs = make_envs(config, self.policy)
        base: Any = self.envs.unwrapped
        self.members: list[ReasoningEnv] = base.env.members
        frames = [member.preset.frame for member in self.members]
        self.sampling = Sampling(
            max_tokens=config.max_tokens or max(frame.max_completion_tokens for frame in frames),
            temperature=config.temperature,
            stop=tuple(sorted({stop for frame in frames for stop in frame.stop})),
        )
        self.hyperparameters = make_hyperparameters(config, self.sampling)
        self.algorithm = algorithm_of(config)
        self.state = self.algorithm.start(self.policy, self.hyperparameters)
        self.envs.reset(seed=config.seed)  # seeds the draws; the first batch is drawn by `collect`
        self.restore()

    def restore(self) -> None:
        """Continue from the latest checkpoint; without one, save the first."""
        saved = self.folder.restore(self.policy)
        ranks.wait()  # until all have read
        if saved is None:
            self.save()
            return
        algorithm, envs = saved
        self.state.load_state_dict(algorithm)
        self.envs.load_state_dict(envs)
        if ranks.rank() == 0:
            self.folder.forget_after(self.state.step)

    def save(self) -> None:
        """Write a checkpoint, on rank 0."""
        states = self.state.state_dict(), self.envs.state_dict()
        if ranks.rank() == 0:
            self.folder.checkpoint(self.policy, *states, keep=self.config.keep_checkpoints)

    def steps(self) -> Generator[dict[str, float]]:
        """Train, record each step, and yield its metrics; close the iterator to stop and save.

        All ranks yield the same metrics, but times; rank 0 records them.

        Raises:
            FloatingPointError: If a reward, the loss or its gradient is not finite.
            OSError: If the folder cannot be written.
            MemoryError: If the memory runs out. After each of these the last checkpoint is whole, and
                the run continues from it.
        """
        first = ranks.rank() == 0
        with self.folder.curves(self.state.step) if first else nullcontext() as writer:
            began = time.perf_counter()
            try:
                for metrics in self.algorithm.train(
                    self.envs, self.policy, self.hyperparameters, self.state
                ):
                    seconds = time.perf_counter() - began
                    metrics["time/step_seconds"] = seconds
                    metrics["time/tokens_per_second"] = metrics["num_tokens"] / seconds
                    if writer is not None:
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
            except (FloatingPointError, OSError, MemoryError) as error:
                raise type(error)(self.failed(str(error))) from error
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise MemoryError(
                    self.failed(f"{str(error).splitlines()[0]}; more `num_minibatches` may help")
                ) from error
            self.save()

    def failed(self, reason: str) -> str:
        """Say when the run failed, and from where it continues."""
        kept = self.folder.checkpoints()[-1]
        return f"after step {self.state.step}: {reason}; the last checkpoint is {kept}"

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
        scores: dict[str, Any] | None = ranks.of_first(self.folder.read(name))
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
                    preset=self.config.preset,
                )
            scores = as_records(found)
            if ranks.rank() == 0:
                self.folder.write(name, scores)
        return scores

    def finish(self) -> Path:
        """Write the trained model, with what it was made for, and return its folder."""
        path = self.folder.path / "model"
        if ranks.rank() > 0:
            return path
        self.policy.export(path)
        card = {"envs": self.config.env.split(","), "preset": self.members[0].preset_name}
        self.folder.write("model/edgewise.json", {**made_for(self.config.agent), **card})
        return path


def make_policy(config: TrainConfig) -> TransformersPolicy:
    """Return the policy to train, as it is at the start.

    Raises:
        ImportError: If adapters are asked for and peft is not installed.
        ValueError: If there is no such model, or its adapters are refused.
    """
    policy = load_policy(config.agent, config.dtype, ranks.device(config.device))
    if config.lora_rank is not None:
        alpha = 2 * config.lora_rank if config.lora_alpha is None else config.lora_alpha
        adapters = Adapters(config.lora_rank, alpha, config.lora_targets)
        policy = LoRAPolicy(policy.model, policy.tokenizer, adapters)
    policy.gradient_checkpointing = config.gradient_checkpointing
    return policy


def make_envs(config: TrainConfig, policy: TransformersPolicy) -> vector.Curriculum:
    """Return this rank's training environments, framed for the model, under the curriculum.

    Raises:
        ValueError: If the environment refuses its arguments, there is no such curriculum, or the
            problems cannot be shared out among the ranks.
    """
    assert config.num_problems and config.group_size and config.num_steps
    num_ranks = ranks.num_ranks()
    if config.num_problems % num_ranks:
        raise ValueError(
            f"`num_problems` must be a multiple of {num_ranks}, the number of processes, "
            f"got {config.num_problems}"
        )
    rule = make_rule(config.curriculum, config.num_steps)
    ids = config.env.split(",")
    for env_id in ids:
        check_id(env_id)
    options: dict[str, Any] = {"preset": config.preset, "levels": config.levels}
    if len(ids) > 1:
        options = {"envs": [{"id": env_id, **options} for env_id in ids]}
    envs: Envs = gym.make_vec(
        ids[0] if len(ids) == 1 else "Mixture-v0",
        num_envs=config.num_problems // num_ranks * config.group_size,
        group_size=config.group_size,
        **options,
    )
    framed = vector.PromptFormat(envs, render=policy.render)
    gather = ranks.gather if num_ranks > 1 else None
    return vector.with_rule(framed, rule, config.pool_size, ranks.rank(), gather)


def algorithm_of(config: TrainConfig) -> Algorithm:
    """Return the algorithm that the command line names, without its arguments."""
    return ALGORITHMS[config.algorithm.split(":")[0]]


def make_hyperparameters(config: TrainConfig, sampling: Sampling) -> Any:
    """Return the config of the algorithm that the command line names.

    Raises:
        ValueError: If there is no such algorithm or argument, or the groups are too small for it.
    """
    hyperparameters: Any = construct(
        "algorithm",
        config.algorithm,
        {name: algorithm.config for name, algorithm in ALGORITHMS.items()},
        num_steps=config.num_steps,
        learning_rate=config.learning_rate,
        sampling=sampling,
        seed=config.seed,
    )
    assert config.group_size is not None
    if config.group_size < hyperparameters.min_group_size:
        raise ValueError(
            f"`group_size` must be at least {hyperparameters.min_group_size} "
            f"for {config.algorithm}, got {config.group_size}"
        )
    return hyperparameters


def to_record(config: TrainConfig) -> dict[str, Any]:
    """Return `config` for JSON, with the rule and the algorithm in full."""
    assert config.num_steps
    record: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    hyperparameters = make_hyperparameters(config, Sampling())
    details = {"rule": to_json(make_rule(config.curriculum, config.num_steps))}
    return {**record, **details, "hyperparameters": asdict(hyperparameters)}


def from_record(record: Mapping[str, Any]) -> TrainConfig:
    """Return the config of a run that has begun."""
    kept = {name: record[name] for name in TrainConfig.__dataclass_fields__}
    plan = EvaluationPlan(**kept.pop("evaluation"))
    lists = {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
    return TrainConfig(**{**kept, "evaluation": plan, **lists})


def begin(config: TrainConfig) -> Training:
    """Start a new run; its folder is made only after everything else was accepted.

    Raises:
        ValueError: If any part of `config` is refused, or the folder exists.
    """
    config = complete(config)
    output = ranks.of_first(config.output or default_output(config))
    config = replace(config, output=output)
    policy = make_policy(config)
    envs = make_envs(config, policy)
    record = {**to_record(config), "arms": arm_names(config.env.split(","), envs.base.arms)}
    if ranks.rank() == 0:
        RunFolder.create(output, record)
    ranks.wait()
    return Training(config, RunFolder.open(output), policy)


def resume(path: Path) -> Training:
    """Continue the run in `path`.

    Raises:
        ValueError: If there is none.
    """
    folder = RunFolder.open(path)
    config = from_record(folder.read("config.json"))
    return Training(config, folder, make_policy(config))
