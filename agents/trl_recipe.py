"""A whole training run with TRL under a curriculum, from the settings of a recipe."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from edgewise.agents.chat import render_chat
from edgewise.agents.env_options import read_options
from edgewise.agents.lora import import_peft
from edgewise.agents.models import check_device
from edgewise.agents.rollout import Envs
from edgewise.agents.train_config import TrainConfig
from edgewise.agents.training import base_envs, rule_for
from edgewise.errors import unknown
from edgewise.registration import check_id
from edgewise.wrappers import vector

NOT_IN_RECIPES = {"recipe", "resume", "output"}


@dataclass(frozen=True)
class TRLConfig:
    """Train a language model with TRL's trainer, on problems that a curriculum poses."""

    recipe: Path | None = None
    """JSON file of flags, such as recipes/trl/e2h-qwen2.5-1.5b.json; flags beside it win."""
    model: str = "Qwen/Qwen2.5-1.5B-Instruct"
    """Folder or hub id of the model to train."""
    algorithm: Literal["grpo", "rloo"] = "grpo"
    """Trainer of TRL."""
    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or several, with commas between."""
    env_options: str = "{}"
    """Further keywords of the environment, JSON: {"data": "FOLDER"}."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the first."""
    curriculum: str = "sec"
    """Rule that chooses what is posed, with its arguments: sec, sec:temperature=0.4, random ..."""
    pool_size: int = 1000
    """Problems that rules over problems, such as plr and mopps, choose from; at least a batch."""
    num_steps: int = 240
    """Batches that are generated, and that the rule learns from."""
    num_problems: int = 256
    """Problems in a batch, P, of all processes."""
    group_size: int = 8
    """Completions of each problem, G."""
    num_minibatches: int = 1
    """Updates of the weights for each batch."""
    per_device: int = 16
    """Completions that a process passes through the model at once."""
    learning_rate: float = 1e-6
    """Learning rate of AdamW, at its highest."""
    max_tokens: int = 1024
    """Longest completion in tokens."""
    lora_rank: int | None = None
    """Rank of adapters, which alone are trained; by default the whole model is."""
    lora_alpha: float = 64
    """What adapters are multiplied by, times their rank."""
    lora_dropout: float = 0.0
    """Share of what adapters read that is left out."""
    lora_targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Matrices with adapters, by the ends of their names."""
    vllm: Literal["none", "colocate", "server"] = "none"
    """What samples: the trainer itself, vLLM on the same GPUs, or a vLLM server."""
    vllm_url: str = "http://127.0.0.1:8000"
    """Address of the server."""
    arguments: str = "{}"
    """Further arguments of TRL's config, JSON: {"beta": 0.001, "lr_scheduler_type": "cosine"}."""
    device: Literal["cuda", "cpu"] = "cuda"
    """Where the model computes."""
    seed: int = 0
    """Seed of problems, arms and sampled tokens."""
    output: Path = Path("runs/trl")
    """Folder of the run."""
    resume: bool = False
    """Whether to continue the run in `output` from its last checkpoint."""

    def __post_init__(self) -> None:
        """Check what nothing else checks."""
        counts = ("num_steps", "num_problems", "group_size", "num_minibatches", "per_device")
        for name in (*counts, "max_tokens", "lora_rank"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")


def from_recipe(path: Path) -> TRLConfig:
    """Return the config in a JSON file; what it leaves out has its default.

    Raises:
        ValueError: If there is no such file, or it has other fields than flags.
    """
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"`recipe` must be a JSON file of flags, got {path}: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"`recipe` must be a JSON file of flags, got {path}")
    names = [field.name for field in fields(TRLConfig) if field.name not in NOT_IN_RECIPES]
    for name in record:
        if name not in names:
            raise ValueError(unknown("recipe field", name, names))
    kept: dict[str, Any] = {name: as_flag(value) for name, value in record.items()}
    return replace(TRLConfig(**kept), recipe=path)


def as_flag(value: Any) -> Any:
    """Return the value of a flag as the config has it: several as a tuple, names as JSON."""
    if isinstance(value, dict):
        return json.dumps(value)
    return tuple(value) if isinstance(value, list) else value


def layout(config: TRLConfig, num_processes: int) -> dict[str, int]:
    """Return how TRL divides a batch, so that it is P problems whatever the number of processes.

    Raises:
        ValueError: If it cannot.
    """
    completions = config.num_problems * config.group_size
    at_once = config.per_device * num_processes
    if completions % (config.num_minibatches * at_once):
        raise ValueError(
            f"`num_problems` times `group_size` must be a multiple of {config.num_minibatches} "
            f"updates of {num_processes} processes with `per_device` = {config.per_device}, "
            f"got {completions}"
        )
    passes = completions // (config.num_minibatches * at_once)
    return {
        "per_device_train_batch_size": config.per_device,
        "gradient_accumulation_steps": passes,
        "steps_per_generation": passes * config.num_minibatches,
        "num_generations": config.group_size,
        "max_steps": config.num_steps * config.num_minibatches,
    }


def sampler(config: TRLConfig, envs: Envs) -> dict[str, Any]:
    """Return the arguments of TRL about what samples; vLLM stops where the frame says."""
    if config.vllm == "none":
        return {}
    base: Any = envs.unwrapped
    stops = {stop for member in base.env.members for stop in member.preset.frame.stop}
    stopped = {"stop": sorted(stops), "include_stop_str_in_output": True} if stops else None
    chosen: dict[str, Any] = {
        "use_vllm": True,
        "vllm_mode": config.vllm,
        "generation_kwargs": stopped,
    }
    if config.vllm == "server":
        chosen["vllm_server_base_url"] = config.vllm_url
    return chosen


def make_arguments(config: TRLConfig, envs: Envs) -> Any:
    """Return the config of TRL's trainer.

    Raises:
        ValueError: If TRL knows no such arguments, or the batch cannot be divided.
    """
    import trl

    kind = {"grpo": trl.GRPOConfig, "rloo": trl.RLOOConfig}[config.algorithm]
    own = {
        **layout(config, int(os.environ.get("WORLD_SIZE", "1"))),
        **sampler(config, envs),
        "output_dir": str(config.output),
        "max_completion_length": config.max_tokens,
        "learning_rate": config.learning_rate,
        "seed": config.seed,
        "use_cpu": config.device == "cpu",
    }
    return kind(**{**own, **read_options(config.arguments)})


def make_envs(config: TRLConfig) -> tuple[TrainConfig, Envs]:
    """Return the environments without a curriculum, and what describes them.

    Raises:
        ValueError: If there are none of that name, or they refuse their arguments.
    """
    for env_id in config.env.split(","):
        check_id(env_id)
    shared = ("env", "env_options", "preset", "curriculum", "num_steps", "num_problems")
    asked: Mapping[str, Any] = {name: getattr(config, name) for name in (*shared, "group_size")}
    described = TrainConfig(**asked, seed=config.seed)
    return described, base_envs(described)


def make_trainer(config: TRLConfig) -> Any:
    """Return the trainer, ready to train.

    Raises:
        ImportError: If TRL, or for adapters peft, is not installed, or TRL is of another version.
        ValueError: If any part of `config` is refused.
    """
    from transformers import AutoTokenizer

    from edgewise.agents.trl import CurriculumGRPOTrainer, CurriculumRLOOTrainer

    check_device(config.device)
    described, envs = make_envs(config)
    tokenizer = AutoTokenizer.from_pretrained(config.model)
    framed = vector.PromptFormat(envs, render=partial(render_chat, tokenizer))
    curriculum = vector.with_rule(framed, rule_for(described, envs), config.pool_size)
    kind = {"grpo": CurriculumGRPOTrainer, "rloo": CurriculumRLOOTrainer}[config.algorithm]
    return kind(
        curriculum,
        config.model,
        make_arguments(config, envs),
        processing_class=tokenizer,
        peft_config=make_adapters(config),
    )


def make_adapters(config: TRLConfig) -> Any:
    """Return the config of the adapters, None if there are none.

    Raises:
        ImportError: If peft is not installed.
    """
    if config.lora_rank is None:
        return None
    return import_peft().LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_targets),
        task_type="CAUSAL_LM",
    )
