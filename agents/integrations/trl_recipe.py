"""A whole training run with TRL under a curriculum, from the settings of a recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from edgewise.agents.algorithms.rollout import Envs
from edgewise.agents.policies.chat import encode_prompt, read_chat_options, render_chat, today
from edgewise.agents.policies.load import check_device
from edgewise.agents.policies.lora import import_peft
from edgewise.agents.policies.room import positions_of
from edgewise.agents.policies.weights import ATTENTION, SAFE, refuse_kernels, refuse_unsafe
from edgewise.agents.training.config import TrainConfig, read_object
from edgewise.agents.training.prompt_limit import UNLIMITED, PromptLimit
from edgewise.agents.training.recipe_file import read_recipe
from edgewise.agents.training.run import base_envs, rule_for
from edgewise.agents.training.run_folder import RunFolder
from edgewise.errors import shown, unknown
from edgewise.frame import Render
from edgewise.registration import check_id
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers import vector

NOT_IN_ARGUMENTS = {  # they run code of others, or send or write something elsewhere
    "trust_remote_code",
    "push_to_hub",
    "hub_token",
    "log_completions_hub_repo",
    "output_dir",
}
MODEL_ARGUMENTS = ("dtype", "torch_dtype", "attn_implementation", "revision", "device_map")


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
    max_prompt_tokens: int | None = None
    """Longest prompt in tokens; problems with longer ones are left out. By default the preset's; 0 for
    any length."""
    chat_template_kwargs: str = "{}"
    """What the chat template of the model is told, JSON: {"enable_thinking": false}."""
    chat_date: str | None = None
    """Day that chat templates take for today, YYYY-MM-DD; by default that on which the run begins."""
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
        read_chat_options(self.chat_date, self.chat_template_kwargs)
        if self.max_prompt_tokens is not None and self.max_prompt_tokens < 0:
            raise ValueError(
                f"`max_prompt_tokens` must be at least 0, got {self.max_prompt_tokens}"
            )
        counts = ("num_steps", "num_problems", "group_size", "num_minibatches", "per_device")
        for name in (*counts, "max_tokens", "lora_rank"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")


def from_recipe(path: Path) -> TRLConfig:
    """Return the config in a JSON file; what it leaves out has its default.

    Raises:
        FileError: If there is no such file, or it has other fields than flags, or a value is refused.
    """
    return read_recipe(TRLConfig, path)


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
    base = unwrap_vector(envs)
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
    return kind(**{**own, **read_arguments(config.arguments)})


def read_arguments(text: str) -> dict[str, Any]:
    """Return further arguments of TRL's config, whose model is loaded from safetensors, without code.

    Raises:
        ValueError: If `text` is no JSON object, or asks for a model to be loaded otherwise.
    """
    arguments = read_object(text, "arguments")
    for name in NOT_IN_ARGUMENTS & arguments.keys():
        raise ValueError(f"`arguments` must be without {name!r}, which a recipe may not decide")
    given = arguments.get("model_init_kwargs") or {}
    if not isinstance(given, dict):
        raise ValueError(f"`arguments.model_init_kwargs` must be an object, got {shown(given)}")
    for name, value in given.items():
        if name not in MODEL_ARGUMENTS or not (value is None or type(value) in (str, int, bool)):
            raise ValueError(unknown("arguments.model_init_kwargs", name, MODEL_ARGUMENTS))
    if given.get("attn_implementation", "eager") not in ATTENTION:  # others are code on the hub
        name = "arguments.model_init_kwargs.attn_implementation"
        raise ValueError(unknown(name, given["attn_implementation"], ATTENTION))
    return {**arguments, "model_init_kwargs": {**given, **SAFE}}


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
    from transformers import AutoConfig, AutoTokenizer

    from edgewise.agents.integrations.trl import CurriculumGRPOTrainer, CurriculumRLOOTrainer

    check_device(config.device)
    described, envs = make_envs(config)
    refuse_unsafe(config.model)
    refuse_kernels(config.model)
    tokenizer = AutoTokenizer.from_pretrained(config.model, trust_remote_code=False)
    chat = read_chat_options(chat_date_of(config), config.chat_template_kwargs)
    render = partial(render_chat, tokenizer, options=chat)
    limit_prompts(
        config,
        envs,
        tokenizer,
        render,
        AutoConfig.from_pretrained(config.model, trust_remote_code=False),
    )
    framed = vector.PromptFormat(envs, render=render)
    curriculum = vector.with_rule(framed, rule_for(described, envs), config.pool_size)
    kind = {"grpo": CurriculumGRPOTrainer, "rloo": CurriculumRLOOTrainer}[config.algorithm]
    trainer: Any = kind(
        curriculum,
        config.model,
        make_arguments(config, envs),
        processing_class=tokenizer,
        peft_config=make_adapters(config),
    )
    trainer.describe(
        chat_date=chat.date,
        chat_template_kwargs=config.chat_template_kwargs,
        max_prompt_tokens=config.max_prompt_tokens,
    )
    return trainer


def chat_date_of(config: TRLConfig) -> str | None:
    """Return the day that chat templates take for today: that on which a run that goes on began."""
    if not config.resume:
        return config.chat_date or today()
    begun: Any = RunFolder(config.output).read("config.json")
    return config.chat_date or (begun or {}).get("chat_date")


def limit_prompts(
    config: TRLConfig, envs: Envs, tokenizer: Any, render: Render, model: Any
) -> None:
    """Draw again what does not fit the model of that config, and say what was seen of it.

    Raises:
        ValueError: If no problem of an arm fits.
    """
    if config.max_prompt_tokens == UNLIMITED:
        return
    base = unwrap_vector(envs)
    tokens_of = partial(encode_prompt, tokenizer)
    places = positions_of(model), config.max_tokens, config.max_prompt_tokens
    limit = PromptLimit(tokens_of, render, *places)
    for member in base.env.members:
        for line in limit.check(member):
            print(line)
    limit.screen(base.env)


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
