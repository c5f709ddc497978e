"""`edgewise preflight --plan` and `edgewise soar --plan`: what a run or a game needs, by arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgewise.agents.soar.config import SOARRunConfig
from edgewise.agents.soar.plan import SECONDS, GamePlan, plan_game
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


def show_game(config: SOARRunConfig) -> None:
    """Print the memory and time that a game needs, and whether it fits.

    Raises:
        UsageError: If it does not fit, with the flags that take less memory.
    """
    with usage():
        found = plan_game(config)
    print("\n".join(lines_of_game(found, config)))
    if not found.fits:
        needed, got = size(found.needs), size(found.memory)
        flags = " or ".join(remedies(config)) or "more memory"
        raise UsageError(
            f"`memory` must be at least {needed} for this game, got {got}; give {flags}"
        )


def remedies(config: SOARRunConfig) -> Iterator[str]:
    """Yield flags that take less memory and are not given."""
    if config.lora_rank is None:
        yield "--lora-rank 32"
    if config.device == "cuda" and config.dtype == "float32":
        yield "--dtype bfloat16"
    if not config.gradient_checkpointing:
        yield f"--max-tokens-per-pass {config.max_tokens_per_pass // 8}"
        yield "--gradient-checkpointing"


def lines_of_game(found: GamePlan, config: SOARRunConfig) -> Iterator[str]:
    """Yield a line for each thing that a game needs, and what is assumed."""
    game, plan, shape = found.game, found.plan, found.shape
    soar, student = game.soar, game.student
    trained = "all trained" if plan.work.adapters is None else f"{plan.work.trained:,} trained"
    yield row("model", f"{game.agent}, {shape.num_parameters:,} parameters, {trained}")
    yield row(
        "game",
        f"{soar.num_steps} outer steps of {soar.num_datasets} x {soar.dataset_size} problems, "
        f"{soar.num_students} students each, {soar.inner_steps} to {soar.max_inner_steps} steps of "
        f"{student.num_problems} x {student.group_size} answers; "
        f"promotions after {' '.join(map(str, config.promotions)) or 'none'}",
    )
    for name, count in {**plan.always, **found.beside}.items():
        if count:
            yield row(name, size(count))
    for name, needs in plan.phases.items():
        most = ", which is the most at once" if name == plan.phase else ""
        yield row(name, f"{parts_of(needs)}{most}")
    yield row("in all", f"{size(found.needs)}, with what torch itself takes")
    if plan.work.minibatch * plan.work.row_tokens > plan.work.pass_tokens:
        yield row("passes", f"of {plan.work.pass_tokens:,} tokens")
    yield from times_of(found, config)
    yield verdict_line(found.needs, found.memory)


def times_of(found: GamePlan, config: SOARRunConfig) -> Iterator[str]:
    """Yield how long each part takes, the sum, and what it rests on."""
    for name, part in found.durations.items():
        yield row(
            name,
            f"{part.completions:,} completions, {part.tokens / 1e6:,.1f} M tokens: "
            f"{part.sampling / 3600:,.1f} h of sampling; {part.flops / 1e15:,.0f} PFLOP: "
            f"{part.learning / 3600:,.1f} h of scoring and learning",
        )
    step = found.days * SECONDS / found.game.soar.num_steps
    yield row("time", f"{found.days:,.2f} days, {step:,.0f} s an outer step")
    yield row("three days", f"for answers of {found.longest_mean:,.0f} tokens on average")
    yield row(
        "assumed",
        f"answers of {config.mean_tokens} tokens, a teacher's completions of "
        f"{config.mean_teacher_tokens}, {config.accepted_ratio:.0%} well formed, prompts of "
        f"{config.prompt_tokens}; {found.rate:,.0f} tokens sampled a second; {config.utilization:.0%} of "
        f"{config.peak_tflops:,.0f} TFLOP a second",
    )
