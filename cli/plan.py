"""`edgewise preflight --plan`: what a training run needs, by arithmetic, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgewise.agents.training.plan import RunPlan, plan_run, remedy
from edgewise.agents.training.plan_config import PreflightConfig
from edgewise.errors import UsageError, usage

GB = 1e9  # as the sellers of memory count


def show(config: PreflightConfig) -> None:
    """Print what a run needs and the verdict.

    Raises:
        UsageError: If it does not fit, with the flags that would make it fit.
    """
    with usage():
        found = plan_run(config)
    print("\n".join(lines_of(found)))
    if found.fits:
        return
    flags = remedy(config)
    then = f"give {flags}" if flags else "take a smaller model, or more memory"
    needed, got = (size(count) for count in (found.plan.needs(), found.memory))
    raise UsageError(f"`memory` must be at least {needed} for this run, got {got}; {then}")


def lines_of(found: RunPlan) -> Iterator[str]:
    """Yield a line for each thing that a run needs, its time, what is slow, and the verdict."""
    plan, work, setup = found.plan, found.plan.work, found.setup
    trained = "all trained" if work.adapters is None else f"{work.trained:,} trained"
    yield row("model", f"{setup.model.agent}, {work.shape.num_parameters:,} parameters, {trained}")
    if work.num_processes > 1:
        how = "each a part of the model" if work.sharded else "each the whole model"
        yield row("processes", f"{work.num_processes}, {how}; what follows is of one")
    for name, count in plan.always.items():
        yield row(name, size(count))
    for name, needs in plan.phases.items():
        most = ", which is the most at once" if name == plan.phase else ""
        yield row(name, f"{parts_of(needs)}{divided(found, name)}{most}")
    yield row("in all", f"{size(plan.needs())}, with what torch itself takes")
    if plan.host:
        yield row("on the machine", f"{parts_of(plan.host)} of its own memory, the first process")
    yield row("computing", f"{found.flops / 1e15:,.1f} PFLOP a step")
    yield row("step", time_of(found))
    yield from (f"warning: {warning}" for warning in found.warnings)
    yield verdict_line(plan.needs(), found.memory)


def verdict_line(needed: int, memory: int) -> str:
    """Return whether `needed` bytes fit in `memory` bytes, in words."""
    return f"{'fits' if needed <= memory else 'does not fit'}: {size(needed)} of {size(memory)}"


def row(name: str, text: str) -> str:
    """Return a line of the table."""
    return f"{name:<16} {text}"


def size(count: int) -> str:
    """Format bytes."""
    return f"{count / GB:,.2f} GB"


def parts_of(needs: Mapping[str, int]) -> str:
    """Return what a phase needs, part by part."""
    return ", ".join(f"{name} {size(count)}" for name, count in needs.items() if count) or "nothing"


def divided(found: RunPlan, phase: str) -> str:
    """Return how much is computed at once in a phase, "" where that is not chosen."""
    work = found.plan.work
    if phase == "sampling" and work.samples_itself:
        return f" ({work.rows:,} completions at once)"
    return f" ({work.pass_tokens:,} tokens)" if phase == "learning" else ""


def time_of(found: RunPlan) -> str:
    """Return how long a step and the run take, as far as that is known."""
    tokens = f"{found.tokens:,} tokens, completions of {found.mean_tokens:,}"
    if found.tokens_per_second is None:
        return f"{tokens}; give --tokens-per-second, as a preflight measures them, for its time"
    seconds = found.tokens / found.tokens_per_second
    num_steps = found.setup.batch.num_steps
    return (
        f"{tokens}: {seconds:,.1f} s, and {num_steps:,} steps {num_steps * seconds / 3600:,.1f} h"
    )
