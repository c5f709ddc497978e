"""Records of runs that others train, as of our own, for `edgewise replay` and reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.agents.training.parts import arm_names
from edgewise.agents.training.run_folder import RunFolder
from edgewise.provenance import provenance
from edgewise.wrappers.problem_lesson import ProblemLesson
from edgewise.wrappers.record import SCHEMA
from edgewise.wrappers.rules.rule_record import to_json
from edgewise.wrappers.vector import Curriculum


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
) -> None:
    """Append a batch to the records.

    Args:
        path: The output folder.
        step: The number of the batch, from 1.
        curriculum: Of the run.
        metrics: Of the batch.
        tokens: In each completion, (P, G).
    """
    folder, head = RunFolder(path), {"schema": SCHEMA, "step": step}
    rows = zip(curriculum.records(), tokens.tolist(), strict=True)
    folder.append("groups.jsonl", [{**head, **group, "num_tokens": row} for group, row in rows])
    sizes = {"num_tokens": int(tokens.sum()), "num_extra_rollouts": 0, "num_extra_tokens": 0}
    folder.append("metrics.jsonl", [{"step": step, **metrics, **sizes}])
