"""How often a policy solves each problem, one JSON line a problem, so that levels can be made of it.

The count of errors in n samples is what E2H (Parashar et al., 2025, arXiv 2506.06632) makes levels
of, at its quantiles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from edgewise.agents.algorithms.config import Fraction
from edgewise.agents.policies.chat import ChatOptions
from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.agents.training.record_fields import Natural, checked
from edgewise.agents.training.scores import Asker
from edgewise.benchmarks.evaluation.plans import ProfilePlan
from edgewise.env import unwrap
from edgewise.folder import JsonLines
from edgewise.interrupts import Stopped
from edgewise.interrupts import asked as asked_to_stop
from edgewise.pool import TooManyUnverified

WIDTH = 32  # problems answered at once
Record = dict[str, Any]


def profile(
    asker: Asker,
    env_id: str,
    plan: ProfilePlan,
    sampling: Sampling,
    path: Path,
    *,
    agent: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    limit: PromptLimit | None = None,
    chat: ChatOptions | None = None,
    **env_options: Any,
) -> list[Record]:
    """Measure each problem that `path` has no line of yet, and return the records of all.

    A batch of problems has its own seed, so that a profile that was stopped goes on as if it had not
    been. Problems whose prompts do not fit are left out.

    Args:
        asker: Answers; of each batch it begins anew, with a seed of its own.
        env_id: A registered environment of one task.
        plan: Split, counts and seed.
        sampling: How completions are drawn, for the lines.
        path: Where a line for each problem is added as soon as its batch is measured.
        agent: What the asker is called in the lines; those of another are not gone on with.
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
    if not posed:
        raise ValueError(f"`split` must have problems, got none of {env_id} in {plan.split}")
    batches = posed if limit is None else [list(limit.fitting(base, part)) for part in posed]
    asked = described(agent, sampling, plan, chat)
    file = JsonLines(path, check=checked({"pass_rate": Fraction, "unverified": Natural}))
    records = resume(file, base, asked, batches)
    total, done = sum(map(len, batches)), 0
    file.append([])  # an empty profile is a file, too
    for place, groups in enumerate(batches):
        done += len(groups)
        if groups and done > len(records):
            found = asker(plan.seed * 1_000_003 + place)(groups, plan.num_samples)
            counts = zip(found.num_correct.tolist(), found.num_verified.tolist(), strict=True)
            fresh = [
                record_of(base, asked, options, rate_of(right, seen), plan.num_samples - seen)
                for options, (right, seen) in zip(groups, counts, strict=True)
            ]
            file.append(fresh)
            records += fresh
        progress(done, total)
        if asked_to_stop() and done < total:
            raise Stopped
    return records


def described(
    agent: str, sampling: Sampling, plan: ProfilePlan, chat: ChatOptions | None
) -> Record:
    """Build the settings that every line records."""
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
    """Build the line of one problem; `question` is the whole prompt."""
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
    file: JsonLines, base: Any, asked: Record, batches: Sequence[Sequence[Mapping[str, Any]]]
) -> list[Record]:
    """Return the records of the batches that are whole, and cut off what follows them.

    Raises:
        FileError: If a line is damaged.
        ValueError: If there are more records, or others, than those of this environment and plan.
    """
    if not file.path.exists():
        file.path.parent.mkdir(parents=True, exist_ok=True)
        return []
    refusal = f"`output` must be new, or a profile with the same flags, got {file.path}"
    options = [group for groups in batches for group in groups]
    records = list(file.read())
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
    file.rewrite(records[:last])
    return records[:last]
