"""`edgewise list`: the environments, and the gallery, a page with one example of each level of each."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from inspect import cleandoc
from typing import Any

import gymnasium as gym
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from edgewise.cli.flags import ListConfig
from edgewise.env import ReasoningEnv, unwrap
from edgewise.files import write_atomically
from edgewise.own_code import ENVIRONMENTS, RULES, installed
from edgewise.problem_set import ProblemSet
from edgewise.registration import check_id, env_ids, spec_of
from edgewise.task import Task
from edgewise.wrappers import CURRICULA, PROBLEM_CURRICULA, ProblemRule, Rule, make_rule
from edgewise.wrappers.allocation import ALLOCATIONS
from edgewise.wrappers.rules.catalogue import example_of, own_rule

HEAD = """# Gallery

One problem of each level of each preset, the first of its test set, with an answer that is right.
`edgewise list --gallery FILE` writes this page.
"""
TILDES = re.compile("~*")
KIND = "{.text .prompt}"  # of a block; the style sheet of the site wraps its lines


def gallery() -> str:
    """Return the page in Markdown."""
    sections = [HEAD]
    for env_id in env_ids():
        spec = gym.spec(env_id)
        if spec.kwargs.get("task") is not None and spec.namespace is None:
            sections += section(env_id)
    return "\n".join(sections)


def section(env_id: str) -> Iterator[str]:
    """Yield what the page says of one environment; of a data set, only what it is."""
    env = unwrap(gym.make(env_id, requires=None))
    yield f"## {env_id}\n"
    yield f"{cleandoc(type(env.task).__doc__ or '').split('Example:')[0].strip()}\n"
    if isinstance(env.task, ProblemSet):
        yield "Its problems are read from files that are not part of Edgewise.\n"
        return
    for name in env.task.presets:
        made = unwrap(gym.make(env_id, preset=name, split="test"))
        for level in made.preset.levels:
            yield from example(made, name, level)


def example(env: ReasoningEnv, name: str, level: int) -> Iterator[str]:
    """Yield the first test problem of a level."""
    prompt, _ = env.reset(options={"level": level, "problem_seed": 0})
    kept_out = ", out of distribution" if level in env.preset.ood else ""
    yield f"### {env.spec.id if env.spec else ''} `{name}`, level {level}{kept_out}\n"
    yield block(prompt)
    if type(env.task).demonstrate is not Task.demonstrate:
        yield block(env.demonstrate(env.problem))


def block(text: str) -> str:
    """Return `text` as a block of code, between fences longer than any that stands in it.

    >>> print(block("~~~~"), end="")
    ~~~~~ {.text .prompt}
    ~~~~
    ~~~~~
    """
    longest = max(map(len, TILDES.findall(text)))
    fence = "~" * max(4, longest + 1)
    return f"{fence} {KIND}\n{text}\n{fence}\n"


def run(config: ListConfig, arguments: Sequence[str]) -> None:
    """Print a table, or write the gallery."""
    import_installed(RULES if config.curricula else ENVIRONMENTS)
    if config.gallery is not None:
        write_atomically(config.gallery, gallery())
        return
    Console().print(curricula() if config.curricula else environments())


def import_installed(group: str) -> None:
    """Import what installed packages declare, and tell of each that cannot be in a line of its own."""
    for name in installed(group):
        try:
            if group == ENVIRONMENTS:
                check_id(name)
            elif name not in {**CURRICULA, **PROBLEM_CURRICULA}:
                own_rule(name)
        except ValueError as error:
            print(f"edgewise: left out {name}: {error}", file=sys.stderr)


def environments() -> Table:
    """Return a row for each preset of each environment."""
    table = Table("environment", "preset", "levels", "out of distribution", "what")
    for env_id in env_ids():
        if spec_of(env_id).kwargs.get("task") is None:
            table.add_row(env_id, "", "", "", "Several environments as one")
            continue
        env = unwrap(gym.make(env_id, requires=None))  # to be listed, it need not work
        what = first_line(type(env.task).__doc__)
        for name, preset in env.task.presets.items():
            training = [str(level) for level in preset.levels if level not in preset.ood]
            ood = " ".join(map(str, preset.ood))
            table.add_row(env_id, name, " ".join(training), ood, what)
            env_id, what = "", ""
    return table


def curricula() -> Table:
    """Return a row for each rule, filter and allocation: its paper, what it is, what it keeps and costs."""
    from edgewise.agents.algorithms.filters import FILTERS  # takes torch

    table = Table("curriculum", "arXiv", "what, its arguments and its state", "cost", box=SIMPLE)
    kinds: dict[str, type[Rule | ProblemRule]] = {**CURRICULA, **PROBLEM_CURRICULA}
    for name, kind in kinds.items():
        arguments = " ".join(field.name for field in fields(kind) if field.name != "signal")
        notes = f"takes: {arguments or 'nothing'}\nkeeps: {state_of(name)}"
        what = f"{first_line(kind.__doc__)}\n[dim]{notes}[/dim]"
        table.add_row(name, kind.paper, what, kind.cost)
    for name, test in FILTERS.items():
        table.add_row(f"filter={name}", test.paper, first_line(test.__doc__), test.cost)
    allocations: dict[str, type[Any]] = {**ALLOCATIONS}
    for name, sizes in allocations.items():
        notes = f"takes: {' '.join(field.name for field in fields(sizes))}"
        what = f"{first_line(sizes.__doc__)}\n[dim]{notes}[/dim]"
        table.add_row(f"allocation={name}", sizes.paper, what, "nothing")
    for column in table.columns[:2]:
        column.no_wrap = True
    return table


def state_of(name: str) -> str:
    """Return the names of what the rule `name` keeps from step to step."""
    rule = make_rule(example_of(name), num_steps=1)
    if isinstance(rule, ProblemRule):
        rule.start(["problem"], [0.0])
    else:
        rule.start(2)
    return " ".join(rule.state_dict()) or "nothing"


def first_line(docstring: str | None) -> str:
    """Return the first line of a docstring."""
    return (docstring or "").strip().splitlines()[0]
