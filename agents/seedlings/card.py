"""The folder of a seedling: model, tokenizer, recipe, what it was made for, and its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any

import gymnasium as gym

from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.seedlings.pretrain import PretrainConfig
from edgewise.agents.training.evaluation import evaluate
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.scores import LevelScore
from edgewise.agents.training.sheet import Sheet
from edgewise.env import unwrap
from edgewise.fields import build
from edgewise.files import about, read_json, write_atomically
from edgewise.names import read_keywords
from edgewise.registration import check_id

CARD = """# A seedling for {envs}

A language model of {size:,} parameters, Qwen2 architecture, made by Edgewise to be the start of
experiments with reinforcement learning that take minutes on a CPU. It knows the notation, solves
easy problems often and hard ones rarely, and knows no language.

- Made on {date} by `{command}`; the recipe is `recipe.json`, its seed {seed}. Apache-2.0.
- Data: prompts with worked solutions, drawn anew for each row from the training split of preset
  {preset!r}: {steps:,} steps of {batch} rows, {rows:,} rows in all.

On the first {problems} problems of each level of the test split, at temperature 1, before any
reinforcement learning (pass@1 is a mean over {samples} completions of each, with its 95 % interval;
pass@{k} is over {k} completions of each of the first {deep}):

{table}
"""


def load_recipe(path: str | Path) -> PretrainConfig:
    """Read a pretraining recipe from a JSON file; missing fields get their defaults.

    Raises:
        FileError: If it is none, or names an environment that is not registered.
    """
    record = read_json(Path(path))
    with about(Path(path)):
        config = build(PretrainConfig, record)
        for source in config.sources:
            check_id(source.env)
            read_keywords(source.env, source.options, "options")
    return config


def score(
    config: PretrainConfig, policy: TransformersPolicy, plan: EvaluationPlan
) -> list[list[LevelScore]]:
    """Return the scores on all levels of each environment of `config`, see `environments`."""
    scores = []
    for env_id, own, _ in environments(config):
        options = {"preset": config.preset, **own}
        single = unwrap(gym.make(env_id, **options))
        sampling = Sampling(max_tokens=single.preset.frame.max_completion_tokens)
        scores.append(evaluate(policy, env_id, plan, sampling, **options))
    return scores


def environments(
    config: PretrainConfig,
) -> list[tuple[str, Mapping[str, Any], tuple[float, ...]]]:
    """List environments with their keywords, each once, and the weights of their levels over all sources."""
    found: dict[str, tuple[str, Mapping[str, Any], tuple[float, ...]]] = {}
    for source in config.sources:
        place = json.dumps([source.env, source.options], sort_keys=True)
        before = found[place][2] if place in found else ()
        weights = zip_longest(before, source.weights, fillvalue=0.0)
        found[place] = (source.env, source.options, tuple(map(sum, weights)))
    return list(found.values())


def save_seedling(
    folder: str | Path,
    config: PretrainConfig,
    policy: TransformersPolicy,
    plan: EvaluationPlan,
    command: str,
) -> None:
    """Write the folder of a seedling made from `config` by `command`, scored by `plan`."""
    folder = Path(folder)
    policy.save(folder)
    made_for = {
        "envs": list(dict.fromkeys(source.env for source in config.sources)),
        "preset": config.preset,
        "train": asdict(config.train),
    }
    write(folder / "edgewise.json", made_for)
    write(folder / "recipe.json", asdict(config))
    card = CARD.format(
        envs=", ".join(made_for["envs"]),
        size=sum(parameter.numel() for parameter in policy.parameters()),
        date=date.today().isoformat(),
        command=command,
        seed=config.seed,
        preset=config.preset,
        steps=config.total_steps,
        batch=config.batch_size,
        rows=config.total_steps * config.batch_size,
        problems=plan.num_problems,
        samples=plan.num_samples,
        k=plan.k,
        deep=plan.num_pass_k,
        table="\n".join(tabulate(config, score(config, policy, plan), plan.k)),
    )
    write_atomically(folder / "README.md", card)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that people read."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def tabulate(config: PretrainConfig, scores: Sequence[Sequence[LevelScore]], k: int) -> list[str]:
    """Return the table of the card, with a row for each environment and level."""
    total = sum(sum(source.weights) for source in config.sources)
    rows = []
    for (env_id, own, weights), levels in zip(environments(config), scores, strict=True):
        options = f" {json.dumps(own)}" if own else ""
        for level, found in enumerate(levels):
            share = weights[level] / total if level < len(weights) else 0.0
            rows.append(
                [
                    f"{env_id}{options}",
                    str(found.level),
                    f"{share:.1%}",
                    f"{found.pass_at_1:.3f} ({found.low:.3f} to {found.high:.3f})",
                    *(f"{rate:.3f}" for rate in (found.pass_at_k, found.format_rate)),
                    f"{found.truncated:.3f}",
                    f"{found.mean_length:.1f}",
                ]
            )
    header = ["env", "level", "pretraining share", "pass@1", f"pass@{k}"]
    return Sheet("", [*header, "formatted", "cut off", "tokens"], rows).markdown()
