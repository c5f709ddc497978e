"""`edgewise preflight`: what a training run would take, and what stands in its way."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from edgewise.agents.distributed import process_group, rank
from edgewise.agents.training.config import TrainConfig, complete
from edgewise.agents.training.display import score_line
from edgewise.agents.training.preflight import NUM_STEPS, Preflight, preflight, warnings_of
from edgewise.cli.recipe import parse_training
from edgewise.cli.train import say
from edgewise.errors import UsageError, usage


def run(arguments: Sequence[str]) -> None:
    """Take five steps with the flags of `edgewise train`, and print what they show."""
    config = parse_training("preflight", arguments)
    for name in ("resume", "output"):
        if getattr(config, name) is not None:
            raise UsageError(f"`{name}` must be left out; a preflight leaves no run behind")
    with usage():
        asked = complete(config)
    with process_group():
        console = Console(quiet=rank() > 0)
        say(console, "a few validation problems of each level before training:")
        with usage():
            found = preflight(config, lambda score: say(console, f"  {score_line(score)}"))
        for line in told(found, asked):
            say(console, line)


def told(found: Preflight, config: TrainConfig) -> list[str]:
    """Return what was measured, what the whole run would take, and the warnings."""
    assert config.num_steps is not None
    hours = found.step_seconds * config.num_steps / 3600
    warnings = [*found.notes, *warnings_of(found.scores, config.levels)]
    return [
        f"memory           {found.memory / 2**30:.2f} GiB",
        f"tokens / second  {found.tokens_per_second:,.0f}, sampled and learned from",
        f"step             {found.step_seconds:.2f} s, the fastest of {NUM_STEPS}; "
        f"{config.num_steps} steps take {hours:.2f} hours",
        f"equal groups     {found.equal_groups:.0%}, which teach nothing",
        *[f"warning: {warning}" for warning in warnings],
    ]
