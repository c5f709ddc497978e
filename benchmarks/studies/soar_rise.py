"""Does the teacher of SOAR learn: is its reward higher in the last outer steps than in the first?

`python -m edgewise.benchmarks.studies.soar_rise RUN ...` compares, for each run, the mean reward of the
last five outer steps with that of the first five, with Welch's interval of 95 % over steps. Rewards of
steps on both sides of a promotion are not comparable, since they are gains over different baselines;
runs with one in between are marked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_ind

from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.sheet import Sheet

STEPS = 5  # at either end


@dataclass(frozen=True)
class Rise:
    """The reward of a teacher at both ends of its run."""

    name: str
    num_steps: int
    first: float
    last: float
    low: float  # of the 95 % interval of the difference
    high: float
    promoted: bool

    @property
    def rises(self) -> bool:
        """Return whether the interval is above 0."""
        return self.low > 0


def rise_of(name: str, metrics: Sequence[dict[str, Any]]) -> Rise:
    """Compare the ends of a run.

    Raises:
        ValueError: If it has too few steps for ends that do not overlap.
    """
    if len(metrics) < 2 * STEPS:
        raise ValueError(
            f"`runs` must have at least {2 * STEPS} steps each, got {len(metrics)} in {name}"
        )
    rewards = np.array([row["reward"] for row in metrics])
    first, last = rewards[:STEPS], rewards[-STEPS:]
    low, high = ttest_ind(last, first, equal_var=False).confidence_interval(0.95)
    promoted = any(row.get("promoted") for row in metrics[:-1])
    return Rise(
        name,
        len(metrics),
        float(first.mean()),
        float(last.mean()),
        float(low),
        float(high),
        promoted,
    )


def sheet(rises: Sequence[Rise]) -> Sheet:
    """Return the table of all runs."""
    rows = [
        [
            rise.name, str(rise.num_steps), f"{rise.first:+.4f}", f"{rise.last:+.4f}",
            f"{rise.last - rise.first:+.4f} [{rise.low:+.4f}, {rise.high:+.4f}]",
            "yes" if rise.rises else "no", "yes" if rise.promoted else "no",
        ]
        for rise in rises
    ]  # fmt: skip
    header = ["run", "steps", "first five", "last five", "difference", "rises", "promotions"]
    return Sheet("", header, rows)


def main() -> None:
    """Print the table of the runs that are named."""
    rises = []
    for path in map(Path, sys.argv[1:]):
        rows = list(RunFolder.open(path).lines("metrics.jsonl", ("step", "reward")))
        rises.append(rise_of(path.name, rows))
    print("\n".join(sheet(rises).markdown()))
    print(f"\n{sum(rise.rises for rise in rises)} of {len(rises)} rise")


if __name__ == "__main__":
    main()
