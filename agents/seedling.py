"""The folder of a seedling: model, tokenizer, recipe, what it was made for, and its model card."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from edgewise.agents.policy import Sampling
from edgewise.agents.pretrain import PretrainConfig, Source
from edgewise.agents.transformers_policy import TransformersPolicy
from edgewise.env import evaluation_set
from edgewise.errors import unknown

ROWS = 256  # that are sampled at once
CARD = """# A seedling for {envs}

A language model of {size:,} parameters, Qwen2 architecture, made by Edgewise to be the start of
experiments with reinforcement learning that take minutes on a CPU. It knows the notation and solves
easy problems often and hard ones rarely. It knows no language.

- Made on {date}, Apache-2.0, by `edgewise pretrain {command}`; the recipe is `recipe.json`, its seed
  {seed}.
- Data: worked solutions of problems of the training split, drawn anew for every row:
  {steps:,} steps of {batch} rows, {rows:,} in all.
{shares}

On {problems} problems of each level of the test split, {samples} completions each at temperature 1:

| env | level | in training | pass@1 | pass@{samples} | formatted | cut off | tokens |
|---|---|---|---|---|---|---|---|
{table}
"""


def packaged(name: str = "countdown") -> Path:
    """Return the folder of a seedling that is part of Edgewise.

    Raises:
        ValueError: If there is none of that name.
    """
    folder = Path(str(files("edgewise.agents"))) / "seedlings"
    names = sorted(path.parent.name for path in folder.glob("*/edgewise.json"))
    if name not in names:
        raise ValueError(unknown("seedling", name, names))
    return folder / name


def presets_of(folder: str | Path) -> dict[str, str]:
    """Return the preset that the model in `folder` was made for, of each environment id."""
    path = Path(folder) / "edgewise.json"
    presets: dict[str, str] = json.loads(path.read_text())["presets"] if path.is_file() else {}
    return presets


def load_recipe(path: str | Path) -> PretrainConfig:
    """Return the configuration in a JSON file; what it leaves out has its default."""
    fields = json.loads(Path(path).read_text())
    if "sources" in fields:
        fields["sources"] = tuple(
            Source(**{**source, "weights": tuple(source["weights"])})
            for source in fields["sources"]
        )
    return PretrainConfig(**fields)


def save_seedling(
    folder: str | Path, config: PretrainConfig, policy: TransformersPolicy, command: str
) -> None:
    """Write the folder of a seedling made from `config`; `command` names the recipe in the card."""
    folder = Path(folder)
    policy.save(folder)
    presets = {source.env: source.preset for source in config.sources}
    (folder / "edgewise.json").write_text(json.dumps({"presets": presets}, indent=2) + "\n")
    (folder / "recipe.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
    shares = [
        f"- {source.env}, preset {source.preset!r}, shares of levels 1, 2, ...: {source.weights}"
        for source in config.sources
    ]
    card = CARD.format(
        envs=", ".join(presets),
        size=sum(parameter.numel() for parameter in policy.parameters()),
        date=date.today().isoformat(),
        command=command,
        seed=config.seed,
        steps=config.num_steps,
        batch=config.batch_size,
        rows=config.num_steps * config.batch_size,
        shares="\n".join(shares),
        problems=config.num_test_problems,
        samples=config.num_test_samples,
        table="\n".join(tabulate(config, policy)),
    )
    (folder / "README.md").write_text(card)


def tabulate(config: PretrainConfig, policy: TransformersPolicy) -> list[str]:
    """Return a row of the card for each environment and level."""
    lines = []
    for source in config.sources:
        env: Any = gym.make(source.env, preset=source.preset, split="test").unwrapped
        for level in env.preset.levels:
            found = measure(policy, env, level, config.num_test_problems, config.num_test_samples)
            training = "no" if level in env.preset.ood else "yes"
            cells = [f"{value:.3f}" for value in list(found.values())[:4]]
            lines.append(
                f"| {source.env} | {level} | {training} | {' | '.join(cells)} "
                f"| {found['num_tokens']:.1f} |"
            )
    return lines


def measure(
    policy: TransformersPolicy, env: Any, level: int, num_problems: int, num_samples: int
) -> dict[str, float]:
    """Answer the evaluation set of a level at temperature 1, and return means over all answers."""
    chosen = evaluation_set(env, level, num_problems)
    problems = [env.pose(options)[0] for options in chosen for _ in range(num_samples)]
    sampling = Sampling(max_tokens=env.preset.frame.max_completion_tokens)
    generator = torch.Generator().manual_seed(0)
    correct, formatted, cut, lengths = list[bool](), list[bool](), list[bool](), list[int]()
    for start in range(0, len(problems), ROWS):
        batch = problems[start : start + ROWS]
        prompts = [env.preset.frame.text(env.prompt(problem)) for problem in batch]
        completions = policy.generate(prompts, sampling, generator)
        outcomes = env.score(batch, [()] * len(batch), completions.texts)
        correct += [outcome.correct for outcome in outcomes]
        formatted += [outcome.formatted for outcome in outcomes]
        ended = torch.isin(completions.tokens, policy.ends) * completions.mask
        cut += (~ended.any(dim=1)).tolist()
        lengths += completions.mask.sum(dim=1).tolist()
    groups = np.reshape(correct, (-1, num_samples))
    return {
        "pass@1": float(groups.mean()),
        f"pass@{num_samples}": float(groups.any(axis=1).mean()),
        "formatted": float(np.mean(formatted)),
        "cut_off": float(np.mean(cut)),
        "num_tokens": float(np.mean(lengths)),
    }
