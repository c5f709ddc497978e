"""Recompute the curriculum of a run from its group records, and compare.

The rule is made anew from the config of the run and draws from the seed of the run; it hears of the
groups as they were recorded, also of those that a filter rejected. Compared are, of each group, the
arm or the problem drawn and the probability of the arm; of each step, the metrics of the curriculum,
among them the probability and the value of each arm; and the state of rule, signal and draws in the
checkpoint, if its step is among the records.

Rules over arms need the records alone. Rules over problems draw from a pool, which the environment
makes again, so it must be the one of the run, with the same data files. Records of schema 1 do not
tell of rejected groups: where there were any, the run is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from math import isclose
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded

from edgewise.agents.algorithms.config import check_held, check_value
from edgewise.agents.algorithms.filters import FILTERS
from edgewise.agents.training.checkpoint import ENVS
from edgewise.agents.training.config import UNRECORDED, TrainConfig, from_record
from edgewise.agents.training.parts import Batch
from edgewise.agents.training.record_fields import GROUP, Number, checked, is_count, is_figure
from edgewise.agents.training.run_folder import STATE, RunFolder, listed, read_state
from edgewise.agents.training.run_reading import METRICS, numbers
from edgewise.errors import shown
from edgewise.fields import build
from edgewise.files import FileError, about, read_json
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.lessons.batch import PARTS, as_current
from edgewise.wrappers.lessons.kinds import ArmLesson, ProblemLesson
from edgewise.wrappers.lessons.lesson import Lesson
from edgewise.wrappers.lessons.refill import Refill
from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.rule_record import from_json
from edgewise.wrappers.rules.signal import Floats, Updated
from edgewise.wrappers.vector.curriculum import draw_pool

GROUPS = "groups.jsonl"
TOLERANCE = {1: 1e-6, 2: 1e-9, 3: 1e-9}  # by schema: in schema 1, rewards have seven digits

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Pool:
    """The pool of a rule over problems."""

    names: Sequence[str]
    difficulties: Sequence[float]


@dataclass(frozen=True)
class Recorded:
    """The fields of a config that a replay needs beside the rule."""

    arms: Sequence[str]  # their names
    seed: int
    num_problems: int
    group_size: int
    pool: Pool | None = None  # of a run through TRL or verl
    allocation: str = "none"

    def __post_init__(self) -> None:
        """Check the size of a batch."""
        for name in ("num_problems", "group_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        check_held(group_size=self.group_size, num_problems=self.num_problems)
        check_held(most=self.batch.most, num_problems=self.num_problems)
        if self.seed < 0:
            raise ValueError(f"`seed` must be at least 0, got {self.seed}")

    @property
    def batch(self) -> Batch:
        """Return the size of a batch."""
        return Batch(1, self.num_problems, self.group_size, self.allocation)


@dataclass(frozen=True)
class Replay:
    """What was recomputed, and agreed."""

    num_steps: int
    num_groups: int
    num_rejected: int  # of the groups
    state_step: int | None  # of the checkpoint that agreed, if there was one to compare


def replay(
    folder: RunFolder, progress: Callable[[int, int], None] = lambda done, total: None
) -> Replay:
    """Recompute the run in `folder`.

    Args:
        folder: Of the run.
        progress: Called with how many steps are done, of at most how many.

    Raises:
        FileError: If records are damaged or missing, until the step of the checkpoint at least, or no
            step was done.
        ValueError: If it does not agree, with the first step and arm that differ; or if its records
            are not enough.
    """
    config = folder.config()
    with about(folder.path / "config.json"):
        lesson = make_lesson(config)
    lesson.seed(config["seed"])
    lesson.draw(np.ones(lesson.shape[0], dtype=np.bool_))  # when the environments were seeded
    lesson.forget()
    checkpoint, saved = last_state(folder)
    total = config["num_steps"] if is_count(config.get("num_steps")) else 0
    num_steps = num_groups = num_rejected = 0
    agreed = compare_state(lesson, 0, saved) if checkpoint == 0 else None
    for step, metrics, records in recorded_steps(folder):
        try:
            replay_step(lesson, records)
        except (KeyError, IndexError, TypeError, ValueError, ResetNeeded) as error:
            path = folder.path / GROUPS
            raise FileError(f"{path}: step {step}: {damaged(error)}") from error
        with about(folder.path / METRICS):
            check_text(lesson, step, metrics)
        compare_step(lesson, step, metrics, records)
        num_steps, num_groups = num_steps + 1, num_groups + len(records)
        num_rejected += sum(not record["kept"] for record in records)
        progress(step, max(step, total))
        if step == checkpoint:
            agreed = compare_state(lesson, step, saved)
    refuse_short(folder, num_steps, checkpoint or 0)
    return Replay(num_steps, num_groups, num_rejected, agreed)


def make_lesson(config: Record) -> ArmLesson | ProblemLesson:
    """Return the lesson of a run, with its rule in the initial state.

    Raises:
        ValueError: If the config is of a version that recorded less, or says something else.
    """
    refuse_lacking(config, {"rule", "arms", "seed", "num_problems", "group_size"})
    kept = {name: config[name] for name in Recorded.__dataclass_fields__ if name in config}
    recorded, rule = build(Recorded, kept), from_json(config["rule"])
    lesson = lesson_of(rule, recorded, config)
    if recorded.batch.allotment is not None:
        lesson.allocate(recorded.batch.allotment)
    return lesson


def lesson_of(
    rule: Rule | ProblemRule, recorded: Recorded, config: Record
) -> ArmLesson | ProblemLesson:
    """Return a lesson with `rule`, without an allocation."""
    shape = (recorded.num_problems, recorded.batch.most)
    if not isinstance(rule, ProblemRule):
        lesson = ArmLesson(rule, len(recorded.arms), shape)
        if refill := refill_of(config):
            lesson.keep_ratios(refill)
        return lesson
    if recorded.pool is not None:
        return ProblemLesson(rule, (recorded.pool.names, recorded.pool.difficulties), shape)
    refuse_lacking(config, {field.name for field in fields(TrainConfig)} - UNRECORDED.keys())
    envs = unwrap_vector(from_record(config).setup.envs())
    _, names, difficulties = draw_pool(envs.env, config["pool_size"], 0)
    return ProblemLesson(rule, (names, difficulties), shape)


def refill_of(config: Record) -> Refill | None:
    """Return what drew the arms of groups that the filter of a run rejected, None for its rule."""
    hyperparameters = config.get("hyperparameters")
    name = hyperparameters.get("filter") if isinstance(hyperparameters, Mapping) else None
    return FILTERS[name]().refill if isinstance(name, str) and name in FILTERS else None


def refuse_lacking(config: Record, needed: set[str]) -> None:
    """Raise ValueError if `config` lacks a field."""
    if lacking := needed - config.keys():
        raise ValueError(f"config.json must have {sorted(lacking)}, which this run does not record")


def last_state(folder: RunFolder) -> tuple[int | None, Record]:
    """Return the step of the last checkpoint, None if there is none, and the curriculum's state."""
    through_others = [read_state(path) for path in folder.path.glob(f"*/{STATE}")]
    if through_others:
        step, last = max(through_others, key=lambda saved: saved[0])
        return step, without_env(last)
    found = folder.newest_intact(needed=(ENVS,))
    return (None, {}) if found is None else (int(found.name), without_env(read_json(found / ENVS)))


