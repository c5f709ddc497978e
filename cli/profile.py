"""`edgewise profile`: measure how often a model solves each problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from edgewise.agents.policies.chat import is_dated, read_chat_options, today
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.model_card import made_for
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Sampler
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.soar.pairs import failed, write_halves
from edgewise.agents.training.display import announcer
from edgewise.agents.training.run_prompts import limit_for
from edgewise.benchmarks.evaluation.profile import ProfilePlan, batches_of, begun_on, profile
from edgewise.benchmarks.evaluation.scripted import is_scripted, scripted
from edgewise.cli.parse import parse
from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import UsageError, usage
from edgewise.frame import Render
from edgewise.interrupts import repeatable
from edgewise.lock import locked
from edgewise.registration import check_id


@dataclass(frozen=True)
class ProfileConfig:
    """Measure the pass rate of each problem, one JSON line a problem; a file that exists goes on."""

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them."""
    agent: str = "seedling"
    """Model to measure with: seedling, seedling:NAME, or hf:PATH for a folder or hub id; or
    simulated:WORLD, a learner of that world of `edgewise compare` at its start."""
    output: Path = Path("profile.jsonl")
    """File for the lines, for `ProblemSet-v0`."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the first."""
    levels: tuple[int, ...] | None = None
    """Levels to measure; all training levels by default."""
    num_levels: int = 4
    """Parts of equal size, by the rate of errors, that are told of at the end."""
    temperature: float = 0.8
    """Temperature at which completions are sampled, E2H's by default."""
    max_tokens: int | None = None
    """Longest completion in tokens; by default the preset's."""
    max_prompt_tokens: int | None = None
    """Longest prompt in tokens; problems with longer ones are left out. By default the preset's; 0 for
    any length."""
    chat_template_kwargs: str = "{}"
    """What the chat template of the model is told, JSON: {"enable_thinking": false}."""
    chat_date: str | None = None
    """Day that chat templates take for today, YYYY-MM-DD; by default that on which it begins."""
    fail_at: int | None = None
    """Also write the problems that are never solved in so many completions, which is then the
    number of completions, in two halves beside the output: -hard-train and -hard-test; SOAR's is 128."""
    plan: ProfilePlan = field(default_factory=ProfilePlan)
    """What is asked of each problem."""
    threads: int = 1
    """Threads of torch."""

    def __post_init__(self) -> None:
        """Check the counts."""
        read_chat_options(self.chat_date, self.chat_template_kwargs)
        if self.max_prompt_tokens is not None and self.max_prompt_tokens < 0:
            raise ValueError(
                f"`max_prompt_tokens` must be at least 0, got {self.max_prompt_tokens}"
            )
        for name in ("num_levels", "max_tokens", "fail_at", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")


def run(arguments: Sequence[str]) -> None:
    """Measure, and say where the borders of the levels are and how to use them."""
    config = with_samples(parse(ProfileConfig, "profile", arguments))
    torch.set_num_threads(config.threads)
    with locked(config.output, beside=True):
        measure(config)


def measure(config: ProfileConfig) -> None:
    """Measure what is missing, and say what was found."""
    with usage():
        check_id(config.env)
        options = options_of(config)
        env = unwrap(gym.make(config.env, split=config.plan.split, **options))
        policy, render = load(config, env)
        frame = env.preset.frame
        sampling = Sampling(
            max_tokens=config.max_tokens or frame.max_completion_tokens,
            temperature=config.temperature,
            stop=frame.stop,
        )
        limit = None
        if isinstance(policy, TransformersPolicy):
            limit = limit_for(policy, sampling, config.max_prompt_tokens)
        notes = [] if limit is None else limit.check(env)
    console = Console()
    for note in notes:
        console.print(note, soft_wrap=True, highlight=False, markup=False)
    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("problems", total=None)
        try:
            with repeatable(say=announcer(console)):
                records = profile(
                    policy,
                    config.env,
                    config.plan,
                    sampling,
                    config.output,
                    agent=config.agent,
                    render=render,
                    limit=limit,
                    chat=policy.chat if isinstance(policy, TransformersPolicy) else None,
                    progress=lambda done, total: bar.update(task, completed=done, total=total),
                    **options,
                )
        except ValueError as error:
            raise UsageError(str(error)) from error
    for line in told(config, [record["error_rate"] for record in records]):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if config.fail_at is not None:
        hard = failed(records, config.fail_at)
        paths = write_halves(config.output, hard, config.plan.seed)
        text = (
            f"{len(hard)} problems fail {config.fail_at} of {config.fail_at}: {paths[0]} {paths[1]}"
        )
        console.print(text, soft_wrap=True, highlight=False, markup=False)


def with_samples(config: ProfileConfig) -> ProfileConfig:
    """Ask for as many completions as a problem must fail."""
    if config.fail_at is None:
        return config
    return replace(config, plan=replace(config.plan, num_samples=config.fail_at))


def options_of(config: ProfileConfig) -> dict[str, Any]:
    """Return the keywords of the environment."""
    made = None
    if not is_scripted(config.agent):
        card = made_for(config.agent)
        made = card["preset"] if config.env in card["envs"] else None
    return {"preset": config.preset or made, "levels": config.levels}


def load(config: ProfileConfig, env: ReasoningEnv) -> tuple[Sampler, Render | None]:
    """Return what answers, and what makes text of the messages of a chat for it."""
    if is_scripted(config.agent):
        posed = [options for groups in batches_of(env, config.plan) for options in groups]
        return scripted(config.agent, env, posed), None
    policy = load_policy(config.agent)
    told = read_chat_options(config.chat_date, config.chat_template_kwargs)
    if is_dated(policy.tokenizer):
        told = replace(told, date=told.date or begun_on(config.output) or today())
    policy.chat = told
    return policy, policy.render


def told(config: ProfileConfig, errors: Sequence[float]) -> list[str]:
    """Return the counts and borders of the levels, and how to train on them."""
    edges = np.quantile(errors, np.arange(1, config.num_levels) / config.num_levels)
    counts = np.bincount(np.digitize(errors, edges), minlength=config.num_levels)
    borders = " ".join(f"{edge:.3f}" for edge in edges)
    return [
        f"{len(errors)} problems, mean pass rate {1 - np.mean(errors):.3f}",
        f"levels of {' '.join(map(str, counts))} problems, divided at error rates {borders}",
        f"profile {config.output}",
        f'gym.make("ProblemSet-v0", data="{config.output}", template="{{problem}}", '
        f'difficulty_column="error_rate", num_levels={config.num_levels})',
    ]
