"""Records of runs that others train, as of our own, for `edgewise replay` and reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.agents.training import samples
from edgewise.agents.training.parts import arm_names
from edgewise.agents.training.run_folder import RunFolder
from edgewise.provenance import provenance
from edgewise.wrappers.lessons.batch import SCHEMA
from edgewise.wrappers.lessons.kinds import ArmLesson, ProblemLesson
from edgewise.wrappers.rules.rule_record import to_json
from edgewise.wrappers.vector import Curriculum

KEPT = 4  # samples of a batch


@dataclass(frozen=True)
class Said:
    """What a model wrote in a batch: P G completions, group after group."""

    formatted: Sequence[bool]  # whether there is an answer
    ended: Sequence[bool]  # within the token limit
    text: Callable[[int], tuple[str, str]]  # the prompt and the completion in a place


def samples_of(
    step: int,
    curriculum: Curriculum,
    groups: Sequence[Mapping[str, Any]],
    tokens: NDArray[np.int64],
    said: Said,
) -> list[dict[str, Any]]:
    """Return the samples of a batch, chosen as those of our own runs."""
    size = curriculum.lesson.shape[1]
    made = [
        samples.Made(
            group,
            group["rewards"][member],
            group["correct"][member],
            said.formatted[place * size + member],
            group.get("verified", [True] * size)[member],
            said.ended[place * size + member],
        )
        for place, group in enumerate(groups)
        for member in range(size)
    ]
    over_arms = isinstance(curriculum.lesson, ArmLesson)
    counts = tokens.ravel().tolist()
    return samples.chosen_of(
        made, lambda row: (*said.text(row), counts[row]), KEPT, step, over_arms
    )


def have_answers(curriculum: Curriculum, names: Sequence[str], texts: Sequence[str]) -> list[bool]:
    """Return whether each text has an answer in the format of its problem's environment."""
    members = {str(one.identity["env"]): one for one in curriculum.base.env.members}
    return [
        members[json.loads(name)["env"]].extract(text) is not None
        for name, text in zip(names, texts, strict=True)
    ]


def describe(curriculum: Curriculum, **fields: Any) -> dict[str, Any]:
    """Return the config of a run for its folder.

    Args:
        curriculum: Of the run.
        fields: What else there is: "agent", "algorithm", "seed", "num_steps", ...
    """
    lesson: Any = curriculum.lesson
    members = curriculum.base.env.members
    ids = [str(member.identity["env"]) for member in members]
    config = {
        "env": ",".join(ids),
        "curriculum": type(lesson.rule).__name__,
        "preset": members[0].preset_name,
        "num_problems": lesson.shape[0],
        "group_size": lesson.shape[1],
        "rule": to_json(lesson.rule),
        "arms": arm_names(ids, curriculum.base.arms),
        **provenance(),
        **fields,
    }
    if isinstance(lesson, ProblemLesson):
        config["pool"] = lesson.pool()
    return config


def record(
    path: Path,
    step: int,
    curriculum: Curriculum,
    metrics: Mapping[str, float],
    tokens: NDArray[np.int64],
    said: Said,
) -> None:
    """Append a batch to the records, with samples of what the model wrote.

    Args:
        path: The output folder.
        step: The number of the batch, from 1.
        curriculum: Of the run.
        metrics: Of the batch.
        tokens: In each completion, (P, G).
        said: The texts of the completions.
    """
    folder, head = RunFolder(path), {"schema": SCHEMA, "step": step}
    groups = curriculum.records()
    rows = zip(groups, tokens.tolist(), strict=True)
    folder.append("groups.jsonl", [{**head, **group, "num_tokens": row} for group, row in rows])
    folder.append(samples.LINES, samples_of(step, curriculum, groups, tokens, said))
    sizes = {"num_tokens": int(tokens.sum()), "num_extra_rollouts": 0, "num_extra_tokens": 0}
    folder.append("metrics.jsonl", [{"step": step, **metrics, **sizes}])
