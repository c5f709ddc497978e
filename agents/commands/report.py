"""`edgewise report`: write the report of a run again, and print it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from edgewise.agents.commands.parse import parse
from edgewise.agents.report import write_report
from edgewise.agents.run_folder import RunFolder
from edgewise.errors import usage


@dataclass(frozen=True)
class ReportConfig:
    """Write report.md and report.png from the records of a run, also one through TRL, and print.

    The run may still be going on.
    """

    run: tyro.conf.Positional[Path]
    """Folder of the run."""


def run(arguments: Sequence[str]) -> None:
    """Write the report and print it."""
    config = parse(ReportConfig, "report", arguments)
    with usage():
        folder = RunFolder.open(config.run, "run")
    path = write_report(folder)
    print(path.read_text(encoding="utf-8"))
    print(f"report   {path}")
