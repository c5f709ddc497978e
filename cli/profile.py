"""`edgewise profile`: measure how often a model solves each problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from rich.console import Console

from edgewise.agents.policies.chat import is_dated, read_chat_options, today
from edgewise.agents.policies.engine import EnginePolicy
from edgewise.agents.policies.load import load_policy, with_engine
from edgewise.agents.policies.model_card import preset_for
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.soar.pairs import failed, write_halves
from edgewise.agents.training.display import announcer
from edgewise.agents.training.evaluation import asking
from edgewise.agents.training.profile_file import divided, most_levels
from edgewise.agents.training.recipe_file import read_options
from edgewise.agents.training.run_policy import limit_for
from edgewise.benchmarks.evaluation.agent_names import is_scripted
from edgewise.benchmarks.evaluation.plans import ProfilePlan
from edgewise.benchmarks.evaluation.profile import WIDTH, begun_on, profile
from edgewise.benchmarks.evaluation.scripted import scripted
from edgewise.benchmarks.evaluation.spread import Spread, spreading
from edgewise.cli.bar import bars
from edgewise.cli.flags import ProfileConfig
from edgewise.env import unwrap
from edgewise.errors import UsageError, usage
from edgewise.folder import finished
from edgewise.interrupts import repeatable
from edgewise.lock import locked
from edgewise.registration import check_id

BANDS = (  # pass rates, at least and at most, and what they are called
    (0.0, np.nextafter(1.0, 0.0), "not always solved"),
    (0.2, 0.8, "pass rate from .2 to .8"),
)


def run(config: ProfileConfig, arguments: Sequence[str]) -> None:
    """Measure, and say where the borders of the levels are and how to use them."""
    config = with_samples(with_all_problems(config))
    torch.set_num_threads(config.threads)
    with locked(config.output, beside=True), spreading(config.ray) as spread:
        measure(config, spread)


def measure(config: ProfileConfig, spread: Spread | None) -> None:
    """Measure the problems that the output lacks, and print a summary."""
    with usage():
        check_id(config.env)
        options = options_of(config)
        env = unwrap(gym.make(config.env, split=config.plan.split, **options))
        frame = env.preset.frame
        sampling = Sampling(
            max_tokens=config.max_tokens or frame.max_completion_tokens,
            temperature=temperature_of(config),
            stop=frame.stop,
        )
        limit, chat = None, None
        if is_scripted(config.agent):
            plays = None if spread is None else partial(spread.plays, env)
            asker = scripted(config.agent, env, plays)
        else:
            policy = load(config)
            limit = limit_for(policy, sampling, config.max_prompt_tokens)
            chat = policy.learner.chat if isinstance(policy, EnginePolicy) else policy.chat
            asker = asking(
                policy,
                config.env,
                sampling,
                split=config.plan.split,
                render=policy.render,
                batch=WIDTH * config.plan.num_samples,
                **options,
            )
        notes = [] if limit is None else limit.check(env)
    console, before = Console(), size_of(config.output)
    for note in notes:
        say(console, note)
    with bars(console) as add:
        try:
            with repeatable(say=announcer(console)):
                records = profile(
                    asker,
                    config.env,
                    config.plan,
                    sampling,
                    config.output,
                    agent=config.agent,
                    limit=limit,
                    chat=chat,
                    progress=add("problems", 0),
                    **options,
                )
        except ValueError as error:
            raise UsageError(str(error)) from error
    if size_of(config.output) == before:
        say(console, finished(len(records), "problems are measured"))
    for line in summary(config, [record["error_rate"] for record in records]):
        say(console, line)
    if config.fail_at is not None:
        hard, count = failed(records, config.fail_at), config.fail_at
        paths = write_halves(config.output, hard, config.plan.seed)
        say(console, f"{len(hard)} problems fail {count} of {count}: {paths[0]} {paths[1]}")


def say(console: Console, text: str) -> None:
    """Print a line without wrapping or markup."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def size_of(path: Path) -> int | None:
    """Return how many bytes a file has; None if there is none."""
    return path.stat().st_size if path.is_file() else None


def with_samples(config: ProfileConfig) -> ProfileConfig:
    """Ask for as many completions as a problem must fail."""
    if config.fail_at is None:
        return config
    return replace(config, plan=replace(config.plan, num_samples=config.fail_at))


def with_all_problems(config: ProfileConfig) -> ProfileConfig:
    """Apply the settings of the game, if there is one, which asks all problems of a data set."""
    found = config.resolved
    if config.game is None or config.plan.num_problems != ProfilePlan().num_problems:
        return found
    with usage():
        env = unwrap(gym.make(found.env, split=found.plan.split, **options_of(found)))
    levels = env.preset.levels.values()
    counts = [env.task.num_rows(found.plan.split, **params) for params in levels]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):  # of a generator there is no end
        return found
    return replace(found, plan=replace(found.plan, num_problems=max(known)))


def temperature_of(config: ProfileConfig) -> float:
    """Return the temperature of a config that `resolved` returned."""
    assert config.temperature is not None
    return config.temperature


def options_of(config: ProfileConfig) -> dict[str, Any]:
    """Return the keywords of the environment."""
    preset = preset_for(config.agent, config.env, config.preset)
    keywords = read_options(config.env_options, [config.env], config.data)
    return {"preset": preset, "levels": config.levels, **keywords}


def load(config: ProfileConfig) -> TransformersPolicy | EnginePolicy:
    """Load the model and its engine; its chats have the day on which the profile began."""
    policy = load_policy(config.agent, config.dtype, config.device)
    chat = read_chat_options(config.chat_date, config.chat_template_kwargs)
    if is_dated(policy.tokenizer):
        chat = replace(chat, date=chat.date or begun_on(config.output) or today())
    policy.chat = chat
    return with_engine(policy, config.engine, config.engine_folder)


def summary(config: ProfileConfig, errors: Sequence[float]) -> list[str]:
    """Return the counts and borders of the levels, how to train on them, and what bands would keep."""
    num_levels = most_levels(errors, config.num_levels)
    edges, parts = divided(errors, num_levels)
    borders = " ".join(f"{edge:.3f}" for edge in edges)
    counts = " ".join(str(count) for count in np.bincount(parts, minlength=num_levels))
    levels = f', difficulty_column="error_rate", num_levels={num_levels}' if num_levels > 1 else ""
    lines = [f"{len(errors)} problems, mean pass rate {1 - np.mean(errors):.3f}"]
    if num_levels < config.num_levels:
        lines.append(f"no {config.num_levels} levels: too many problems are equally hard")
    return [
        *lines,
        f"levels of {counts} problems, divided at error rates {borders}",
        *bands(errors, config.plan.seed),
        f"profile {config.output}",
        f'gym.make("ProblemSet-v0", data="{config.output}", template="{{problem}}"{levels})',
    ]


def bands(errors: Sequence[float], seed: int) -> list[str]:
    """Return what a selection by pass rate would keep, beside as many problems at random."""
    rates = 1 - np.array(errors)
    lines = []
    for least, most, name in BANDS:
        kept = rates[(rates >= least) & (rates <= most)]
        line = f"{name}: {len(kept)} problems"
        if len(kept):
            others = np.random.default_rng(seed).choice(rates, len(kept), replace=False)
            line += f", mean pass rate {kept.mean():.3f}; as many at random: {others.mean():.3f}"
        lines.append(line)
    return lines
