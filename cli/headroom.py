"""`edgewise headroom`: how much any curriculum can gain over random arms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgewise.benchmarks.studies.headroom import measure_headroom
from edgewise.benchmarks.studies.headroom_plan import HeadroomConfig
from edgewise.errors import usage
from edgewise.interrupts import repeatable
from edgewise.lock import locked


def run(config: HeadroomConfig, arguments: Sequence[str]) -> None:
    """Measure, and print the report."""
    folder = config.output or Path("runs") / f"headroom-{config.env.replace(',', '-')}"
    with locked(folder), repeatable(), usage():
        print(measure_headroom(config, folder, lambda line: print(line, flush=True)))
