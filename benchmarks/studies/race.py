"""A comparison of rules on beds at equal generated tokens, as a plan says.

    edgewise compare --plan benchmarks/plans/beds.json --output runs/beds --processes 2

A plan is committed before its runs. Every entrant, a rule and an algorithm, trains on every bed with
every seed until it has used the bed's tokens: all that were generated, those of rejected groups and
screenings included, and `scored_cost` for each token of the extra forward pass of rules that learn
after an update; the default, a third, is stated, and `benchmarks.studies.scored_cost` measures it. The learning rate of
a bed is chosen under random arms with plain GRPO, by validation problems, and is the same for all.

The step in which the tokens run out may be long where a filter rejects much. So what a run scores at
its budget lies on the line between its scores before and after that step.

A rule that needs the number of steps is given that of a pilot: random arms, the same algorithm and
tokens, seed 0, which the comparison does not use. Runs that are done are not done again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.agents.statistics import powers_of_two
from edgewise.benchmarks.studies.bed import NUM_PASS_K, Bed, generated, mean
from edgewise.benchmarks.studies.cells import in_parallel
from edgewise.benchmarks.studies.headroom import checked, choose_rate, passed
from edgewise.benchmarks.studies.race_plan import (
    SETTINGS,
    RacePlan,
    RaceRun,
    pilot,
    pilots_of,
    runs_of,
)
from edgewise.benchmarks.studies.race_report import START, draw, report
from edgewise.benchmarks.studies.race_sheets import BedStart, summary, table
from edgewise.benchmarks.studies.statistics import Record
from edgewise.files import read_json, write_atomically
from edgewise.folder import finished
from edgewise.interrupts import Stopped, asked

REPORT = "report.md"
TABLE = "runs.csv"
FIGURE = "curves.png"
NOT_OF_RUNS = ("output", "num_best", "num_seeds", "first_seed", "threads", "algorithm")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Scores:
    """What a model scores on the target, and the tokens and completions that it has made by then."""

    tokens: float
    made: float
    validation: float  # mean accuracy
    correct: list[list[float]]  # of each arm, for each test problem

    def towards(self, other: Scores, tokens: float) -> Scores:
        """Return what lies at `tokens` on the line to later scores.

        >>> Scores(0.0, 0.0, 0.2, [[0.0, 1.0]]).towards(Scores(40.0, 8.0, 0.6, [[1.0, 1.0]]), 10.0)
        Scores(tokens=10.0, made=2.0, validation=0.30000000000000004, correct=[[0.25, 1.0]])
        """
        part = (tokens - self.tokens) / (other.tokens - self.tokens)
        rows = zip(self.correct, other.correct, strict=True)
        return Scores(
            tokens,
            (1 - part) * self.made + part * other.made,
            (1 - part) * self.validation + part * other.validation,
            [[(1 - part) * a + part * b for a, b in zip(*row, strict=True)] for row in rows],
        )

    @property
    def levels(self) -> list[float]:
        """Return the accuracy on each arm."""
        return [mean(row) for row in self.correct]


def run_once(plan: RacePlan, run: RaceRun, rate: float | None, num_steps: int) -> dict[str, Any]:
    """Train one entrant until the tokens are used; return the record of the run.

    Args:
        plan: Whose run it is.
        run: The bed, the entrant and the seed.
        rate: The learning rate; None for the model's own.
        num_steps: The length of a run for a rule that needs it.

    Raises:
        Stopped: If the user asked to stop; the run begins anew another time.
    """
    config = plan.config(run)
    bed = Bed(config, run.seed, rate, run.entrant.curriculum, num_steps, run.entrant.allocation)
    budget, batch = config.num_tokens, config.num_problems * config.group_size
    used = before = 0.0
    counts = {"steps": 0, "rollouts": 0.0, "generated": 0.0, "scored": 0.0, "seconds": 0.0}
    looks, made = [(0.0, mean(bed.score("validation")))], [0.0]  # completions by each look
    weights, began = bed.weights(), time.perf_counter()
    for metrics in bed.steps():
        counts["seconds"] += time.perf_counter() - began
        counts["steps"] += 1
        made_before = counts["rollouts"]
        counts["rollouts"] += batch + metrics["num_extra_rollouts"]
        counts["generated"] += generated(metrics)
        counts["scored"] += metrics.get("num_scored_tokens", 0.0)
        before, used = used, counts["generated"] + plan.scored_cost * counts["scored"]
        if used >= budget:
            break
        if asked():
            raise Stopped
        if passed(before, used, budget, config.num_looks):
            looks.append((used, mean(bed.score("validation"))))
            made.append(counts["rollouts"])
        weights, began = bed.weights(), time.perf_counter()
    after = scores(bed, used, counts["rollouts"])
    sampled = {"pass_at": pass_at(bed, plan.num_samples)} if run.name in plan.sampled else {}
    bed.load(weights)
    last = scores(bed, before, made_before)
    end = last.towards(after, budget)
    if looks[-1][0] < before:
        looks.append((before, last.validation))
        made.append(made_before)
    return {
        "bed": run.bed,
        "schedule": run.name,
        **run.entrant.record(),
        "seed": run.seed,
        "learning_rate": bed.setup.algorithm.learning_rate,
        **counts,
        "tokens": used,
        "budget": budget,
        "looks": [*looks, (end.tokens, end.validation)],
        "made": [*made, end.made],
        "test": mean(end.levels),
        "levels": end.levels,
        "correct": end.correct,
        "after": {"validation": after.validation, "levels": after.levels},
        **sampled,
    }


def scores(bed: Bed, tokens: float, made: float) -> Scores:
    """Score a model after a step."""
    correct = [np.asarray(row, np.float64).tolist() for row in bed.outcomes("test")]
    return Scores(tokens, made, mean(bed.score("validation")), correct)


def pass_at(bed: Bed, num_samples: int) -> dict[str, list[float]]:
    """Return pass@k on each arm of the target for k = 1, 2, 4, ..., from so many answers."""
    size = min(bed.config.test_problems, NUM_PASS_K)
    found = bed.answers("test", size, num_samples)
    return {
        str(k): [float(arm.pass_at(k).mean()) for arm in found] for k in powers_of_two(num_samples)
    }


def start_bed(plan: RacePlan, name: str, folder: Path) -> str:
    """Choose the learning rate of a bed and score its model before training, unless that is done."""
    path = folder / name / START
    if not path.is_file():
        config = plan.beds[name]
        bed = checked(config)
        path.parent.mkdir(parents=True, exist_ok=True)
        rate = choose_rate(config, len(bed.arms), path.parent, lambda line: None)
        arms = [dict(zip(("env", "level"), bed.place(arm)[::2], strict=True)) for arm in bed.target]
        record: dict[str, Any] = {"learning_rate": rate, "arms": arms, "levels": bed.score("test")}
        if plan.sampled:
            record["pass_at"] = pass_at(bed, plan.num_samples)
        write_atomically(path, json.dumps(record, indent=1) + "\n")
    return f"{name} start"


def run_missing(plan: RacePlan, run: RaceRun, folder: Path) -> str:
    """Do a run, unless it is done; return its file."""
    path = folder / run.file
    if not path.is_file():
        rate = read_json(folder / run.bed / START)["learning_rate"]
        num_steps = 1
        if run.entrant.needs_steps:
            num_steps = read_json(folder / pilot(run).file)["steps"]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(run_once(plan, run, rate, num_steps)) + "\n")
    return run.file


def begin(plan: RacePlan, folder: Path) -> None:
    """Make the folder of the runs, or check that its runs are of the same beds and entrants.

    More entrants, beds and seeds may be asked for later.

    Raises:
        ValueError: If it has runs of others of the same name, or something else.
    """
    record = settings_of(plan)
    path = folder / SETTINGS
    before: dict[str, Any] = {}
    if path.is_file():
        before = read_json(path)
    elif folder.exists() and any(part.name != ".lock" for part in folder.iterdir()):
        raise ValueError(f"`output` must be new, or have runs of a race, got {folder}")
    changed = [name for name, value in record.items() if before.get(name, value) != value]
    if changed:
        raise ValueError(
            f"`output` must be new, or have runs of the same plan, got {folder} with another "
            f"{changed[0]}; name another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({**before, **record}, indent=1) + "\n")


def settings_of(plan: RacePlan) -> dict[str, Any]:
    """Return what the runs of a plan rest on, by name."""
    found: dict[str, Any] = {"scored_cost": plan.scored_cost, "num_samples": plan.num_samples}
    found["sampled"] = list(plan.sampled)
    for name, config in plan.beds.items():
        record = json.loads(json.dumps(asdict(config), default=str))
        for other in NOT_OF_RUNS:
            del record[other]
        found[f"bed {name}"] = record
    return found | {f"entrant {name}": each.record() for name, each in plan.entrants.items()}


def race(plan: RacePlan, folder: Path, processes: int, say: Say) -> str:
    """Do all runs that are not done, write a report, a table and curves, and return what they say.

    Raises:
        ValueError: If the folder has other runs, or a bed refuses its flags.
        Stopped: If the user asked to stop; what is done is kept.
    """
    begin(plan, folder)
    if all((folder / run.file).is_file() for run in runs_of(plan)):
        say(finished(len(runs_of(plan)), "runs are done"))
    beds = [(plan, name, folder) for name in plan.beds]
    for name in in_parallel(start_bed, beds, processes):
        say(name)
    for runs in (pilots_of(plan), runs_of(plan)):
        for done, name in enumerate(in_runs(plan, runs, folder, processes), start=1):
            say(f"{done}/{len(runs)}  {name}")
    records: list[Record] = [read_json(folder / run.file) for run in runs_of(plan)]
    starts: dict[str, BedStart] = {name: read_json(folder / name / START) for name in plan.beds}
    text = report(records, starts, plan.baselines)
    write_atomically(folder / REPORT, text)
    write_atomically(folder / TABLE, table(records))
    draw(records, folder / FIGURE)
    last = [f"report {folder / REPORT}, curves {folder / FIGURE}"]
    return "\n".join([text, *last, *summary(records, starts, plan.baselines[0])])


def in_runs(plan: RacePlan, runs: Sequence[RaceRun], folder: Path, processes: int) -> Iterator[str]:
    """Do runs, several at a time; yield the file of each, in their order."""
    return in_parallel(run_missing, [(plan, run, folder) for run in runs], processes)
