"""The validations of a run: when they are due, what is recorded, and which model is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edgewise.agents import distributed
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.parts import ValidationPart
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.scores import without_problems
from edgewise.agents.training.tracking import Trackers
from edgewise.agents.training.validation import (
    BEST,
    LINES,
    Record,
    best_of,
    is_exhausted,
    read,
    scalars,
    score_of,
)


class Looks:
    """Scores the model of a run every few steps, and keeps it where it is the best so far."""

    def __init__(
        self,
        part: ValidationPart | None,
        folder: RunFolder,
        evaluate: Callable[[EvaluationPlan], dict[str, Any]],
        keep: Callable[[float], None],
    ) -> None:
        """Read the validations that were made.

        Args:
            part: When and what; None for never.
            folder: Of the run.
            evaluate: Scores the model as it is, as records; on all ranks the same.
            keep: Keeps the model as it is, whose score is given, in best/, after a checkpoint of it.
        """
        self.part, self.folder, self.evaluate, self.keep = part, folder, evaluate, keep
        self.records: list[Record] = distributed.run_on_rank0(self.read)

    def read(self) -> list[Record]:
        """Return the records in the folder.

        Raises:
            FileError: If a line is damaged.
        """
        return list(read(self.folder))

    @property
    def exhausted(self) -> bool:
        """Return whether there was no better score for as long as the run has patience."""
        return self.part is not None and is_exhausted(self.records, self.part.patience)

    def after(self, step: int, trackers: Trackers | None) -> dict[str, float]:
        """Score the model if it is time and this was not done, and keep it if it is the best so far.

        The checkpoint of the best step is written before its model: a run never continues from a
        step before it, and one that was killed between the two writes the model when it continues.

        Args:
            step: Steps that were done.
            trackers: Of the run, on rank 0.

        Returns:
            The scores by name; none if it is not time.
        """
        if self.part is None or step % self.part.every:
            return {}
        if all(record["step"] != step for record in self.records):
            began = time.perf_counter()
            scores = without_problems(self.evaluate(self.part.plan))
            record = {"step": step, **scores, "time/seconds": time.perf_counter() - began}
            self.records.append(distributed.broadcast_from_rank0(record))
            if distributed.rank() == 0:
                self.folder.append(LINES, [record])
        best = best_of(self.records)
        if best is not None and best["step"] == step != distributed.run_on_rank0(self.kept_step):
            self.keep(score_of(best))
        found = scalars(self.records)
        if trackers is not None:
            trackers.log(step, found)
        return found

    def kept_step(self) -> int | None:
        """Return the step of the model in best/, None if there is none.

        Raises:
            FileError: If its card is damaged.
        """
        card = self.folder.read(f"{BEST}/edgewise.json") or {}
        step: int | None = card.get("step")
        return step
