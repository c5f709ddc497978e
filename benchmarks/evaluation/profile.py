"""How often a policy solves each problem, one JSON line a problem, so that levels can be made of it.

The count of errors in n samples is what E2H (Parashar et al., 2025, arXiv 2506.06632) makes levels
of, at its quantiles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from edgewise.agents.algorithms.rollout import Envs, collect
from edgewise.agents.policies.chat import ChatOptions
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Sampler
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.env import unwrap
from edgewise.files import read_jsonl, writable, write_atomically
from edgewise.frame import Render
from edgewise.interrupts import Stopped
from edgewise.interrupts import asked as asked_to_stop
from edgewise.pool import TooManyUnverified
from edgewise.wrappers import vector

WIDTH = 32  # problems answered at once
Record = dict[str, Any]


@dataclass(frozen=True)
class ProfilePlan:
    """What is asked of each problem."""

    split: str = "train"
    """Split of the problems: train, validation or test."""
    num_problems: int = 1_000
    """Problems of each level, the first ones; fewer if a data set has no more."""
    num_samples: int = 8
    """Completions of each problem."""
    seed: int = 0
    """Seed of the sampled tokens."""

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("num_problems", "num_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")


def profile(
    policy: Sampler,
    env_id: str,
    plan: ProfilePlan,
    sampling: Sampling,
    path: Path,
    *,
    agent: str,
    render: Render | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    limit: PromptLimit | None = None,
    chat: ChatOptions | None = None,
    **env_options: Any,
) -> list[Record]:
    """Measure each problem that `path` has no line of yet, and return the records of all.

    A batch of problems has its own seed, so that a profile that was stopped goes on as if it had not
    been. Problems whose prompts do not fit are left out.

    Args:
        policy: Answers.
        env_id: A registered environment of one task.
        plan: Split, counts and seed.
        sampling: How completions are drawn.
        path: Where a line for each problem is added as soon as its batch is measured.
        agent: What the policy is called in the lines; those of another are not gone on with.
        render: Turns the messages of a chat into text, for `PromptFormat`.
        progress: Called with how many problems are done, of how many.
        limit: How long prompts may be; by default anything.
        chat: What the model's chat template is told, for the lines.
        env_options: Keywords of the environment, such as `levels` and `preset`.

    Raises:
        Stopped: After a batch, if the user asked to stop.
        ValueError: If `path` has lines of another profile.
    """
    base = unwrap(gym.make(env_id, split=plan.split, **env_options))
    posed = list(batches_of(base, plan))
    batches = posed if limit is None else [list(limit.fitting(base, part)) for part in posed]
    asked = described(agent, sampling, plan, chat)
    records = resume(path, base, asked, batches)
    total, done = sum(map(len, batches)), 0
    with path.open("a", encoding="utf-8") as file:
        for place, groups in enumerate(batches):
            done += len(groups)
            if groups and done > len(records):
                generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + place)
                envs: Envs = gym.make_vec(
                    env_id,
                    num_envs=len(groups) * plan.num_samples,
                    group_size=plan.num_samples,
                    split=plan.split,
                    **env_options,
                )
                envs = vector.PromptFormat(envs, render=render)
                options = {"groups": [dict(group) for group in groups]}
                rollout = collect(envs, policy, sampling, generator, options=options)
                verified = rollout.verified.sum(dim=1).tolist()
                right = rollout.correct.sum(dim=1).tolist()
                fresh = [
                    record_of(base, asked, options, rate_of(*counts), plan.num_samples - counts[1])
                    for options, *counts in zip(groups, right, verified, strict=True)
                ]
                with writable(path):
                    file.write("".join(json.dumps(record) + "\n" for record in fresh))
                    file.flush()
                records += fresh
            progress(done, total)
            if asked_to_stop() and done < total:
                raise Stopped
    return records


def described(
    agent: str, sampling: Sampling, plan: ProfilePlan, chat: ChatOptions | None
) -> Record:
    """Return what every line says of how its problem was answered."""
    asked = {
        "agent": agent,
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "num_samples": plan.num_samples,
        "seed": plan.seed,
    }
    if chat is not None and chat.kwargs:
        asked["chat_template_kwargs"] = dict(chat.kwargs)
    if chat is not None and chat.date:
        asked["chat_date"] = chat.date
    return asked


def begun_on(path: Path) -> str | None:
    """Return the day that a profile says its chats have; None where it says none."""
    try:
        with path.open(encoding="utf-8") as file:
            day = json.loads(file.readline())["chat_date"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return day if isinstance(day, str) else None


def batches_of(base: Any, plan: ProfilePlan) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the options of the problems, those of one level at once, at most WIDTH."""
    for level in base.levels:
        rows = base.task.num_rows(base.split, **base.preset.levels[level])
        count = plan.num_problems if rows is None else min(rows, plan.num_problems)
        options: list[Mapping[str, Any]] = [
            {"level": level, "params": {}, "problem_seed": seed} for seed in range(count)
        ]
        yield from (options[first : first + WIDTH] for first in range(0, count, WIDTH))


def rate_of(right: int, verified: int) -> float:
    """Return the share of right completions among those that were verified.

    Raises:
        TooManyUnverified: If none was.
    """
    if not verified:
        raise TooManyUnverified("no completion of a problem could be verified; go on later")
    return right / verified


def record_of(
    base: Any, asked: Record, options: Mapping[str, Any], rate: float, unverified: int = 0
) -> Record:
    """Return what is written of one problem; `question` is the whole prompt."""
    problem, info = base.pose(options)
    lost = {"unverified": unverified} if unverified else {}  # completions that do not count
    return {
        "problem": json.loads(info["problem"]),
        "question": base.prompt(problem),
        "answer": base.task.solve(problem),
        "level": options["level"],
        **asked,
        "pass_rate": rate,
        "error_rate": 1 - rate,
        **lost,
    }


def resume(
    path: Path, base: Any, asked: Record, batches: Sequence[Sequence[Mapping[str, Any]]]
) -> list[Record]:
    """Return the records of the batches that are whole, and cut off what follows them.

    Raises:
        FileError: If a line is damaged.
        ValueError: If there are more records, or others, than those of this environment and plan.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return []
    refusal = f"`output` must be new, or a profile with the same flags, got {path}"
    options = [group for groups in batches for group in groups]
    records = list(read_jsonl(path))
    if len(records) > len(options):
        raise ValueError(f"{refusal} of {len(records)} problems, more than {len(options)}")
    for record, group in zip(records, options, strict=False):
        measured = record.get("pass_rate", 0.0), record.get("unverified", 0)
        expected = record_of(base, asked, group, *measured)
        for name in {**expected, **record}:
            if record.get(name) != expected.get(name):
                raise ValueError(f"{refusal} with another {name}")
    ends = np.cumsum([0, *map(len, batches)])
    last = int(ends[ends <= len(records)].max())
    write_atomically(path, "".join(json.dumps(record) + "\n" for record in records[:last]))
    return records[:last]
