"""`edgewise preflight`: what a training run would take, and what stands in its way."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from edgewise.agents.distributed import process_group, rank
from edgewise.agents.training.config import complete
from edgewise.agents.training.display import score_line
from edgewise.agents.training.parts import Setup
from edgewise.agents.training.plan import memory_of
from edgewise.agents.training.plan_config import PreflightConfig
from edgewise.agents.training.preflight import NUM_STEPS, Preflight, preflight, warnings_of
from edgewise.cli.plan import show, verdict_line
from edgewise.cli.train import say
from edgewise.errors import usage


def run(config: PreflightConfig, arguments: Sequence[str]) -> None:
    """Take five steps with the flags of `edgewise train`, or plan them, and print what that shows."""
    with usage():
        setup = complete(config).setup
    if config.plan:
        show(config)
        return
    with process_group():
        console = Console(quiet=rank() > 0)
        say(console, "a few validation problems of each level before training:")
        with usage():
            found = preflight(config, lambda score: say(console, f"  {score_line(score)}"))
        for line in summary(found, setup):
            say(console, line)
        say(console, verdict_line(found.memory, memory_of(config.memory, config.device)))


def summary(found: Preflight, setup: Setup) -> list[str]:
    """Return the measurements, the time of the whole run, and the warnings."""
    num_steps = setup.batch.num_steps
    hours = found.step_seconds * num_steps / 3600
    warnings = [*found.notes, *warnings_of(found.scores, setup.problems.levels)]
    return [
        f"memory           {found.memory / 2**30:.2f} GiB",
        f"tokens / second  {found.tokens_per_second:,.0f}, sampled and learned from",
        f"step             {found.step_seconds:.2f} s, the fastest of {NUM_STEPS}; "
        f"{num_steps} steps take {hours:.2f} hours",
        f"equal groups     {found.equal_groups:.0%}, which teach nothing",
        *[f"warning: {warning}" for warning in warnings],
    ]
