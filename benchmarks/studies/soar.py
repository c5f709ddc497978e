r"""The table of SOAR: what students know of held-out hard problems, by whose problems they saw.

    python -m edgewise.benchmarks.studies.soar --runs runs/a runs/b --intrinsic runs/c --output results/soar

Methods of arXiv 2601.18778: Base; Hard-Only; Base-T, Intrinsic-T and Grounded-T, problems of an
untrained teacher, of one paid for learnability and of one trained by SOAR; SOAR-PQ, the problems that
promoted a student; SOAR-PS, the promoted student itself; of PQ, those with right answers and those
that are well posed; SeRL, problems of an untrained teacher with the answers of a majority; easier, the
generator's own problems of an easier level; full, those of all training levels; teacher, the trained
teacher as a solver. Every student that trains takes the same number of steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro

from edgewise.agents.soar.check import generated, whole
from edgewise.agents.soar.config import SOARRunConfig, game_of, hard_file
from edgewise.agents.soar.game import seed_of
from edgewise.agents.soar.pairs import Pair, hard_pairs
from edgewise.agents.soar.policies import PolicyTeacher
from edgewise.agents.soar.quality import quality_of, vendi_bootstrap
from edgewise.agents.soar.run import config_of, make_policy, make_student, make_teacher
from edgewise.agents.training.checkpoint import restore
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.published import SOAR_METHODS, published_soar
from edgewise.benchmarks.studies.serl import SeRLConfig, serl_problems
from edgewise.benchmarks.studies.soar_statistics import (
    KS,
    Counts,
    Record,
    Tests,
    best_of,
    check_record,
    count_right,
    last_checkpoint,
    last_state,
    nested_difference,
    nested_interval,
    of_each_student,
    phases,
    train_fresh,
)
from edgewise.env import unwrap
from edgewise.files import write_atomically
from edgewise.folder import JsonLines
from edgewise.lock import locked

BASELINE = "hard"
Prepare = Callable[[], Any]  # returns problems, or None and has set the student's weights


@dataclass(frozen=True)
class TableConfig:
    """Train fresh students, and compare what they know of held-out hard problems."""

    runs: tuple[Path, ...]
    """Folders of `edgewise soar`, one for each teacher seed, with one game."""
    output: Path
    """Records go to OUTPUT.jsonl, where those that are there stay, and the table to OUTPUT.md."""
    intrinsic: tuple[Path, ...] = ()
    """Folders of `edgewise soar --reward learnability`."""
    test: Path | None = None
    """Held-out hard problems, such as those of another data set; by default beside the model."""
    methods: tuple[str, ...] = tuple(SOAR_METHODS)
    """Which to try."""
    students: int = 2
    """Fresh students of each teacher."""
    group_size: int | None = None
    """Answers to each training problem; by default the game's."""
    num_steps: int | None = None
    """Training steps of a fresh student; by default the game's."""
    easier_level: int = 3
    """Level of the generator for the method easier."""
    full_size: int = 2_000
    """Problems of the method full, at most; a data set has its own number."""
    test_every: int | None = None
    """Test every so many steps, and report the mean of the 200 steps after the paper's rule says that
    rewards no longer rise; by default the last step counts."""
    judge: str | None = None
    """Model that says which problems are right and well posed, where no reference solver does."""
    threads: int = 1
    """Threads of torch."""

    def __post_init__(self) -> None:
        """Check the methods."""
        if wrong := [method for method in self.methods if method not in SOAR_METHODS]:
            raise ValueError(f"`methods` must be among {', '.join(SOAR_METHODS)}, got {wrong[0]!r}")


