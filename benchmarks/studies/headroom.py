"""Headroom: how far any choice of arms can be ahead of random arms, at equal generated tokens.

Every arm alone, every two-phase schedule of a coarse grid, and an oracle are screened with one seed
at a third of the tokens; random arms and the best run with paired seeds at all of them. The oracle
trains copies on every arm for some steps, and goes on with the arm after which the target's
validation accuracy is best; what the copies cost does not count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgewise.benchmarks.studies.bed import Bed, generated, mean
from edgewise.benchmarks.studies.headroom_plan import (
    ORACLE,
    HeadroomConfig,
    Run,
    Schedule,
    finals,
    random_arms,
    schedules,
    screening,
)
from edgewise.benchmarks.studies.headroom_report import Record, best_of, report
from edgewise.files import read_json, write_atomically
from edgewise.folder import finished
from edgewise.interrupts import Stopped, asked

SETTINGS = "headroom.json"  # of all runs in a folder
CARD = "card.json"  # what the model scores on each arm at the start
NOT_OF_RUNS = ("output", "num_best", "num_seeds", "threads")  # settings that change no run
Say = Callable[[str], None]


def run_once(config: HeadroomConfig, run: Run) -> dict[str, Any]:
    """Train under one schedule until the tokens are used; return the record of the run.

    Raises:
        Stopped: If the user asked to stop; the run begins anew another time.
    """
    bed = Bed(config, run.seed, run.learning_rate)
    budget, used, num_steps = config.num_tokens * run.share, 0.0, 0
    looks = [(0.0, mean(bed.score("validation")))]
    posed: list[int] = []  # the oracle's choices
    schedule = run.schedule
    if schedule.phases:
        bed.pose(schedule.arms(0.0))
    else:
        posed.append(bed.best_arm())
        bed.pose((posed[-1],))
    while used < budget:
        for metrics in bed.steps():
            before, used, num_steps = used, used + generated(metrics), num_steps + 1
            if asked():
                raise Stopped
            if used >= budget or passed(before, used, config.num_tokens, config.num_looks):
                looks.append((used, mean(bed.score("validation"))))
            if schedule.phases:
                bed.pose(schedule.arms(used / budget))
            elif used < budget and passed(before, used, budget, config.num_probes):
                break  # copies train with an iterator of their own
            if used >= budget:
                break
        if not schedule.phases and used < budget:
            posed.append(bed.best_arm())
            bed.pose((posed[-1],))
    test = bed.score("test") if run.phase == "final" else []
    return {
        "schedule": schedule.name,
        "seed": run.seed,
        "learning_rate": bed.setup.algorithm.learning_rate,
        "steps": num_steps,
        "tokens": used,
        "looks": looks,
        **({"posed": posed} if schedule.name == ORACLE else {}),
        **({"test": mean(test), "levels": test} if test else {}),
    }


def passed(before: float, after: float, budget: float, parts: int) -> bool:
    """Return whether the tokens used have just come to another of so many equal parts."""
    return int(before * parts / budget) < int(after * parts / budget)


def run_all(config: HeadroomConfig, runs: list[Run], folder: Path, say: Say) -> list[Record]:
    """Return the records of runs, of which those that are done are read."""
    records: list[Record] = []
    if runs and all((folder / f"{run.name}.json").is_file() for run in runs):
        say(finished(len(runs), f"runs of {runs[0].phase} are done"))
    for done, run in enumerate(runs, start=1):
        path = folder / f"{run.name}.json"
        if not path.is_file():
            if asked():
                raise Stopped
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(run_once(config, run), indent=1) + "\n")
        records.append(read_json(path))
        say(f"{run.phase} {done}/{len(runs)}  {run.name}  {records[-1]['looks'][-1][1]:.3f}")
    return records


def begin(config: HeadroomConfig, folder: Path) -> None:
    """Make the folder of the runs, or check that it has runs of the same settings.

    Raises:
        ValueError: If it has others, or something else.
    """
    record = json.loads(json.dumps(asdict(config), default=str))
    record = {name: value for name, value in record.items() if name not in NOT_OF_RUNS}
    path = folder / SETTINGS
    if path.is_file():
        before = read_json(path)
        changed = [name for name, value in record.items() if before.get(name) != value]
        if changed:
            raise ValueError(
                f"`output` must be new, or have runs of the same settings, got {folder} with another "
                f"{changed[0]}; name another folder"
            )
        return
    if folder.exists() and any(part.name != ".lock" for part in folder.iterdir()):
        raise ValueError(f"`output` must be new, or have runs of headroom, got {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(record, indent=1) + "\n")


def checked(config: HeadroomConfig) -> Bed:
    """Return the bed as it is at the start, after a look at everything that may be refused.

    Raises:
        ValueError: If any part of `config` is refused, or an arm is not a level.
    """
    bed = Bed(config, 0)
    if any("level" not in arm for arm in bed.arms):
        raise ValueError("`env` must have levels for arms, got other divisions")
    beyond = [arm for arm in config.target if arm not in range(len(bed.arms))]
    if beyond:
        raise ValueError(f"`target` must be in range({len(bed.arms)}), got {beyond[0]}")
    return bed


def choose_rate(config: HeadroomConfig, num_arms: int, folder: Path, say: Say) -> float | None:
    """Return the learning rate with the best last look under random arms."""
    rates = config.learning_rates
    if len(rates) < 2:
        return rates[0] if rates else None
    runs = [Run("rate", random_arms(num_arms), 0, 1.0, rate) for rate in rates]
    records = run_all(config, runs, folder, say)
    last = [record["looks"][-1][1] for record in records]
    return rates[last.index(max(last))]


def measure_headroom(config: HeadroomConfig, folder: Path, say: Say) -> str:
    """Run what is missing, write report.md, and return its text."""
    bed = checked(config)
    num_arms = len(bed.arms)
    begin(config, folder)
    if not (folder / CARD).is_file():
        write_atomically(folder / CARD, json.dumps({"arms": bed.card()}, indent=1) + "\n")
    rate = choose_rate(config, num_arms, folder, say)
    screened = run_all(config, screening(config, num_arms, rate), folder, say)
    tried = {s.name: s for s in (*schedules(num_arms, config.num_bands), Schedule(ORACLE, ()))}
    best = [tried[name] for name in best_of(screened, config.num_best)]
    records = run_all(config, finals(config, num_arms, best, rate), folder, say)
    card = read_json(folder / CARD)["arms"]
    text = report(records, screened, card, f"Headroom of {config.env}, {config.agent}")
    write_atomically(folder / "report.md", text)
    return text
