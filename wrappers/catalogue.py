"""The curricula by name, as the command line and run folders call them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edgewise.errors import unknown
from edgewise.wrappers.e2h import E2HGaussian
from edgewise.wrappers.ordered import Ordered
from edgewise.wrappers.rule import Random, Rule
from edgewise.wrappers.sec import SEC

CURRICULA: dict[str, type[Rule]] = {
    "random": Random,
    "ordered": Ordered,
    "sec": SEC,
    "e2h-gaussian": E2HGaussian,
}


def make_rule(text: str, num_steps: int) -> Rule:
    """Return the rule that `text` names, with its arguments: "sec:learning_rate=0.5:temperature=1".

    A rule that needs `num_steps`, the length of the training run, is given it.

    >>> make_rule("sec:temperature=0.4", num_steps=100).temperature
    0.4

    Raises:
        ValueError: If there is no such rule or argument, or its value is refused.
    """
    rule: Rule = construct("curriculum", text, CURRICULA, num_steps=num_steps)
    return rule


def construct(role: str, text: str, kinds: Mapping[str, type[Any]], **given: Any) -> Any:
    """Return the one of `kinds` that `text` names, as "name" or "name:argument=value:...".

    Args:
        role: What the kinds are, for messages.
        text: The name and the arguments, whose values are JSON or else text.
        kinds: Dataclasses by name.
        given: Arguments for those fields that a kind has, unless `text` gives them.

    Raises:
        ValueError: If there is no such kind or argument, or a value is refused.
    """
    name, *parts = text.split(":")
    if name not in kinds:
        raise ValueError(unknown(role, name, kinds))
    known = {field.name for field in fields(kinds[name])}
    arguments = {key: value for key, value in given.items() if key in known}
    settable = sorted(known - {"signal", "sampling"})
    for part in parts:
        argument, _, value = part.partition("=")
        if argument not in settable:
            raise ValueError(unknown(f"{name} argument", argument, settable))
        try:
            arguments[argument] = json.loads(value)
        except json.JSONDecodeError:
            arguments[argument] = value
    try:
        return kinds[name](**arguments)
    except TypeError as error:
        raise ValueError(f"`{role}` {text!r} has a value of the wrong type: {error}") from error
