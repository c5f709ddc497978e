"""Every flag that is a number says which numbers it takes, and no other is taken."""

from dataclasses import fields, is_dataclass
from math import inf, nan
from pkgutil import resolve_name
from types import UnionType
from typing import Annotated, Union, get_args, get_origin, get_type_hints

import pytest

pytest.importorskip("tyro")

from edgewise.agents.algorithms.config import Condition
from edgewise.cli.main import COMMANDS
from edgewise.cli.parse import parse
from edgewise.errors import UsageError

NEEDED = {
    "check": ["Countdown-v0"],
    "pretrain": ["--recipe", "recipe.json", "--output", "model"],
    "report": ["folder"],
    "view": ["folder"],
}
SUITES = [(None, None), ("sec", None), ("soar", None), (None, "plan.json")]  # of `compare`
NAMED = {
    "sec": ["--suite", "sec"],
    "soar": ["--suite", "soar"],
    "plan.json": ["--plan", "plan.json"],
}


def kinds():
    """Yield the name of each command, what it needs beside a number, and the class of its flags."""
    for command, (_, place) in COMMANDS.items():
        found = resolve_name(place)
        if isinstance(found, type):
            yield command, NEEDED.get(command, []), found
        else:
            for chosen in SUITES:
                yield command, NAMED.get(chosen[0] or chosen[1], []), found(*chosen)


def numbers(kind, place=""):
    """Yield the name of each flag that is a number, and what is declared of it."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name not in {field.name for field in fields(kind)}:
            continue
        if is_dataclass(hint):
            yield from numbers(hint, f"{place}{name}.")
        elif found := number(hint):
            yield f"{place}{name}", found, "..." in str(hint)


def number(hint):
    """The type of a number and its conditions, None if the hint is of none."""
    if get_origin(hint) is Annotated:
        kind, *extras = get_args(hint)
        if inner := number(kind):
            return inner[0], [*inner[1], *(part for part in extras if isinstance(part, Condition))]
        return None
    if hint in (int, float):
        return hint, []
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType, tuple) else ()
    return next((found for part in parts if (found := number(part))), None)


FLAGS = [
    pytest.param(command, needed, kind, *flag, id=f"{command}-{kind.__name__}-{flag[0]}")
    for command, needed, kind in kinds()
    for flag in numbers(kind)
]


@pytest.mark.parametrize(("command", "needed", "kind", "name", "declared", "is_list"), FLAGS)
def test_a_flag_that_is_a_number_declares_which_it_takes(
    command, needed, kind, name, declared, is_list
):
    conditions = declared[1]
    assert conditions, "declare a type of agents/algorithms/config.py"
    for value in (nan, inf):
        assert not all(part.holds(value) for part in conditions), value


ONE_OF_EACH = [
    ("train", [], "learning_rate"),
    ("train", [], "evaluation.k"),
    ("trl", [], "lora_dropout"),
    ("eval", [], "server.timeout"),
    ("eval", [], "num_samples"),  # which has an old spelling, and may be None
    ("headroom", [], "num_seeds"),
    ("view", ["folder"], "port"),
    ("play", [], "num_problems"),
]


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "\u0661", "x"])
@pytest.mark.parametrize(("command", "needed", "name"), ONE_OF_EACH)
def test_no_other_number_is_taken_and_the_flag_is_named(command, needed, name, text):
    kind = resolve_name(COMMANDS[command][1])
    with pytest.raises(UsageError) as caught:
        parse(kind, command, [*needed, f"--{name.replace('_', '-')}={text}"])
    assert str(caught.value).startswith(f"`{name}` must be "), str(caught.value)
