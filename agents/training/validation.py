"""What validations say: the best score so far, and whether it is long ago. Imports no torch.

A run scores its validation problems every few steps, writes a line to validation.jsonl, and keeps the
model with the best score in best/, whose edgewise.json has the step and the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgewise.agents.algorithms.config import Fraction, check_value
from edgewise.agents.training.record_fields import Step
from edgewise.agents.training.scores import check_levels
from edgewise.folder import Folder

LINES = "validation.jsonl"
BEST = "best"  # folder of the model
Record = Mapping[str, Any]  # the "step", and scores as `as_records` returns them
NEEDED = ("step", "mean", "mean_ood", "levels")


def read(folder: Folder) -> Iterator[Record]:
    """Yield the validations of a run, none if it made none.

    Raises:
        FileError: If one is damaged, with the path and the line.
    """
    return folder.lines(LINES, NEEDED, check)


def check(record: Record) -> None:
    """Raise ValueError if a validation has no step, no scores of levels or no mean."""
    check_value("step", record["step"], Step)
    check_levels(record)
    for name in ("mean", "mean_ood"):
        check_value(name, record[name], Fraction | None)
    check_value("mean", score_of(record), Fraction)


def score_of(record: Record) -> float:
    """Return the mean pass@1 over the training levels; over the others where there are none."""
    score: float = record["mean_ood"] if record["mean"] is None else record["mean"]
    return score


def best_of(records: Sequence[Record]) -> Record | None:
    """Return the record of the best score, the first of equal ones; None without records."""
    return max(records, key=score_of, default=None)


def num_since_best(records: Sequence[Record]) -> int:
    """Return how many validations have passed since the best score."""
    best = best_of(records)
    return 0 if best is None else len(records) - 1 - list(records).index(best)


def is_exhausted(records: Sequence[Record], patience: int | None) -> bool:
    """Return whether the last `patience` validations were no better than one before; None for never."""
    return patience is not None and num_since_best(records) >= patience


def scalars(records: Sequence[Record]) -> dict[str, float]:
    """Return the last score, of the mean and of each level, and the best so far, by name."""
    best = best_of(records)
    if best is None:
        return {}
    last = records[-1]
    levels = {f"validation/{row['env']} {row['level']}": row["pass_at_1"] for row in last["levels"]}
    return {
        "validation/mean": score_of(last),
        "validation/best": score_of(best),
        "validation/best_step": best["step"],
        **levels,
    }
