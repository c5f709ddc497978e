"""The curricula by name, as the command line and run folders call them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from edgewise.errors import unknown
from edgewise.wrappers.adarft import AdaRFT, AdaRFTProblems
from edgewise.wrappers.bandits import UCB, Regression, Thompson
from edgewise.wrappers.baselines import Balanced, Random, Subset
from edgewise.wrappers.dump import DUMP
from edgewise.wrappers.e2h import E2HClassic, E2HCosine, E2HGaussian, E2HNoFading
from edgewise.wrappers.e2h_adaptive import E2HAdaptive
from edgewise.wrappers.greso import GRESO
from edgewise.wrappers.learnability import DOTS, SFL
from edgewise.wrappers.mopps import MoPPS
from edgewise.wrappers.ordered import Ordered, Reverse
from edgewise.wrappers.pac import PAC
from edgewise.wrappers.plr import PLR
from edgewise.wrappers.problem_rule import ProblemRule, RandomProblems
from edgewise.wrappers.rlve import RLVE
from edgewise.wrappers.rule import Rule
from edgewise.wrappers.sec import SEC
from edgewise.wrappers.signal import (
    AdvantageAndSuccess,
    Learnability,
    MeanAbsAdvantage,
    MeanReward,
    Progress,
    RewardVariance,
    Signal,
    SuccessRate,
)
from edgewise.wrappers.tscl import TSCL

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
    settable = sorted(known - {"sampling"})
    for part in parts:
        argument, _, value = part.partition("=")
        if argument not in settable:
            raise ValueError(unknown(f"{name} argument", argument, settable))
        arguments[argument] = parse_value(argument, value)
    for field in fields(kinds[name]):
        if field.default is field.default_factory is MISSING and field.name not in arguments:
            raise ValueError(f"`{role}` {name!r} needs a value: {name}:{field.name}=...")
    try:
        return kinds[name](**arguments)
    except TypeError as error:
        raise ValueError(f"`{role}` {text!r} has a value of the wrong type: {error}") from error


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
        return json.loads(text)
    except json.JSONDecodeError:
        return text
