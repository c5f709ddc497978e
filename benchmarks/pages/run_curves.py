"""The curves of a training run, over its steps and over the tokens that it trained on.

Records are checked as they are read: figures that are none are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Any

import numpy as np

from edgewise.agents.statistics import Stratum, wilson
from edgewise.agents.training import validation
from edgewise.agents.training.record_fields import Step, checked, is_count
from edgewise.agents.training.run_reading import of_each_step
from edgewise.benchmarks.pages.charts import Dot, Line, chart, is_number
from edgewise.folder import Folder

Row = Mapping[str, Any]
NUM_POINTS = 60  # of a curve, at most
NUM_INTERVALS = 20  # of an accuracy of an arm, at most: what lies between is pooled
AXES = (("step", "step"), ("tokens", "tokens sampled so far"))


def stepped(folder: Folder, name: str) -> Iterator[Row]:
    """Yield the records of a file, each with the number of its step.

    Raises:
        FileError: If one has none.
    """
    return folder.lines(name, ("step",), checked({"step": Step}))


def figures(folder: Folder) -> list[dict[str, Any]]:
    """Return the step and the numbers of metrics.jsonl, each step once and in order.

    Raises:
        FileError: If a line has no step.
    """
    rows = of_each_step(stepped(folder, "metrics.jsonl"))
    return [{name: value for name, value in row.items() if is_number(value)} for row in rows]


def solved(folder: Folder, arms: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    """Yield step, arm and fraction of right completions of every group that was trained on.

    Of a rule over problems, whose groups have the number of a problem, the arm is that of its level.
    """
    for row in stepped(folder, "groups.jsonl"):
        right, arm = row.get("correct"), row.get("arm")
        if "arm_probability" not in row:
            arm = arm_of_problem(row.get("problem"), arms)
        if row.get("kept", True) and is_count(arm) and isinstance(right, list) and right:
            yield row["step"], arm, float(np.mean([one is True or one == 1 for one in right]))


def arm_of_problem(problem: object, arms: Sequence[str]) -> int | None:
    """Return the arm of the level in the name of a problem, None if no arm is named so.

    >>> arm_of_problem('{"env": "Zebra-v0", "level": 2}', ["level 1", "level 2"])
    1
    """
    named = read_problem(problem)
    names = (f"level {named.get('level')}", f"{named.get('env')} level {named.get('level')}")
    return next((arm for arm, name in enumerate(arms) if name in names), None)


def read_problem(problem: object) -> Row:
    """Return what the name of a problem says, nothing if it is none."""
    try:
        named = json.loads(problem) if isinstance(problem, str) else None
    except (ValueError, RecursionError):
        return {}
    return named if isinstance(named, dict) else {}


@dataclass(frozen=True)
class Records:
    """What a run has recorded so far."""

    arms: Sequence[str]  # their names
    num_steps: object  # that it will do, as config.json has it
    metrics: Sequence[Row]
    groups: Sequence[tuple[int, int, float]]  # step, arm and accuracy of each
    looks: Sequence[Row]  # validations

    @classmethod
    def read(cls, folder: Folder, config: Row) -> Records:
        """Read the files of a run, which may be going on.

        Raises:
            FileError: If one is damaged.
        """
        metrics = figures(folder)
        most = max((arm_of(name) for row in metrics for name in row), default=-1) + 1
        named = names_of(config)
        arms = named + [f"arm {arm}" for arm in range(len(named), most)]
        return cls(
            arms,
            config.get("num_steps"),
            metrics,
            list(solved(folder, arms)),
            list(validation.read(folder)),
        )

    @property
    def step(self) -> int:
        """The last step that is recorded."""
        return self.metrics[-1]["step"] if self.metrics else 0

    def tokens(self) -> dict[int, float]:
        """Return the tokens sampled up to the end of each step."""
        total, found = 0.0, {}
        for row in self.metrics:
            counts = (row.get(name, 0) for name in ("num_tokens", "num_extra_tokens"))
            total += sum(count for count in counts if is_number(count))
            found[row["step"]] = total
        return found


def names_of(config: Row) -> list[str]:
    """Return the names of the arms, none if there are none."""
    found = config.get("arms")
    return [str(name) for name in found] if isinstance(found, list) else []


def arm_of(name: str) -> int:
    """Return the arm of a metric, -1 for one of none.

    >>> arm_of("arm/12_reward"), arm_of("reward")
    (12, -1)
    """
    number = name.removeprefix("arm/").partition("_")[0]
    return int(number) if name.startswith("arm/") and number.isdecimal() else -1


def charts(records: Records) -> str:
    """Return the panels of every curve, once over steps and once over tokens."""
    tokens = records.tokens()
    places: tuple[Callable[[int], float], ...] = (float, lambda step: tokens.get(step, 0.0))
    return "".join(
        f'<div class="panels {kind}">{"".join(panels(records, place, axis))}</div>'
        for (kind, axis), place in zip(AXES, places, strict=True)
    )


def panels(records: Records, place: Callable[[int], float], axis: str) -> Iterator[str]:
    """Yield the panels; `place` says where on the axis the end of a step is."""

    def several(title: str, lines: Sequence[Line], bottom: float | None, top: float | None) -> str:
        return chart(title, lines, axis, bottom, top)

    def metric(name: str, label: str = "") -> Line:
        return Line(label or name, points(records.metrics, name, place))

    yield several("reward", [metric("reward")], None, None)
    yield several("accuracy of each arm", arm_accuracies(records, place), 0, 1)
    arms = [metric(f"arm/{arm}_probability", name) for arm, name in enumerate(records.arms)]
    yield several("probability of each arm", arms, 0, 1)
    effective = [
        metric("effective_prompt_ratio", "in reward"),
        metric("effective_prompt_ratio_correct", "in being right"),
    ]
    yield several("groups whose completions differ", effective, 0, 1)
    yield several("length of completions, tokens", [metric("completions/mean_length")], 0, None)
    ends = [
        metric("completions/clipped_ratio", "cut off at the token limit"),
        metric("format_rate", "with an answer in the format"),
    ]
    yield several("completions", ends, 0, 1)
    yield several("validation pass@1", validations(records.looks, place), 0, 1)


def points(metrics: Sequence[Row], name: str, place: Callable[[int], float]) -> list[Dot]:
    """Return the mean of a metric over steps that follow each other, at the last of these."""
    known = [(row["step"], row[name]) for row in metrics if is_number(row.get(name))]
    width = max(1, ceil(len(known) / NUM_POINTS))
    parts = [known[start : start + width] for start in range(0, len(known), width)]
    return [Dot(place(part[-1][0]), float(np.mean([y for _, y in part]))) for part in parts]


def arm_accuracies(records: Records, place: Callable[[int], float]) -> list[Line]:
    """Return the accuracy of each arm, with Wilson intervals over the problems of some steps."""
    width = max(1, ceil(records.step / NUM_INTERVALS))
    found: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for step, arm, rate in records.groups:
        found[arm][(step - 1) // width].append(rate)
    lines = []
    for arm, name in enumerate(records.arms):
        dots = []
        for part, rates in sorted(found[arm].items()):
            sure = wilson([Stratum(np.array(rates))])
            end = min((part + 1) * width, max(records.step, 1))
            dots.append(Dot(place(end), sure.value, sure.low, sure.high))
        lines.append(Line(name, dots))
    return lines


def validations(looks: Sequence[Row], place: Callable[[int], float]) -> list[Line]:
    """Return the mean of each validation, and the score of each level with its interval."""
    if not looks:
        return []
    rows = [(place(look["step"]), look, level) for look in looks for level in look["levels"]]
    rows.sort(key=lambda row: (str(row[2]["env"]), row[2]["level"]))
    levels_ood = {(level["env"], level["level"]): level["ood"] for _, _, level in rows}
    lines = [
        Line(
            "mean of training levels",
            [Dot(place(look["step"]), validation.score_of(look)) for look in looks],
        )
    ]
    for (env, number), levels in groupby(rows, key=lambda row: (row[2]["env"], row[2]["level"])):
        dots = [Dot(x, one["pass_at_1"], one["low"], one["high"]) for x, _, one in levels]
        ood = " (OOD)" if levels_ood[env, number] else ""
        lines.append(Line(f"{env} {number}{ood}", dots))
    return lines