class Table:
    """The base model, its problems, and the records so far."""

    def __init__(self, config: TableConfig) -> None:
        """Load what all methods share."""
        torch.set_num_threads(config.threads)
        self.config = config
        self.run_config: SOARRunConfig = config_of(RunFolder.open(config.runs[0], "runs"))
        game = game_of(self.run_config)
        plan = game.fresh
        if config.num_steps is not None:
            plan = replace(plan, num_steps=config.num_steps)
        student = replace(game.student, num_warmup_steps=plan.num_warmup_steps)
        if config.group_size is not None:
            student = replace(student, group_size=config.group_size)
        self.game = replace(game, fresh=plan, student=student)
        self.student = make_student(self.run_config, self.game)
        self.base = self.student.snapshot()
        self.env = unwrap(gym.make(game.env, preset=game.preset, allow_ood=True))
        shared = self.run_config.dtype, self.run_config.device
        self.judge = quality_of(game.env, config.judge, *shared)
        self.hard = hard_pairs(hard_file(self.run_config, game), game.question)
        path = config.test or hard_file(self.run_config, game, "test")
        self.test = hard_pairs(path, game.question, "test")
        self.sizes = {
            "test": hashlib.sha256(path.read_bytes()).hexdigest()[:16],  # wherever it lies
            "num_steps": plan.num_steps,
            "group_size": student.group_size,
            "easier_level": config.easier_level,
            "full_size": config.full_size,
            "test_every": config.test_every,
        }
        check = partial(
            check_record,
            sizes=self.sizes,
            num_samples=plan.num_samples,
            num_problems=len(self.test),
        )
        self.file = JsonLines(config.output.with_name(f"{config.output.name}.jsonl"), check=check)
        self.records: list[Record] = of_each_student(self.file.read())
        self.file.cut()
        if wrong := [record for record in self.records if record.get("sizes") != self.sizes]:
            raise ValueError(
                f"`output` must be new, or have records of the same sizes, got {config.output} with "
                f"{wrong[0].get('sizes')} in place of {self.sizes}"
            )

    def fill(self) -> Iterator[Record]:
        """Yield each record, measuring those that are not there yet."""
        for method in self.config.methods:
            for teacher, (run, prepare) in enumerate(self.teachers(method)):
                trains = method not in ("base", "ps", "teacher")
                for student in range(self.config.students if trains else 1):
                    name = {"method": method, "run": run, "teacher": teacher, "student": student}
                    yield self.record(name, prepare)

    def teachers(self, method: str) -> list[tuple[str, Prepare]]:
        """Return for each teacher its run, and what sets the student's weights or gives problems."""
        alone: dict[str, Prepare] = {
            "base": lambda: self.student.restore(self.base),
            "hard": lambda: [],
            "easier": self.easier,
            "full": self.full,
        }
        if method in alone:
            return [("", alone[method])]
        if method in ("base-t", "serl"):
            make = self.written if method == "base-t" else self.voted
            seeds = range(len(self.config.runs))
            return [("", partial(make, None, seed)) for seed in seeds]
        folders = self.config.intrinsic if method == "intrinsic-t" else self.config.runs
        of: Callable[[Path], Any] = {
            "intrinsic-t": self.trained_teacher,
            "grounded-t": self.trained_teacher,
            "pq": best_of,
            "pq-correct": lambda path: self.judged(path, "correct"),
            "pq-well-posed": lambda path: self.judged(path, "well_posed"),
            "ps": self.promoted,
            "teacher": self.solver,
        }[method]
        return [(str(path), partial(of, path)) for path in folders]

    def record(self, name: Mapping[str, Any], prepare: Prepare) -> Record:
        """Return the record of one student, measured now unless it is there."""
        for record in self.records:
            if {key: record[key] for key in name} == name:
                return record
        written = prepare()
        seed = seed_of(name["teacher"], name["student"])
        plan, every = self.game.fresh, self.config.test_every
        size = None if written is None else len(written)

        def test() -> list[int]:
            return count_right(self.student, self.test, plan.num_samples, seed)

        if written is None:
            correct = [test()]
        else:
            parts = phases(written, self.hard, plan)
            correct = train_fresh(self.student, self.base, parts, test, seed, every)
        made = {**name, "size": size, "num_samples": plan.num_samples, "correct": correct}
        made["sizes"] = self.sizes
        if written:
            questions = [pair.question for pair in written]
            made["vendi"] = vendi_bootstrap(questions, np.random.default_rng(seed))
        self.file.path.parent.mkdir(parents=True, exist_ok=True)
        self.file.append([made])
        self.records.append(made)
        return made

    def written(self, weights: Path | None, seed: int) -> list[Pair]:
        """Return problems of the teacher whose weights are in a folder, or of the base model."""
        return self.teacher(weights, seed).write(self.game.fresh.num_written).pairs

    def voted(self, weights: Path | None, seed: int) -> list[Pair]:
        """Return problems of a teacher with the answers that the base model gives most often."""
        seeds = count(seed_of(seed, 2))
        self.student.restore(self.base)
        return serl_problems(
            self.teacher(weights, seed).write,
            lambda pairs, number: self.student.replies(pairs, number, next(seeds)),
            self.game.fresh.num_written,
            SeRLConfig(),
        )

    def teacher(self, weights: Path | None, seed: int) -> PolicyTeacher:
        """Return the teacher whose weights are in a folder, or the base model."""
        game = replace(self.game, teacher=replace(self.game.teacher, seed=seed))
        policy = make_policy(self.run_config, game)
        if weights is not None:
            restore(weights, policy)
        return make_teacher(policy, game)

    def trained_teacher(self, path: Path) -> list[Pair]:
        """Return problems of the last teacher of a run."""
        return self.written(last_checkpoint(path) / "model", 0)

    def judged(self, path: Path, quality: str) -> list[Pair]:
        """Return the problems of PQ that the reference solver or the judge labels so."""
        judged = self.judge
        if judged is None:
            raise ValueError(f"`methods` must not have {quality!r} without a solver or `judge`")
        pairs = best_of(path)
        found = zip(pairs, judged(pairs), strict=True)
        return [pair for pair, verdict in found if verdict and getattr(verdict, quality)]

    def easier(self) -> list[Pair]:
        """Return problems of one level of the generator, none of them held out."""
        pairs = generated(self.env, self.game, self.config.easier_level, 0)
        return self.unseen(pairs)[: self.game.fresh.num_written]

    def full(self) -> list[Pair]:
        """Return the problems of all training levels, none of them held out."""
        return self.unseen(whole(self.env, self.game, self.config.full_size))

    def unseen(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Return the pairs without those that the test poses."""
        held_out = {pair.question for pair in self.test}
        return [pair for pair in pairs if pair.question not in held_out]

    def promoted(self, path: Path) -> None:
        """Give the student the weights of PS, or of the base if none was promoted."""
        game = last_state(path)
        self.student.restore(game["champion"] or game["baseline"])

    def solver(self, path: Path) -> None:
        """Give the student the weights of the last teacher."""
        restore(last_checkpoint(path) / "model", self.student.policy)


def main() -> None:
    """Measure what is missing, and write the table."""
    config = tyro.cli(TableConfig, prog="python -m edgewise.benchmarks.studies.soar")
    with locked(config.output, beside=True):
        fill(config)


def fill(config: TableConfig) -> None:
    """Measure what is missing, and write the table."""
    made = Table(config)
    for record in made.fill():
        right = np.mean(record["correct"]) / record["num_samples"]  # of all tests
        label = SOAR_METHODS[record["method"]]
        print(f"{label}, teacher {record['teacher']}, student {record['student']}: {right:.4f}")
    text = "\n\n".join("\n".join(sheet.markdown()) for sheet in sheets(made.records)) + "\n"
    write_atomically(config.output.with_name(f"{config.output.name}.md"), text)
    print(text)


if __name__ == "__main__":
    main()


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
    """Return the counts of one method by teacher and student, in their order."""
    counts: dict[int, dict[int, Tests]] = {}
    for record in sorted(records, key=lambda record: (record["teacher"], record["student"])):
        counts.setdefault(record["teacher"], {})[record["student"]] = record["correct"]
    return counts
