"""`edgewise schedule`: what a rule poses over a whole run, as a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgewise.agents.integrations.export import check_format, write_rows
from edgewise.agents.integrations.schedule import (
    LevelSource,
    ProfileSource,
    Source,
    lay_out,
    row_of,
)
from edgewise.agents.training.parts import CurriculumPart, Problems
from edgewise.agents.training.profile_file import control, in_band, read_profile
from edgewise.agents.training.recipe_file import read_options
from edgewise.cli.bar import bar
from edgewise.cli.export_flags import ScheduleConfig
from edgewise.errors import usage
from edgewise.wrappers import Rule
from edgewise.wrappers.rules.catalogue import make_schedule
from edgewise.wrappers.rules.rule_record import to_json


def run(config: ScheduleConfig, arguments: Sequence[str]) -> None:
    """Write the rows, and say where they are and how many of each arm."""
    with usage():
        check_format(config.output)
        rule, source, card = parts_of(config)
        steps = range(config.first_step, config.num_steps)
        rows, counts = list[dict[str, Any]](), Counter[int]()
        laid_out = lay_out(rule, source, steps, config.num_problems, config.seed, config.even)
        with bar("steps") as progress:
            for place in laid_out:
                rows.append(row_of(place, config.layout))
                counts[place.arm] += 1
                progress(len(rows) // config.num_problems, len(steps))
        arms = [{**arm, "num_rows": counts[k]} for k, arm in enumerate(source.arms)]
        told = write_rows(rows, config.output, {**card, "layout": config.layout}, {"arms": arms})
    shares = " ".join(str(arm["num_rows"]) for arm in arms)
    print(
        f"{config.output}: {len(rows)} rows of {len(steps)} steps, of each arm {shares}; {told} says which"
    )


def parts_of(config: ScheduleConfig) -> tuple[Rule, Source, dict[str, Any]]:
    """Make the rule and the source of its problems; also what the card says of them."""
    card: dict[str, Any] = {
        name: getattr(config, name)
        for name in ("num_steps", "first_step", "num_problems", "even", "seed")
    }
    if config.profile is None:
        problems = Problems(
            tuple(config.env.split(",")),
            config.preset,
            config.levels,
            read_options(config.env_options, config.env.split(","), config.data),
        )
        envs = problems.make(config.num_problems, 1)
        rule: Any = CurriculumPart(config.curriculum, config.num_steps, 1).make(envs)
        return (
            rule,
            LevelSource(envs, config.seed),
            {"env": config.env, "rule": to_json(rule), **card},
        )
    measured = read_profile(config.profile)
    kept = in_band(measured, *config.pass_rates)
    if not kept:
        raise ValueError(
            f"`pass_rates` must keep a problem of {config.profile}, got "
            f"{config.pass_rates[0]} {config.pass_rates[1]}, which keep none of {len(measured)}"
        )
    if config.control:
        kept = control(measured, len(kept), config.seed)
    rule = make_schedule(config.curriculum, config.num_steps)
    said = {"pass_rates": list(config.pass_rates), "control": config.control, "num_kept": len(kept)}
    source = ProfileSource(kept, config.num_levels, config.seed)
    return rule, source, {"profile": config.profile.name, "rule": to_json(rule), **card, **said}
