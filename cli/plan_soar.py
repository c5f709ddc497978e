"""`edgewise soar --plan`: what a game needs of memory and days, by arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.agents.soar.config import SOARRunConfig
from edgewise.agents.soar.plan import SECONDS, GamePlan, plan_game
from edgewise.cli.plan import parts_of, row, size, verdict_line
from edgewise.errors import UsageError, usage


def show(config: SOARRunConfig) -> None:
    """Print the memory and time that a game needs, and whether it fits.

    Raises:
        UsageError: If it does not fit, with the flags that take less memory.
    """
    with usage():
        found = plan_game(config)
    print("\n".join(lines_of(found, config)))
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


def lines_of(found: GamePlan, config: SOARRunConfig) -> Iterator[str]:
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