def without_env(state: Record) -> Record:
    """Return the state of a curriculum without that of the environments below it."""
    return {name: value for name, value in state.items() if name != "env"}


def recorded_steps(folder: RunFolder) -> Iterator[tuple[int, Record, list[dict[str, Any]]]]:
    """Yield each step that was completed, its metrics and the records of its groups.

    Raises:
        FileError: If the records of a step are missing.
    """
    groups, needed = folder.path / GROUPS, ("step", "num_extra_rollouts")
    by_step = groupby(recorded_groups(folder), key=lambda record: record["step"])
    for number, metrics in enumerate(folder.lines(METRICS, needed, numbers(needed)), start=1):
        if metrics["step"] != number:
            raise FileError(
                f"{folder.path / METRICS}: must have the steps in order from 1, got step "
                f"{metrics['step']} where the record of step {number} is missing"
            )
        step, found = next(by_step, (None, iter(())))
        if step != number:
            raise FileError(f"{groups}: the records of step {number} are missing")
        records = [as_current(record, place) for place, record in enumerate(found)]
        if metrics["num_extra_rollouts"] and records[0]["schema"] == 1:
            raise ValueError(
                f"step {step}: groups were rejected, of which schema 1 does not tell; "
                "what they taught the rule is not known"
            )
        yield metrics["step"], metrics, records
    for _ in by_step:  # of a step that was not completed: checked, and no more
        pass


