"""The folder of a seedling: model, tokenizer, recipe, what it was made for, and its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import gymnasium as gym

from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.seedlings.pretrain import PretrainConfig
from edgewise.agents.training.evaluation import EvaluationPlan, LevelScore, evaluate
from edgewise.env import unwrap
from edgewise.fields import build
from edgewise.files import about, read_json, write_atomically
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

| env | level | pretraining share | pass@1 | pass@{k} | formatted | cut off | tokens |
|---|---|---|---|---|---|---|---|
{table}
"""


def load_recipe(path: str | Path) -> PretrainConfig:
    """Return the configuration in a JSON file; what it leaves out has its default.

    Raises:
        FileError: If it is none, or names an environment that is not registered.
    """
    record = read_json(Path(path))
    with about(Path(path)):
        config = build(PretrainConfig, record)
        for source in config.sources:
            check_id(source.env)
    return config


def score(
    config: PretrainConfig, policy: TransformersPolicy, plan: EvaluationPlan
) -> dict[str, list[LevelScore]]:
    """Return the scores on all levels of each environment that `config` names."""
    scores = {}
    for source in config.sources:
        single = unwrap(gym.make(source.env, preset=config.preset))
        sampling = Sampling(max_tokens=single.preset.frame.max_completion_tokens)
        scores[source.env] = evaluate(policy, source.env, plan, sampling, preset=config.preset)
    return scores


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
        "envs": [source.env for source in config.sources],
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
        table="\n".join(tabulate(config, score(config, policy, plan))),
    )
    write_atomically(folder / "README.md", card)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that people read."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def tabulate(config: PretrainConfig, scores: Mapping[str, list[LevelScore]]) -> list[str]:
    """Return a row of the card for each environment and level."""
    total = sum(sum(source.weights) for source in config.sources)
    rows = []
    for source in config.sources:
        for level, found in enumerate(scores[source.env]):
            share = source.weights[level] / total if level < len(source.weights) else 0.0
            rows.append(
                f"| {source.env} | {found.level} | {share:.1%} "
                f"| {found.pass_at_1:.3f} ({found.low:.3f} to {found.high:.3f}) "
                f"| {found.pass_at_k:.3f} | {found.format_rate:.3f} | {found.truncated:.3f} "
                f"| {found.mean_length:.1f} |"
            )
    return rows
