"""The table of SOAR from the records of its students, and effects beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.published import SOAR_METHODS, published_soar
from edgewise.benchmarks.studies.soar_statistics import (
    KS,
    Counts,
    Tests,
    nested_difference,
    nested_interval,
)

Record = dict[str, Any]  # what one student knows
BASELINE = "hard"


def sheets(records: Sequence[Record]) -> list[Sheet]:
    """Return the tables: pass@k of each method, and effects if there is a baseline."""
    found = {method: [row for row in records if row["method"] == method] for method in SOAR_METHODS}
    rows = {method: records for method, records in found.items() if records}
    made = [accuracy_sheet(rows)]
    if BASELINE in rows and len(rows) > 1:
        made.append(effect_sheet(rows))
    return made


def accuracy_sheet(rows: Mapping[str, Sequence[Record]]) -> Sheet:
    """Return pass@k of each method, with nested intervals, in the layout of the paper.

    Beside it is how many different problems its students were taught: the Vendi score of 128 of them
    on average, or of all if they are fewer.
    """
    lines, rng = [], np.random.default_rng(0)
    for method, records in rows.items():
        counts, num_samples = nest(records), records[0]["num_samples"]
        shape = f"{len(counts)} x {max(map(len, counts.values()))}"
        sizes = sorted({row["size"] for row in records if row["size"] is not None})
        cells = [nested_interval(counts, num_samples, k, rng).percent for k in KS]
        scores = [row["vendi"][0] for row in records if "vendi" in row]
        vendi = f"{np.mean(scores):.1f}" if scores else ""
        lines.append([SOAR_METHODS[method], shape, "/".join(map(str, sizes)), vendi, *cells])
    shown = ["method", "teachers x students", "problems", "Vendi score"]
    header = [*shown, *(f"pass@{k}" for k in KS)]
    return Sheet("held-out hard problems, percent", header, lines)


def effect_sheet(rows: Mapping[str, Sequence[Record]]) -> Sheet:
    """Build the table of effects against Hard-Only, with the paper's beside them."""
    lines, rng = [], np.random.default_rng(0)
    for method, records in rows.items():
        if method == BASELINE:
            continue
        sides = nest(records), nest(rows[BASELINE])
        ours = nested_difference(*sides, records[0]["num_samples"], KS[-1], rng).points
        paper = ", ".join(f"{data} {value:+.1f}" for data, value in published_soar(method).items())
        lines.append([SOAR_METHODS[method], ours, paper or "-"])
    header = ["method", f"effect at pass@{KS[-1]}, points", "in the paper"]
    return Sheet(f"effect against {SOAR_METHODS[BASELINE]}", header, lines)


def nest(records: Sequence[Record]) -> Counts:
    """Return the counts of one method by teacher and student."""
    counts: dict[int, dict[int, Tests]] = {}
    for record in records:
        counts.setdefault(record["teacher"], {})[record["student"]] = record["correct"]
    return counts
