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
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from edgewise.errors import shown, unknown


@dataclass(frozen=True)
class Condition:
    """A test of a value, and the words of what it must be."""

    words: str
    holds: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Return whether `value` is a finite number."""
    return isinstance(value, (int, float)) and isfinite(value)


Count = Annotated[int, Condition("an integer of at least 1", lambda n: type(n) is int and n >= 1)]
Positive = Annotated[float, Condition("positive", lambda x: is_number(x) and x > 0)]
NotNegative = Annotated[float, Condition("at least 0", lambda x: is_number(x) and x >= 0)]
Fraction = Annotated[float, Condition("in [0, 1]", lambda x: is_number(x) and 0 <= x <= 1)]
BelowOne = Annotated[float, Condition("in [0, 1)", lambda x: is_number(x) and 0 <= x < 1)]
SWITCH = Condition("true or false", lambda value: isinstance(value, bool))


def check(config: Any) -> None:
    """Check the fields of `config`, a dataclass, against their declared types.

    A field is checked if it is a Literal, a bool or one of the types of this module; None is allowed
    where the type says so.

    Raises:
        ValueError: If a field has a value that it cannot have.
    """
    hints = get_type_hints(type(config), include_extras=True)
    for name in (field.name for field in fields(config)):
        value, hint = getattr(config, name), hints[name]
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise ValueError(unknown(name, value, get_args(hint)))
        if value is None and type(None) in get_args(hint):
            continue
        for condition in conditions(hint):
            if not condition.holds(value):
                raise ValueError(f"`{name}` must be {condition.words}, got {shown(value)}")


def conditions(hint: Any) -> Iterator[Condition]:
    """Yield the conditions that a type, or a part of a union, declares."""
    if hint is bool:
        yield SWITCH
    elif get_origin(hint) is Annotated:
        yield from (extra for extra in hint.__metadata__ if isinstance(extra, Condition))
    elif get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from conditions(part)
