"""Build TRL's trainer with a curriculum from the config of a run."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import torch

from edgewise.agents.algorithms.rollout import Envs
from edgewise.agents.integrations.trl_config import TRLConfig
from edgewise.agents.policies.chat import encode_prompt, read_chat_options, render_chat, today
from edgewise.agents.policies.load import check_device
from edgewise.agents.policies.lora import import_peft, refuse_tied
from edgewise.agents.policies.room import positions_of
from edgewise.agents.policies.weights import (
    ATTENTION,
    SAFE,
    refuse_adapters,
    refuse_kernels,
    refuse_unsafe,
)
from edgewise.agents.training.prompt_limit import UNLIMITED, PromptLimit
from edgewise.agents.training.recipe_file import read_object
from edgewise.agents.training.run_folder import RunFolder
from edgewise.errors import shown, unknown
from edgewise.files import replacing
from edgewise.frame import Render
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


def layout(config: TRLConfig, num_processes: int) -> dict[str, int]:
    """Return TRL's batch arguments, so that a batch is P problems for any number of processes.

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
    """Return TRL's sampling arguments; vLLM stops at the stop strings of the frame."""
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
    """Parse further arguments of TRL's config; models are loaded from safetensors, without code.

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


def make_trainer(config: TRLConfig) -> Any:
    """Return the trainer, ready to train.

    Raises:
        ImportError: If TRL, or for adapters peft, is not installed, or TRL is of another version.
        ValueError: If any part of `config` is refused.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from edgewise.agents.integrations.trl import CurriculumGRPOTrainer, CurriculumRLOOTrainer

    check_device(config.device)
    envs = config.envs()
    refuse_unsafe(config.model)
    refuse_adapters(config.model)
    refuse_kernels(config.model)
    tokenizer = AutoTokenizer.from_pretrained(config.model, trust_remote_code=False)
    settings = AutoConfig.from_pretrained(config.model, trust_remote_code=False)
    if config.lora_rank is not None:
        with torch.device("meta"):  # no weights are needed
            auto: Any = AutoModelForCausalLM
            refuse_tied(auto.from_config(settings), config.lora_targets)
    chat = read_chat_options(chat_date_of(config), config.chat_template_kwargs)
    render = partial(render_chat, tokenizer, options=chat)
    limit_prompts(
        config,
        envs,
        tokenizer,
        render,
        settings,
    )
    framed = vector.PromptFormat(envs, render=render)
    curriculum = vector.with_rule(framed, config.rule.make(envs), config.pool_size)
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


def save_model(trainer: Any, path: Path, adapted: bool) -> None:
    """Write the trained model to `path`, with its adapters merged into it.

    Where FSDP or DeepSpeed hold a part of the weights in each process, TRL writes the adapters alone.
    """
    if not adapted or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        trainer.save_model(str(path))
    elif trainer.is_world_process_zero():
        merged = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()
        with replacing(path) as partial:
            merged.save_pretrained(partial)
            trainer.processing_class.save_pretrained(partial)


def chat_date_of(config: TRLConfig) -> str | None:
    """Return the date for chat templates; that of a resumed run is the day it began."""
    if not config.resume:
        return config.chat_date or today()
    begun: Any = RunFolder(config.output).read("config.json")
    return config.chat_date or (begun or {}).get("chat_date")


def limit_prompts(
    config: TRLConfig, envs: Envs, tokenizer: Any, render: Render, model: Any
) -> None:
    """Make environments redraw problems whose prompts do not fit the model, and print notes.

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
