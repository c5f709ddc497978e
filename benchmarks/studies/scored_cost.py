"""What a token costs that is only scored, in tokens that are generated and trained on.

    python -m edgewise.benchmarks.studies.scored_cost --plan benchmarks/plans/beds.json

Rules that learn after an update score a batch once more, which a comparison at equal tokens has to
charge them for. On each bed of a plan MT-GRPO trains for some steps with plain GRPO, and CPU-seconds
are counted (`time.process_time`), those of the extra forward pass apart from all others: sampling,
verification, the update and the rule. The cost is

    seconds of the extra pass / tokens scored    by    all other seconds / tokens generated,

sums over the steps, the first left out. The last line is the median over the beds, for
`edgewise compare --plan PLAN --scored-cost COST`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro

from edgewise.benchmarks.studies.bed import Bed, generated
from edgewise.benchmarks.studies.headroom_plan import HeadroomConfig
from edgewise.benchmarks.studies.race_plan import RacePlan

RULE = "mt-grpo"


@dataclass(frozen=True)
class Config:
    """Measure the cost of a scored token on the beds of a plan."""

    plan: Path
    """JSON file of a plan of `edgewise compare --plan`."""
    num_steps: int = 10
    """Training steps on each bed that are counted."""

    def __post_init__(self) -> None:
        """Check the number of steps."""
        if self.num_steps < 1:
            raise ValueError(f"`num_steps` must be at least 1, got {self.num_steps}")


@dataclass
class Spent:
    """CPU-seconds and tokens of some steps."""

    scoring: float = 0.0  # seconds of the extra passes
    other: float = 0.0  # all other seconds
    scored: float = 0.0  # tokens
    generated: float = 0.0  # tokens

    @property
    def cost(self) -> float:
        """Return the cost of a scored token, in generated ones.

        Raises:
            ValueError: If none was scored.
        """
        if not self.scored:
            raise ValueError("no completion had an advantage; more `num_steps` may help")
        return self.scoring / self.scored / (self.other / self.generated)


def measure(config: HeadroomConfig, num_steps: int) -> Spent:
    """Train on a bed for `num_steps` and one, and count all but the first."""
    bed, spent = Bed(config, seed=0, curriculum=RULE), Spent()
    logprobs = bed.policy.logprobs

    def timed(*arguments: Any) -> Any:
        began = time.process_time()
        result = logprobs(*arguments)
        if not torch.is_grad_enabled():  # as in no other pass of plain GRPO
            spent.scoring += time.process_time() - began
        return result

    name = "logprobs"
    setattr(bed.policy, name, timed)
    steps = bed.steps(num_steps + 1)
    next(steps)
    spent.scoring, began = 0.0, time.process_time()
    for metrics in steps:
        spent.scored += metrics["num_scored_tokens"]
        spent.generated += generated(metrics)
    spent.other = time.process_time() - began - spent.scoring
    return spent


def main(config: Config) -> None:
    """Print what each bed gives, and the median."""
    costs = []
    for name, bed in RacePlan.load(config.plan).beds.items():
        spent = measure(bed, config.num_steps)
        costs.append(spent.cost)
        print(
            f"{name:16} {1e6 * spent.scoring / spent.scored:6.1f} us a scored token, "
            f"{1e6 * spent.other / spent.generated:6.1f} us a generated one: {spent.cost:.3f}"
        )
    print(f"scored_cost {median(costs):.3f}")


if __name__ == "__main__":
    main(tyro.cli(Config, description=Config.__doc__))
