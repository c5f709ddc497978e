"""The names of problems, and the keywords of environments, as others write them.

Both are data: they choose among what is registered and declared here, by values of JSON, and nothing
in them is imported, called or formatted but as declared. What a problem may cost is bounded: numbers
in `params` by those of the task's own levels, times `GROWTH`, texts and lists by their lengths; of the
generated tasks none then takes more than about ten seconds. Not bounded here is what the fields of a task
ask for, which its class checks, and the size of a data set that `data` names, a file that is read, or
a data set of the hub that is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from inspect import Parameter, signature
from math import inf
from typing import Any, Literal

from edgewise.answer import FORMATS, THOUGHTS
from edgewise.attempts import attempt_record
from edgewise.errors import shown, unknown
from edgewise.fields import convert, hints_of
from edgewise.frame import Frame
from edgewise.json_text import parse_json
from edgewise.registration import check_id, task_of
from edgewise.task import SPLITS, Task
from edgewise.tools import tool_record

MAX_BYTES = 2**22  # of a name; those of a teacher's problems hold all of them
MAX_DEPTH = 16
MAX_TEXT = 200  # characters of an id, a part or a parameter
MAX_FIELD = 4_096  # of a text in a field of a task, such as a path
MAX_ARMS = 10_000
MAX_ITEMS = 1_000  # of a parameter that is a list
GROWTH = 4  # how far a name may go beyond the levels of a task
LEAST_BOUND = 16  # of numbers, however small those of the levels are
KEY = re.compile(r"[0-9a-f]{16}")
OVERRIDES: Mapping[str, Any] = {  # of every environment that has a task, with their types
    "preset": str | None,
    "template": str | None,
    "rewards": tuple[float, float, float] | None,
    "answer": Literal[FORMATS] | None,
    "thought": Literal[THOUGHTS] | None,
    "frame": Mapping[str, Any] | None,
    "arms": str | Sequence[Any] | None,
    "attempts": int | Mapping[str, Any] | None,
    "tools": Sequence[Any] | Mapping[str, Any] | None,
}
KEYWORDS: Mapping[str, Any] = {  # further ones of `gym.make`, which no name has
    "levels": Sequence[int] | None,
    "split": Literal[SPLITS],
    "allow_ood": bool,
}
RENAMED: Mapping[str, Mapping[str, str]] = {  # fields of tasks, by their names in version 0.1
    "ProblemSet-v0": {
        "question": "question_column",
        "level": "level_column",
        "difficulty": "difficulty_column",
        "subject": "subject_column",
        "options": "options_column",
    },
}


@dataclass(frozen=True)
class Name:
    """What the name of a problem says, checked."""

    env: str  # a registered id
    overrides: Mapping[str, Any]  # keywords of `gym.make`
    split: str
    level: int
    params: Mapping[str, Any]
    problem_seed: int
    key: str  # a hash of the content, 16 hexadecimal digits

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of `reset` that pose the problem."""
        return {
            "level": self.level,
            "params": dict(self.params),
            "problem_seed": self.problem_seed,
        }


FIELDS = tuple(Name.__dataclass_fields__)


