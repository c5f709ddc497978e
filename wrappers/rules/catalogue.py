"""The curricula by name, as the command line and run folders call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from edgewise.errors import unknown
from edgewise.fields import convert, hints_of
from edgewise.json_text import parse_json
from edgewise.wrappers.rules.adarft import AdaRFT, AdaRFTProblems
from edgewise.wrappers.rules.bandits import UCB, Regression, Thompson
from edgewise.wrappers.rules.baselines import Balanced, Random, Subset
from edgewise.wrappers.rules.dump import DUMP
from edgewise.wrappers.rules.e2h import E2HClassic, E2HCosine, E2HGaussian, E2HNoFading
from edgewise.wrappers.rules.e2h_adaptive import E2HAdaptive
from edgewise.wrappers.rules.greso import GRESO
from edgewise.wrappers.rules.learnability import DOTS, SFL
from edgewise.wrappers.rules.mopps import MoPPS
from edgewise.wrappers.rules.ordered import Ordered, Reverse
from edgewise.wrappers.rules.pac import PAC
from edgewise.wrappers.rules.plr import PLR
from edgewise.wrappers.rules.problem_rule import ProblemRule, RandomProblems
from edgewise.wrappers.rules.rlve import RLVE
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.sec import SEC
from edgewise.wrappers.rules.signal import (
    AdvantageAndSuccess,
    Learnability,
    MeanAbsAdvantage,
    MeanReward,
    Progress,
    RewardVariance,
    Signal,
    SuccessRate,
)
from edgewise.wrappers.rules.tscl import TSCL

CURRICULA: dict[str, type[Rule]] = {
    "random": Random,
    "balanced": Balanced,
    "subset": Subset,
    "ordered": Ordered,
    "reverse": Reverse,
    "sec": SEC,
    "ucb": UCB,
    "thompson": Thompson,
    "regression": Regression,
    "e2h-classic": E2HClassic,
    "e2h-cosine": E2HCosine,
    "e2h-gaussian": E2HGaussian,
    "e2h-no-fading": E2HNoFading,
    "e2h-adaptive": E2HAdaptive,
    "tscl": TSCL,
    "dump": DUMP,
    "pac": PAC,
    "rlve": RLVE,
    "adarft": AdaRFT,
}
PROBLEM_CURRICULA: dict[str, type[ProblemRule]] = {  # which choose problems of a pool
    "random-problems": RandomProblems,
    "plr": PLR,
    "mopps": MoPPS,
    "sfl": SFL,
    "greso": GRESO,
    "dots": DOTS,
    "adarft-problems": AdaRFTProblems,
}
SIGNALS: dict[str, type[Signal]] = {
    "mean-abs-advantage": MeanAbsAdvantage,
    "success-rate": SuccessRate,
    "mean-reward": MeanReward,
    "reward-variance": RewardVariance,
    "learnability": Learnability,
    "progress": Progress,
    "advantage-and-success": AdvantageAndSuccess,
}

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def register_rule(name: str, kind: type[Rule] | type[ProblemRule]) -> None:
    """Let the command line, recipes and the records of runs call a rule of your own by `name`.

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
    """Let rules be told a signal of your own by `name`: "sec:signal=NAME", and in records of runs.

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
    PLR(beta=0.1, staleness=0.1, replay=None, signal=MeanAbsAdvantage())
    >>> make_rule("ucb:signal=progress", num_steps=100)
    UCB(signal=Progress(of=MeanReward()), discount=0.95, exploration=0.5)

    Raises:
        ValueError: If there is no such rule or argument, or its value is refused.
    """
    kinds = {**CURRICULA, **PROBLEM_CURRICULA}
    rule: Rule | ProblemRule = construct("curriculum", text, kinds, num_steps=num_steps)
    return rule


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
    name, *parts = text.split(":")
    if name not in kinds:
        raise ValueError(unknown(role, name, kinds))
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
