"""Types of hyperparameters that say which values they allow, and the check of a config by them.

>>> @dataclass(frozen=True)
... class Config:
...     clip_eps: Positive | None = None
...     def __post_init__(self) -> None:
...         check(self)
>>> Config(clip_eps=-1)
Traceback (most recent call last):
ValueError: `clip_eps` must be positive, got -1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from sys import float_info
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from edgewise.errors import shown, unknown


@dataclass(frozen=True)
class Condition:
    """A test of a value, and the words of what it must be."""

    words: str
    holds: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Return whether `value` is a number, finite or not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


WHOLE = Condition("a whole number", lambda n: type(n) is int)
NUMBER = Condition("a number", is_number)
FINITE = Condition(
    "finite", lambda x: abs(x) <= float_info.max
)  # also of whole numbers, as a float
Natural = Annotated[int, WHOLE, Condition("at least 0", lambda n: n >= 0)]
Count = Annotated[int, WHOLE, Condition("at least 1", lambda n: n >= 1)]
Workers = Annotated[Count, Condition("at most 1024", lambda n: n <= 1024)]
Seeds = Annotated[Count, Condition("at most 10000", lambda n: n <= 10_000)]
Several = Annotated[int, WHOLE, Condition("at least 2", lambda n: n >= 2)]
Positive = Annotated[float, NUMBER, Condition("positive", lambda x: x > 0), FINITE]
NotNegative = Annotated[float, NUMBER, Condition("at least 0", lambda x: x >= 0), FINITE]
Fraction = Annotated[float, NUMBER, Condition("in [0, 1]", lambda x: 0 <= x <= 1)]
Discount = Annotated[float, NUMBER, Condition("in (0, 1]", lambda x: 0 < x <= 1)]
BelowOne = Annotated[float, NUMBER, Condition("in [0, 1)", lambda x: 0 <= x < 1)]
Finite = Annotated[float, NUMBER, FINITE]
DISTINCT = Condition("different from each other", lambda values: len({*values}) == len(values))
Levels = Annotated[tuple[Count, ...], DISTINCT]
MAX_HELD = 10_000_000  # completions, problems or rows that are held in memory at once
HELD = (  # fields of counts of which as many as their product are
    ("group_size", "num_problems"),
    ("num_samples", "num_problems"),
    ("k", "num_pass_k"),
    ("pool_size",),
    ("num_datasets", "num_students", "dataset_size"),
    ("validation_problems",),
    ("test_samples", "test_problems"),
)
SWITCH = Condition("true or false", lambda value: isinstance(value, bool))


def check(config: Any) -> None:
    """Check the fields of `config`, a dataclass, against their declared types.

    A field is checked if it is a Literal, a bool or one of the types of this module, or a tuple of
    these; None is allowed where the type says so.

    Raises:
        ValueError: If a field has a value that it cannot have, or `HELD` are too many.
    """
    hints = declared(type(config))  # type: ignore[arg-type]  # a class is hashable, whatever mypy says
    for name in (field.name for field in fields(config)):
        check_value(name, getattr(config, name), hints[name])
    for names in HELD:
        counts = {name: getattr(config, name, None) for name in names}
        check_held(**{name: count for name, count in counts.items() if isinstance(count, int)})


def check_held(**counts: int) -> None:
    """Check that the product of counts is one of things that can be held in memory at once.

    Raises:
        ValueError: If it is not; it names the first count that is too many with those before it.
    """
    held, before = 1, ""
    for name, count in counts.items():
        if held * count > MAX_HELD:
            beside = f" with{before}" if before else ""
            most = MAX_HELD // held
            raise ValueError(f"`{name}` must be at most {most}{beside}, got {shown(count)}")
        held, before = held * count, f"{before}{' and' if before else ''} `{name}` {count}"


def check_value(name: str, value: Any, hint: Any) -> None:
    """Raise ValueError if a type does not allow the value of the field `name`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        check_value(name, value, arguments[0])
    if origin is Literal and value not in arguments:
        raise ValueError(unknown(name, value, arguments))
    if value is None and type(None) in arguments:
        return
    if origin is tuple and isinstance(value, tuple):
        for part in value:
            check_value(name, part, arguments[0])
        return
    if origin in (Union, UnionType):
        for part in arguments:
            check_value(name, value, part)
        return
    for condition in conditions(hint):
        if not condition.holds(value):
            raise ValueError(f"`{name}` must be {condition.words}, got {shown(value)}")


@lru_cache(maxsize=128)
def declared(kind: type[Any]) -> dict[str, Any]:
    """Return the types of the fields of a class, with what they allow."""
    return get_type_hints(kind, include_extras=True)


def conditions(hint: Any) -> Iterator[Condition]:
    """Yield the conditions that a type declares."""
    if hint is bool:
        yield SWITCH
    elif get_origin(hint) is Annotated:
        yield from (extra for extra in hint.__metadata__ if isinstance(extra, Condition))
