"""Does the simulated learner rank curricula as a real model does?

    python -m edgewise.benchmarks.simulator runs/countdown-*

Takes the folders of runs of one size: those under random and ordered are fitted to, the others are
predicted. Printed are the fitted world, both rankings, their correlation, and how reliable the real
one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from edgewise.agents.simulated_fit import Agreement, judge


@dataclass(frozen=True)
class SimulatorConfig:
    """Fit the simulated learner to real runs, and compare its ranking of curricula with theirs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs, scored after training."""
    seeds: int = 20
    """Simulated learners for each curriculum."""


def table(found: Agreement) -> list[str]:
    """Return Markdown."""
    world = found.world
    skills = ", ".join(f"{skill:.2f}" for skill in world.skills.tolist())
    up, down = world.transfer[0, 1], world.transfer[1, 0]
    return [
        f"first skills {skills}; learning rate {world.learning_rate:.3g}; spread {world.spread:.2f}; "
        f"transfer {up:.2f} to harder arms, {down:.2f} to easier",
        "",
        "| curriculum | predicted | real |",
        "|---|---|---|",
        *(
            f"| {name} | {found.predicted[name]:.3f} | {found.real[name]:.3f} |"
            for name in sorted(found.real, key=lambda name: -found.real[name])
        ),
        "",
        f"Spearman's correlation {found.spearman:.2f}; reliability of the real ranking "
        f"{found.reliability:.2f}",
    ]


def main() -> None:
    """Fit, predict and print."""
    config = tyro.cli(SimulatorConfig)
    print("\n".join(table(judge(config.runs, config.seeds))))


if __name__ == "__main__":
    main()
