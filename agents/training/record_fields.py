"""What the fields of the records of a run may be, checked as lines are read: folders come from others.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeGuard

from edgewise.agents.algorithms.config import FINITE, Condition, Fraction, check_value, is_number
from edgewise.errors import shown
from edgewise.fields import join
from edgewise.files import Check

MOST = 10**12  # of a count
MAX_BITS = 1_000  # of a whole number, so that it can be a float


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value of a record is the number of a step, an arm or a place."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST


def is_figure(value: object) -> bool:
    """Return whether a value is a number that can be a float, finite or not."""
    return is_number(value) and not (isinstance(value, int) and value.bit_length() > MAX_BITS)


def are(holds: Callable[[Any], bool], value: object) -> bool:
    """Return whether a value is a list of which `holds` is true of each part."""
    return isinstance(value, list) and all(map(holds, value))


def is_finite(value: object) -> bool:
    """Return whether a value is a number that can be a float, and finite."""
    return is_number(value) and FINITE.holds(value)


def is_truth(value: object) -> bool:
    """Return whether a value is true or false."""
    return isinstance(value, bool)


def is_writable(value: object) -> bool:
    """Return whether a value is a text that UTF-8 can write."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number, and no bool."""
    return type(value) is int


Step = Annotated[int, Condition("the number of a step", is_count)]
Natural = Annotated[int, Condition(f"a whole number in [0, {MOST})", is_count)]
Whole = Annotated[int, Condition("a whole number", is_whole)]
Text = Annotated[str, Condition("a text", lambda value: isinstance(value, str))]
Writable = Annotated[
    str, Condition("a text without lone surrogates", lambda value: is_writable(value))
]  # of a config, which stands in reports
Number = Annotated[float, Condition("a number", is_figure)]
Naturals = Annotated[list[int], Condition("a list of counts", lambda value: are(is_count, value))]
Numbers = Annotated[
    list[float], Condition("a list of numbers", lambda value: are(is_figure, value))
]
FiniteNumbers = Annotated[
    list[float], Condition("a list of finite numbers", lambda value: are(is_finite, value))
]
Truths = Annotated[
    list[bool], Condition("a list of true and false", lambda value: are(is_truth, value))
]
Texts = Annotated[
    list[str], Condition("a list of texts", lambda value: are(lambda x: isinstance(x, str), value))
]
Writables = Annotated[
    list[str],
    Condition("a list of texts without lone surrogates", lambda value: are(is_writable, value)),
]
GROUP: Mapping[str, Any] = {  # of groups.jsonl; "arm" is -1 where no rule chose
    "schema": Whole,
    "step": Step,
    "problem": Text,
    "arm": Annotated[int, Condition("the number of an arm", lambda n: is_count(n) or n == -1)],
    "arm_probability": Fraction,
    "kept": bool,
    "place": Natural,
    "round": Natural,
    "rewards": FiniteNumbers,
    "correct": Truths,
    "verified": Truths,
    "abs_advantages": FiniteNumbers,
    "advantages": FiniteNumbers,
    "log_ratios": Numbers,
    "lengths": Naturals,
    "num_tokens": Naturals,
}


def check_fields(record: object, fields: Mapping[str, Any], where: str = "") -> None:
    """Check that a part of a config has all fields, each of its type.

    Raises:
        ValueError: If it is no object, or one is missing or of another type.
    """
    if not isinstance(record, dict):
        raise ValueError(f"`{where}` must be an object, got {shown(record)}")
    for name, hint in fields.items():
        if name not in record:
            raise ValueError(f"must have `{join(where, name)}`, got {shown(sorted(record))}")
        check_value(join(where, name), record[name], hint)


def checked(fields: Mapping[str, Any]) -> Check:
    """Return the check of an object whose fields, those that it has, must be of given types.

    >>> checked({"step": Step})({"step": True})
    Traceback (most recent call last):
    ValueError: `step` must be the number of a step, got True
    """

    def check(record: dict[str, Any]) -> None:
        for name, hint in fields.items():
            if name in record:
                check_value(name, record[name], hint)

    return check
