"""`edgewise eval`: score a model on the levels of an environment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import torch
from rich.console import Console

import edgewise
from edgewise.agents.clean import check_model
from edgewise.agents.commands.parse import parse
from edgewise.agents.display import score_line
from edgewise.agents.env_options import read_options
from edgewise.agents.evaluation import EvaluationPlan, as_records, evaluate
from edgewise.agents.models import Precision, load_policy, made_for
from edgewise.agents.policy import Sampler, Sampling
from edgewise.agents.scripted import is_scripted, scripted
from edgewise.env import ReasoningEnv
from edgewise.errors import UsageError, usage
from edgewise.frame import Render
from edgewise.registration import check_id


@dataclass(frozen=True)
class EvalConfig:
    """Score a model on each level of an environment: pass@1 with a 95 % interval, and pass@k."""

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them."""
    agent: str = "seedling"
    """Model to score: seedling, seedling:NAME, or hf:PATH for a folder or hub id; or oracle, which
    gives the right answers, constant:TEXT, which always answers TEXT, or simulated:WORLD, which is
    right about as often as a learner of that world of `edgewise compare` at its start."""
    data: str | None = None
    """Folder or file of an environment that reads data, or hub; by default EDGEWISE_DATA."""
    env_options: str = "{}"
    """Further keywords of the environment, JSON: {"partition": "soar"}, {"interactive": true}."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the first."""
    levels: tuple[int, ...] | None = None
    """Levels to score; all by default, also those kept out of training."""
    temperature: float | None = None
    """Temperature at which completions are sampled, 0 for greedy; by default the preset's."""
    max_tokens: int | None = None
    """Longest completion in tokens; by default the preset's."""
    plan: EvaluationPlan = field(default_factory=EvaluationPlan)
    """What is asked of each level."""
    output: Path | None = None
    """JSON file for the scores, which must not exist."""
    dtype: Precision = "float32"
    """Precision of the weights."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model computes."""
    threads: int = 1
    """Threads of torch."""


def run(arguments: Sequence[str]) -> None:
    """Score, print a line for each level, and write the scores if asked."""
    config = parse(EvalConfig, "eval", arguments)
    if config.output is not None and config.output.exists():
        raise UsageError(f"`output` must not exist, got {config.output}; name another")
    torch.set_num_threads(config.threads)
    with usage():
        check_id(config.env)
        options = options_of(config)
        levels = config.levels
        env: Any = gym.make(config.env, split=config.plan.split, levels=levels, **options).unwrapped
        if not is_scripted(config.agent):
            check_model(config.agent, config.env, split=config.plan.split, **options)
        policy, render = load(config, env)
    preset, temperature = env.preset, config.temperature
    console = Console()
    scores = evaluate(
        policy,
        config.env,
        config.plan,
        Sampling(
            max_tokens=config.max_tokens or preset.frame.max_completion_tokens,
            temperature=preset.protocol.temperature if temperature is None else temperature,
            top_p=preset.protocol.top_p,
            stop=preset.frame.stop,
        ),
        levels=levels,
        render=render,
        progress=lambda score: console.print(score_line(score), soft_wrap=True, highlight=False),
        **options,
    )
    if config.output is not None:
        write(config.output, {"config": asdict(config), **as_records(scores)})
        console.print(f"scores {config.output}", soft_wrap=True, highlight=False)


def options_of(config: EvalConfig) -> dict[str, Any]:
    """Return the keywords of the environment."""
    made = None
    if config.preset is None and not is_scripted(config.agent):
        card = made_for(config.agent)
        made = card["preset"] if config.env in card["envs"] else None
    return {"preset": config.preset or made, **read_options(config.env_options, config.data)}


def load(config: EvalConfig, env: ReasoningEnv) -> tuple[Sampler, Render | None]:
    """Return what answers, and what makes text of the messages of a chat for it."""
    if is_scripted(config.agent):
        posed = [
            options
            for level in config.levels or env.preset.levels
            for options in edgewise.evaluation_set(env, level, config.plan.num_problems)
        ]
        return scripted(config.agent, env, posed), None
    policy = load_policy(config.agent, config.dtype, config.device)
    return policy, policy.render


def write(path: Path, record: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
    os.replace(partial, path)
