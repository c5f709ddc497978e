"""The curricula by name, as the command line and run folders call them.

They are collected from the modules of this package: a class that sets `name` is in the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from edgewise import own_code
from edgewise.errors import unknown
from edgewise.fields import convert, hints_of
from edgewise.json_text import parse_json
from edgewise.wrappers import rules
from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Signal

CURRICULA: dict[str, type[Rule]] = {}
PROBLEM_CURRICULA: dict[str, type[ProblemRule]] = {}  # which choose problems of a pool
SIGNALS: dict[str, type[Signal]] = {}

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
COMMA = re.compile(r",(?![^\[]*\])")  # not within brackets


def split_names(text: str) -> list[str]:
    """Split a list of rules, filters or algorithms at its commas, except within brackets.

    >>> split_names("sec,subset:arms=[1,2],random")
    ['sec', 'subset:arms=[1,2]', 'random']
    """
    return [part.strip() for part in COMMA.split(text) if part.strip()]


def register_rule(name: str, kind: type[Rule] | type[ProblemRule]) -> None:
    """Give a rule of your own a `name`, for the command line, recipes and the records of runs.

    Records are data, and import nothing: whatever reads one runs this first.

    Example:
        >>> from dataclasses import dataclass
        >>> import numpy as np
        >>> @dataclass(eq=False)
        ... class Hardest(Rule):
        ...     "All problems from the last arm, but for a share."
        ...
        ...     share: float = 0.1
        ...
        ...     def probabilities(self):
        ...         others = np.full(self.num_arms, self.share / self.num_arms)
        ...         return others + (1 - self.share) * np.eye(self.num_arms)[-1]
        >>> register_rule("hardest", Hardest)
        >>> make_rule("hardest:share=0.5", num_steps=100)
        Hardest(signal=MeanAbsAdvantage(), share=0.5)

    Args:
        name: Lower-case words with hyphens between.
        kind: A dataclass.

    Raises:
        ValueError: If the name is taken or of another form.
        TypeError: If `kind` is no dataclass of a rule.
    """
    if not (isinstance(kind, type) and issubclass(kind, (Rule, ProblemRule))):
        raise TypeError(f"`kind` must be a subclass of Rule or ProblemRule, got {kind!r}")
    check_registration(name, kind, {**CURRICULA, **PROBLEM_CURRICULA}, "rule")
    if issubclass(kind, Rule):
        CURRICULA[name] = kind
    else:
        PROBLEM_CURRICULA[name] = kind


def register_signal(name: str, kind: type[Signal]) -> None:
    """Give a signal of your own a `name`, for "sec:signal=NAME" and the records of runs.

    Example:
        >>> from dataclasses import dataclass
        >>> from edgewise.wrappers import MeanReward
        >>> @dataclass(frozen=True)
        ... class Cost(MeanReward):
        ...     def __call__(self, groups, arms):
        ...         return -super().__call__(groups, arms)
        >>> register_signal("cost", Cost)
        >>> make_rule("sec:signal=cost", num_steps=100).signal
        Cost()

    Args:
        name: Lower-case words with hyphens between.
        kind: A dataclass.

    Raises:
        ValueError: If the name is taken or of another form.
        TypeError: If `kind` is no dataclass of a signal.
    """
    if not (isinstance(kind, type) and issubclass(kind, Signal)):
        raise TypeError(f"`kind` must be a subclass of Signal, got {kind!r}")
    check_registration(name, kind, SIGNALS, "signal")
    SIGNALS[name] = kind


def check_registration(
    name: str, kind: type[Any], known: Mapping[str, type[Any]], label: str
) -> None:
    """Check that a kind may have a name; twice the same is allowed."""
    if not is_dataclass(kind) or label in (field.name for field in fields(kind)):
        raise TypeError(f"`kind` must be a dataclass without a field {label!r}, got {kind!r}")
    if not NAME.fullmatch(name):
        raise ValueError(f"`name` must be lower-case words with hyphens between, got {name!r}")
    if known.get(name, kind) is not kind:
        raise ValueError(f"`name` must be of no other {label}, got {name!r}")


def make_rule(text: str, num_steps: int) -> Rule | ProblemRule:
    """Return the rule that `text` names, with its arguments: "sec:learning_rate=0.5:temperature=1".

    A rule that needs `num_steps`, the length of the training run, is given it.

    >>> make_rule("ucb:discount=0.9", num_steps=100)
    UCB(signal=MeanAbsAdvantage(), discount=0.9, exploration=0.5)
    >>> make_rule("plr", num_steps=100)
    PLR(beta=0.1, staleness=0.1, replay=None, after=1.0, ages='draws', signal=MeanAbsAdvantage())
    >>> make_rule("ucb:signal=progress", num_steps=100)
    UCB(signal=Progress(of=MeanReward()), discount=0.95, exploration=0.5)

    Of your own, "module:Class" and its arguments, of a module that is imported, or the name under which
    an installed package declares the class: what follows a colon without "=" is a class.

    >>> make_rule("edgewise.wrappers:UCB:discount=0.9", num_steps=100).discount
    0.9

    Raises:
        ValueError: If there is no such rule or argument, or its value is refused.
    """
    kinds = {**CURRICULA, **PROBLEM_CURRICULA}
    if (name := named(text, kinds)) not in kinds:
        kinds |= own_rule(name)
    rule: Rule | ProblemRule = construct("curriculum", text, kinds, num_steps=num_steps)
    return rule


def make_schedule(text: str, num_steps: int) -> Rule:
    """Return the rule that `text` names, whose probabilities are known before the run.

    >>> make_schedule("e2h-cosine", num_steps=100).variant
    'code'

    Raises:
        ValueError: As `make_rule`, or if the rule learns from what completions earn.
    """
    rule = make_rule(text, num_steps)
    if isinstance(rule, ProblemRule) or rule.learns:
        known = ", ".join(name for name, kind in CURRICULA.items() if not kind.learns)
        raise ValueError(
            f"`curriculum` must not learn from outcomes, as {known} do not, got {text}; a rule that "
            "learns needs a trainer that reports to it: edgewise train, trl, verl"
        )
    return rule


def named(text: str, kinds: Mapping[str, Any]) -> str:
    """Return what names a kind in "name:argument=value:...", with "module:Class" as a name too.

    >>> named("sec:temperature=1", CURRICULA), named("my_rules:Hardest:share=0.5", CURRICULA)
    ('sec', 'my_rules:Hardest')
    """
    name, *parts = text.split(":")
    is_class = name not in kinds and parts and "=" not in parts[0]
    return f"{name}:{parts[0]}" if is_class else name


def own_rule(name: str) -> dict[str, type[Rule] | type[ProblemRule]]:
    """Return a rule of the user's own by its name, registered: "module:Class", or an entry point's.

    Raises:
        ValueError: If its module is not imported, or has no such rule.
    """
    if ":" in name:
        kind = own_code.attribute(name, "curriculum")
    elif name in (declared := own_code.installed(own_code.RULES)):
        kind = own_code.load_installed(declared[name])
    else:
        return {}
    if not (
        isinstance(kind, type) and issubclass(kind, (Rule, ProblemRule)) and is_dataclass(kind)
    ):
        raise own_code.CodeError(
            f"{own_code.file_of(name, kind)}: `curriculum` must be a dataclass of Rule or ProblemRule, "
            f"got {name}"
        )
    own_code.check_complete(name, kind, "curriculum")
    if issubclass(kind, Rule):
        CURRICULA.setdefault(name, kind)
    else:
        PROBLEM_CURRICULA.setdefault(name, kind)
    return {name: kind}


def construct(role: str, text: str, kinds: Mapping[str, type[Any]], **given: Any) -> Any:
    """Return the one of `kinds` that `text` names, as "name" or "name:argument=value:...".

    Args:
        role: What the kinds are, for messages.
        text: The name and the arguments, whose values are JSON or else text; a signal is named.
        kinds: Dataclasses by name.
        given: Arguments for those fields that a kind has, unless `text` gives them.

    Raises:
        ValueError: If there is no such kind or argument, or a value is refused.
    """
    name = named(text, kinds)
    parts = text.split(":")[name.count(":") + 1 :]
    if name not in kinds:
        raise ValueError(unknown(role, name, kinds, see="edgewise list --curricula"))
    known = {field.name for field in fields(kinds[name])}
    arguments = {key: value for key, value in given.items() if key in known}
    settable, hints = sorted(known - {"sampling"}), hints_of(kinds[name])
    for part in parts:
        argument, _, value = part.partition("=")
        if argument not in settable:
            raise ValueError(unknown(f"{name} argument", argument, settable))
        arguments[argument] = convert(parse_value(argument, value), hints[argument], argument)
    for field in fields(kinds[name]):
        if field.default is field.default_factory is MISSING and field.name not in arguments:
            raise ValueError(f"`{role}` {name!r} needs a value: {name}:{field.name}=...")
    return kinds[name](**arguments)


def parse_value(argument: str, text: str) -> Any:
    """Return the value that `text` stands for: JSON, the name of a signal, or itself.

    Raises:
        ValueError: If there is no such signal.
    """
    if argument == "signal":
        if text not in SIGNALS:
            raise ValueError(unknown("signal", text, SIGNALS))
        return SIGNALS[text]()
    try:
        return parse_json(text, argument)
    except ValueError:
        return text


def example_of(name: str) -> str:
    """Return a text by which `make_rule` makes the rule `name`, with the arguments that it needs.

    >>> example_of("subset"), example_of("sec")
    ('subset:arms=[0]', 'sec')
    """
    kinds: dict[str, type[Rule] | type[ProblemRule]] = {**CURRICULA, **PROBLEM_CURRICULA}
    return f"{name}:{kinds[name].example}" if kinds[name].example else name


def named_classes() -> Iterator[type[Any]]:
    """Yield the rules and signals that the modules of this package define under a name of their own."""
    for found in iter_modules(rules.__path__, f"{rules.__name__}."):
        module = import_module(found.name)
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == found.name and vars(kind).get("name"):
                yield kind


def collect() -> None:
    """Fill the catalogue, in the order that the rules give."""
    for kind in sorted(named_classes(), key=lambda kind: getattr(kind, "order", 0)):
        (register_signal if issubclass(kind, Signal) else register_rule)(kind.name, kind)


collect()  # last, for a module of this package may import what is above