def recorded_groups(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Yield the records of groups, those of each step after those before it.

    Raises:
        FileError: If one is damaged, or of an earlier step than the one before it.
    """
    check_fields, last = checked(GROUP), 1

    def check(record: dict[str, Any]) -> None:
        nonlocal last
        check_fields(record)
        as_current(record, 0)
        if record["step"] < last:
            raise ValueError(f"`step` must be at least {last}, got {record['step']}")
        last = record["step"]

    return folder.lines(GROUPS, ("schema", "step", "problem", "arm", *PARTS), check)


def refuse_short(folder: RunFolder, num_steps: int, checkpoint: int) -> None:
    """Raise FileError if there are records of fewer steps than a checkpoint has, or of none."""
    path = folder.path / METRICS
    if num_steps < checkpoint:
        lacking = listed(list(range(num_steps + 1, checkpoint + 1)))
        raise FileError(
            f"{path}: the records of {lacking} are missing, which the checkpoint of step "
            f"{checkpoint} has"
        )
    if num_steps == 0:
        raise FileError(f"{path}: must have a step to replay, got none")


def damaged(error: Exception) -> str:
    """Return the error message for damaged records."""
    reason = " ".join(str(error).split())
    return f"the records are damaged: {reason if isinstance(error, ValueError) else repr(error)}"


def replay_step(lesson: ArmLesson | ProblemLesson, records: Sequence[Record]) -> None:
    """Let the rule draw and learn from the recorded groups of one step."""
    last = max(record["round"] for record in records)
    if last >= len(records):
        raise ValueError(f"round {last} of {len(records)} groups")
    for number in range(1 + last):
        replay_round(lesson, [record for record in records if record["round"] == number])
    kept = [record["abs_advantages"] for record in records if record["kept"]]
    lesson.feedback(rectangular(kept, lesson))
    lesson.learn()
    if lesson.learns_after:
        lesson.learn_after(updated_of([record for record in records if record["kept"]], lesson))
    if len(lesson.records()) != len(records):
        raise ValueError(f"{len(records)} groups, not {len(lesson.records())}")


def updated_of(records: Sequence[Record], lesson: Lesson) -> Updated:
    """Return what the update of the policy did to the groups of a batch, by their records."""
    advantages = rectangular([record["advantages"] for record in records], lesson)
    log_ratios = rectangular([record["log_ratios"] for record in records], lesson)
    verified = np.zeros(advantages.shape, np.bool_)
    for group, record in enumerate(records):
        verified[group, : len(record["advantages"])] = record.get("verified", True)
    return Updated(advantages, log_ratios, verified)


def rectangular(rows: Sequence[Sequence[float]], lesson: Lesson) -> Floats:
    """Return rows of numbers as an array; with an allocation they may differ in length, and are padded."""
    if lesson.allotment is None:
        return np.array(rows, np.float64)
    padded = np.zeros((len(rows), max(map(len, rows))))
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded


def check_text(lesson: Lesson, step: int, metrics: Record) -> None:
    """Raise ValueError if a metric of the curriculum is a text."""
    for name in lesson.metrics.keys() & metrics.keys():
        check_value(f"step {step}: {name}", metrics[name], Number)


def compare_step(
    lesson: ArmLesson | ProblemLesson, step: int, metrics: Record, records: Sequence[Record]
) -> None:
    """Compare what the rule did with the records of a step; raise ValueError if it differs."""
    tolerance = TOLERANCE[records[0]["schema"]]
    for record, own in zip(records, lesson.records(), strict=True):
        shared = {key: own[key] for key in record if key in own}
        where = f"step {step}, group {record['place']} of arm {record['arm']}"
        refuse(where, difference({key: record[key] for key in shared}, shared, tolerance))
    recorded = {name: metrics[name] for name in lesson.metrics if name in metrics}
    replayed = {name: lesson.metrics[name] for name in recorded}
    refuse(f"step {step}", difference(recorded, replayed, tolerance))


def replay_round(lesson: ArmLesson | ProblemLesson, drawn: Sequence[Record]) -> None:
    """Redraw the groups of one round, and fill in their recorded outcomes.

    Raises:
        ValueError: If there are more completions of a group than the allocation gives it, or not all.
    """
    places = [record["place"] for record in drawn]
    which = np.isin(np.arange(lesson.shape[0]), places)
    lesson.draw(which)
    sizes = lesson.allot(which)
    for place, record in zip(places, drawn, strict=True):
        made = len(record["rewards"])
        if made > sizes[place] or (record["kept"] and made < sizes[place]):
            raise ValueError(f"{made} completions of group {place}, not {sizes[place]}")
        verified = record.get("verified", True)
        lesson.set_outcomes(
            place, record["rewards"], record["correct"], verified, record["lengths"]
        )
        name = record["problem"]
        if isinstance(lesson, ProblemLesson):
            name = lesson.rule.names[lesson.arms[place]]
        lesson.set_problems(place, name)


def compare_state(lesson: ArmLesson | ProblemLesson, step: int, saved: Record) -> int:
    """Return `step` if the lesson is in the state `saved`, else raise ValueError."""
    now = lesson.state_dict()
    own = {part: now[part] for part in saved if part in now}  # of signals, early runs saved none
    refuse(f"checkpoint of step {step}", difference(saved, own, TOLERANCE[1]))
    return step


def refuse(where: str, found: tuple[str, Any, Any] | None) -> None:
    """Raise ValueError if something was found to differ."""
    if found is not None:
        name, recorded, replayed = found
        raise ValueError(
            f"{where}: `{name}` is {shown(recorded)} in the run and {shown(replayed)} in the replay"
        )


def difference(
    recorded: Any, replayed: Any, tolerance: float, name: str = ""
) -> tuple[str, Any, Any] | None:
    """Return the name of the first number or text that differs, with both; None if none does.

    Args:
        recorded: What JSON holds.
        replayed: The same, or tuples in place of lists.
        tolerance: How far floats may be apart, absolutely or in proportion.
        name: Of both.
    """
    if isinstance(recorded, Mapping) and isinstance(replayed, Mapping):
        if recorded.keys() != replayed.keys():
            return name, sorted(recorded), sorted(replayed)
        pairs = [(f"{name}.{key}", recorded[key], replayed[key]) for key in recorded]
    elif isinstance(recorded, list) and isinstance(replayed, (list, tuple)):
        if len(recorded) != len(replayed):
            return name, recorded, replayed
        both = enumerate(zip(recorded, replayed, strict=True))
        pairs = [(f"{name}[{place}]", one, other) for place, (one, other) in both]
    elif is_figure(recorded) and is_figure(replayed) and float in map(type, (recorded, replayed)):
        same = isclose(recorded, replayed, rel_tol=tolerance, abs_tol=tolerance)
        return None if same else (name, recorded, replayed)
    else:
        return None if recorded == replayed else (name, recorded, replayed)
    found = (difference(one, other, tolerance, part.lstrip(".")) for part, one, other in pairs)
    return next((each for each in found if each is not None), None)
