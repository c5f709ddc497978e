"""`edgewise check`: whether an environment of one's own keeps the contract."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, JustifyMethod
from rich.table import Table

from edgewise.cli.bar import bar
from edgewise.cli.flags import CheckConfig
from edgewise.cli.parse import import_positional
from edgewise.contract import Report, check_environment
from edgewise.errors import usage


def run(config: CheckConfig, arguments: Sequence[str]) -> int:
    """Check, print what was measured, what holds and what fails, and return 1 if anything does."""
    with usage(), bar("levels") as progress:
        import_positional(config.env)
        report = check_environment(config.env, config.num_problems, progress)
    console = Console()
    if report.levels:
        console.print(table(report))
    for name in report.holds:
        say(console, f"holds  {name}")
    for line in report.fails:
        say(console, f"FAILS  {line}")
    failed = len(report.checks) - len(report.holds)
    outcome = f"{failed} of {len(report.checks)} checks fail" if failed else "all checks hold"
    say(console, f"{config.env}: {outcome}")
    return int(bool(failed))


def table(report: Report) -> Table:
    """Return what was measured of each level.

    Splits are how many problems of train, validation and test were looked at; distinct is the share of
    the first that differ; guess is what the best guess earns, and bound what it may.
    """
    shown = Table(box=None, pad_edge=False)
    for name in (
        "preset",
        "level",
        "splits",
        "distinct",
        "guess",
        "bound",
        "problems/s",
        "verdicts/s",
    ):
        justify: JustifyMethod = "left" if name in ("preset", "level") else "right"
        shown.add_column(name, justify=justify, no_wrap=True)
    for one in report.levels:
        kept_out = " OOD" if one.level.number in one.level.env().preset.ood else ""
        shown.add_row(
            one.level.preset,
            f"{one.level.number}{kept_out}",
            "/".join(map(str, one.sizes)),
            f"{one.distinct:.2f}",
            f"{one.guess.rate:.3f}",
            f"{one.guess.bound:.2f}",
            f"{one.problems_per_second:,.0f}",
            f"{one.verdicts_per_second:,.0f}",
        )
    return shown


def say(console: Console, text: str) -> None:
    """Print a line without wrapping or markup."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)