def read_name(text: str) -> Name:
    """Parse the name of a problem.

    Args:
        text: As ``info["problem"]`` has it.

    Raises:
        ValueError: If it is no such name, with the field at fault.
    """
    record = parse_json(text, "name", max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    if not isinstance(record, dict):
        raise ValueError(f"`name` must be an object of JSON, got {shown(record)}")
    for field in record:
        if field not in FIELDS:
            raise ValueError(unknown("name field", field, FIELDS))
    for field in FIELDS:
        if field not in record:
            raise ValueError(f"`{field}` must be in a name, got {shown(text)}")
    env_id = record["env"]
    if not isinstance(env_id, str):
        raise ValueError(f"`name` must be of a registered environment, got {shown(text)}")
    check_id(env_id)
    task = task_of(env_id)
    if task is None:
        raise ValueError(f"`env` must be of a task, for a mixture names no problem, got {env_id!r}")
    return Name(
        env_id,
        read_overrides(env_id, task, record["overrides"], "overrides"),
        convert(record["split"], Literal[SPLITS], "split"),
        read_integer(record["level"], "level", 1, 10**6),
        read_params(task, record["params"], "params"),
        read_integer(record["problem_seed"], "problem_seed", 0, 2**63 - 1),
        read_key(record["key"]),
    )


def read_integer(value: Any, where: str, low: int, high: int) -> int:
    """Return an integer in [low, high]."""
    number: int = convert(value, int, where)
    if not low <= number <= high:
        raise ValueError(f"`{where}` must be in [{low}, {high}], got {shown(number)}")
    return number


def read_key(value: Any) -> str:
    """Return a key of a problem."""
    if not isinstance(value, str) or not KEY.fullmatch(value):
        raise ValueError(f"`key` must be 16 hexadecimal digits, got {shown(value)}")
    return value


def read_keywords(env_id: str, options: Any, where: str) -> dict[str, Any]:
    """Return keywords of `gym.make`, of a task or a mixture, that come from data.

    Args:
        env_id: A registered id.
        options: What JSON says, an object.
        where: What it is called in messages.

    Raises:
        ValueError: If the id or a keyword does not exist, or a value is of another type.
    """
    task = task_of(env_id)
    if task is not None:
        return read_overrides(env_id, task, options, where, KEYWORDS)
    mapping: Mapping[str, Any] = convert(options, Mapping[str, Any], where)
    for name in mapping:
        if name not in ("envs", "split"):
            raise ValueError(unknown(f"{where} of {env_id}", name, ["envs", "split"]))
    read = {
        name: convert(mapping[name], Literal[SPLITS], "split")
        for name in mapping
        if name == "split"
    }
    if "envs" in mapping:
        members = convert(mapping["envs"], Sequence[Any], f"{where}.envs")
        read["envs"] = [read_member(one, f"{where}.envs[{i}]") for i, one in enumerate(members)]
    return read


def read_member(member: Any, where: str) -> dict[str, Any]:
    """Return the id and the keywords of a member of a mixture."""
    supplied = (
        {"id": member} if isinstance(member, str) else convert(member, Mapping[str, Any], where)
    )
    env_id = convert(supplied.get("id"), str, f"{where}.id")
    rest = {name: value for name, value in supplied.items() if name != "id"}
    check_id(env_id)
    if task_of(env_id) is None:
        raise ValueError(f"`{where}.id` must be of a task, got {env_id!r}")
    return {"id": env_id, **read_keywords(env_id, rest, where)}


def read_overrides(
    env_id: str, task: type[Task[Any]], overrides: Any, where: str, further: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """Validate overrides of a preset: its parts, and the fields of the task."""
    supplied: Mapping[str, Any] = convert(overrides, Mapping[str, Any], where)
    hints = {**OVERRIDES, **further, **fields_of(task)}
    read: dict[str, Any] = {}
    for old, value in supplied.items():
        renamed = RENAMED.get(env_id, {}).get(old, old)
        name = old if old in hints or renamed not in hints else renamed
        if name not in hints:
            raise ValueError(
                f"`{where}` must have parts of a preset and fields of {env_id} alone, got "
                f"{shown(old)}, which is none of {', '.join(hints)}"
            )
        read[name] = convert(value, hints[name], f"{where}.{name}")
        if isinstance(value, str) and name not in OVERRIDES and len(value) > MAX_FIELD:
            raise ValueError(
                f"`{where}.{name}` must have at most {MAX_FIELD:,} characters, got {len(value):,}"
            )
    if read.get("frame") is not None:
        read["frame"] = read_frame(read["frame"], f"{where}.frame")
    if read.get("attempts") is not None:
        read["attempts"] = attempt_record(read["attempts"])
    if read.get("tools") is not None:
        read["tools"] = tool_record(read["tools"])
    if isinstance(read.get("arms"), tuple):
        read["arms"] = read_arms(task, read["arms"], f"{where}.arms")
    return read


@lru_cache(maxsize=512)
def fields_of(task: type[Task[Any]]) -> dict[str, Any]:
    """Return the types of the fields of a task that an environment may be given."""
    taken = {*OVERRIDES, *KEYWORDS, "task", "env_id", "requires", "render_mode"}
    if not is_dataclass(task):
        return {}
    hints, declared = hints_of(task), [field for field in fields(task) if field.init]
    return {field.name: hints[field.name] for field in declared if field.name not in taken}


def read_frame(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return those fields of a frame that are given."""
    hints = hints_of(Frame)
    for name in value:
        if name not in hints:
            raise ValueError(unknown(where, name, hints))
    return {name: convert(part, hints[name], f"{where}.{name}") for name, part in value.items()}


def read_arms(task: type[Task[Any]], arms: Sequence[Any], where: str) -> list[dict[str, Any]]:
    """Return arms, each options of `reset`."""
    if len(arms) > MAX_ARMS:
        raise ValueError(f"`{where}` must be at most {MAX_ARMS:,}, got {len(arms):,}")
    read = []
    for place, arm in enumerate(arms):
        options = dict(convert(arm, Mapping[str, Any], f"{where}[{place}]"))
        if "params" in options:
            options["params"] = read_params(task, options["params"], f"{where}[{place}].params")
        read.append(options)
    return read


def read_params(task: type[Task[Any]], params: Any, where: str) -> dict[str, Any]:
    """Validate the parameters of a level, bounded by those of all levels.

    Raises:
        ValueError: If the task has no such parameter, or a value is of another type or too large.
    """
    supplied: Mapping[str, Any] = convert(params, Mapping[str, Any], where)
    hints, bounds = params_of(task)
    for name in supplied:
        if name not in hints and not task.any_params:
            raise ValueError(unknown(where, name, hints))
    read = {
        name: convert(supplied[name], hints.get(name, Any), f"{where}.{name}") for name in supplied
    }
    for name, value in read.items():
        bound = inf if task.any_params else bounds.get(name, LEAST_BOUND)
        check_size(value, bound, f"{where}.{name}")
    return read


@lru_cache(maxsize=512)
def params_of(task: type[Task[Any]]) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the types of the parameters of a task's levels, and how large they may be."""
    hints: dict[str, Any] = {}
    bounds: dict[str, float] = {}
    for method in (task.draft, task.generate):
        declared = hints_of(method)
        for name, parameter in signature(method).parameters.items():
            if parameter.kind is Parameter.KEYWORD_ONLY:
                hints[name] = declared[name]
                grow(bounds, name, parameter.default)
    for preset in getattr(task, "presets", {}).values():
        for level in preset.levels.values():
            for name, value in level.items():
                hints.setdefault(name, hint_of(value))
                grow(bounds, name, value)
    return {**hints, **task.part_params}, bounds


def hint_of(value: Any) -> Any:
    """Return the type that stands in for a parameter that is declared nowhere."""
    kinds: Mapping[Any, Any] = {bool: bool, int: float, float: float, str: str}
    return kinds.get(type(value), Any)


def grow(bounds: dict[str, float], name: str, value: Any) -> None:
    """Let a parameter be `GROWTH` times as large as `value`."""
    size = abs(value) if type(value) in (int, float) else 0
    bounds[name] = max(bounds.get(name, LEAST_BOUND), GROWTH * size)


def check_size(value: Any, bound: float, where: str) -> None:
    """Raise ValueError if a number or a length is beyond `bound`, or a text is long."""
    if isinstance(value, str):
        value, bound = len(value), MAX_TEXT
    elif isinstance(value, (Sequence, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            check_size(part, bound, where)
        value, bound = len(value), MAX_ITEMS
    if type(value) in (int, float) and abs(value) > bound:
        raise ValueError(f"`{where}` must be at most {bound:g} in size, got {shown(value)}")
