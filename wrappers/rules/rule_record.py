"""Rules and signals as records for JSON: by their names in the catalogue, with their fields.

A record says which kind it is and nothing that is imported. What the user's own code registered has
a name from then on; a rule that was not registered works, and has a record that tells what it was,
but cannot be made of it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from edgewise import own_code
from edgewise.errors import shown
from edgewise.fields import Readers, build, join
from edgewise.wrappers.rules.catalogue import (
    CURRICULA,
    PROBLEM_CURRICULA,
    SIGNALS,
    named,
    own_rule,
)
from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Signal

AnyRule = Rule | ProblemRule
OLD = "class"  # of records of version 0.1, with the place of the class
OLD_CLASSES = {  # of version 0.1, whose modules may have moved since
    "edgewise.wrappers.adarft:AdaRFT": "adarft",
    "edgewise.wrappers.adarft:AdaRFTProblems": "adarft-problems",
    "edgewise.wrappers.bandits:Regression": "regression",
    "edgewise.wrappers.bandits:Thompson": "thompson",
    "edgewise.wrappers.bandits:UCB": "ucb",
    "edgewise.wrappers.baselines:Balanced": "balanced",
    "edgewise.wrappers.baselines:Random": "random",
    "edgewise.wrappers.baselines:Subset": "subset",
    "edgewise.wrappers.dump:DUMP": "dump",
    "edgewise.wrappers.e2h:E2HClassic": "e2h-classic",
    "edgewise.wrappers.e2h:E2HCosine": "e2h-cosine",
    "edgewise.wrappers.e2h:E2HGaussian": "e2h-gaussian",
    "edgewise.wrappers.e2h:E2HNoFading": "e2h-no-fading",
    "edgewise.wrappers.e2h_adaptive:E2HAdaptive": "e2h-adaptive",
    "edgewise.wrappers.greso:GRESO": "greso",
    "edgewise.wrappers.learnability:DOTS": "dots",
    "edgewise.wrappers.learnability:SFL": "sfl",
    "edgewise.wrappers.mopps:MoPPS": "mopps",
    "edgewise.wrappers.ordered:Ordered": "ordered",
    "edgewise.wrappers.ordered:Reverse": "reverse",
    "edgewise.wrappers.pac:PAC": "pac",
    "edgewise.wrappers.plr:PLR": "plr",
    "edgewise.wrappers.problem_rule:RandomProblems": "random-problems",
    "edgewise.wrappers.rlve:RLVE": "rlve",
    "edgewise.wrappers.sec:SEC": "sec",
    "edgewise.wrappers.signal:AdvantageAndSuccess": "advantage-and-success",
    "edgewise.wrappers.signal:Learnability": "learnability",
    "edgewise.wrappers.signal:MeanAbsAdvantage": "mean-abs-advantage",
    "edgewise.wrappers.signal:MeanReward": "mean-reward",
    "edgewise.wrappers.signal:Progress": "progress",
    "edgewise.wrappers.signal:RewardVariance": "reward-variance",
    "edgewise.wrappers.signal:SuccessRate": "success-rate",
    "edgewise.wrappers.tscl:TSCL": "tscl",
}
UNRECORDED: dict[str, dict[str, Any]] = {  # what rules did whose records do not say it
    "dump": {"count": "problems"},
    "greso": {"variant": "v0.1", "most": 1.0, "keep": 0.0},
    "mopps": {"candidates": "fresh"},
    "plr": {"after": 0.0, "ages": "steps"},
}
CHANGED = {  # fields whose defaults were others when runs began that go on
    **{name: tuple(values) for name, values in UNRECORDED.items()},
    "dots": ("temperature",),
    "mopps": ("ratio", "candidates"),
}


def to_json(part: Any) -> Any:
    """Return a rule as {"rule": name, field: value}, a signal as {"signal": name, ...}, for JSON.

    >>> from edgewise.wrappers import RLVE
    >>> to_json(RLVE(width=2))["rule"], to_json(RLVE(width=2))["signal"]
    ('rlve', {'signal': 'success-rate'})

    Of a kind that is not registered the name is its place, "module:Name", which `from_json` refuses.
    """
    if not is_dataclass(part):
        return part
    values = {f.name: to_json(getattr(part, f.name)) for f in fields(part) if f.init}
    for label, base in (("rule", Rule), ("rule", ProblemRule), ("signal", Signal)):
        if isinstance(part, base):
            return {label: name_of(type(part)), **values}
    return values


def name_of(kind: type[Any]) -> str:
    """Return the name of a kind of rule or signal, its place if it is not registered."""
    names = [name for name, known in kinds_of("rule").items() if known is kind]
    names += [name for name, known in SIGNALS.items() if known is kind]
    return names[0] if names else place_of(kind)


def place_of(kind: type[Any]) -> str:
    """Return where a class is, which is written and never resolved."""
    return f"{kind.__module__}:{kind.__qualname__}"


def kinds_of(label: str) -> Mapping[str, type[Any]]:
    """Return all rules, or all signals, by name."""
    return SIGNALS if label == "signal" else {**CURRICULA, **PROBLEM_CURRICULA}


def from_json(record: Any) -> AnyRule:
    """Return the rule that `to_json` recorded: it keeps its hyperparameters and loses its state.

    Records of version 0.1, which have "class", are read too; of a class of the user's own, once it is
    registered.

    Raises:
        ValueError: If it is of no rule that is registered here, or a field does not exist or has
            another type.
    """
    rule: AnyRule = read((Rule, ProblemRule), record, "rule")
    return rule


def as_begun(text: str, record: Mapping[str, Any]) -> str:
    """Return what names a rule, with the arguments of which `record` had other defaults.

    >>> as_begun("dump:window=9", {"rule": "dump", "window": 9})
    'dump:window=9:count=problems'

    Args:
        text: The name and some arguments, as `make_rule` reads them.
        record: What `to_json` made of the rule when it was made by that text.
    """
    name = named(text, known := kinds_of("rule"))
    kind = known.get(name) or own_rule(name).get(name)
    if kind is None:
        return text  # which `make_rule` refuses
    parts = text.split(":")[name.count(":") + 1 :]
    said = {part.partition("=")[0] for part in parts}
    values = {**UNRECORDED.get(name, {}), **record}
    defaults = {field.name: field.default for field in fields(kind)}
    for field in CHANGED.get(name, ()):
        if field in values and field not in said and values[field] != defaults[field]:
            value = values[field]
            parts.append(f"{field}={value if isinstance(value, str) else json.dumps(value)}")
    return ":".join([name, *parts])


def as_rule(rule: AnyRule | Mapping[str, Any]) -> AnyRule:
    """Return a rule as it is, or the one that a record is of."""
    return rule if isinstance(rule, (Rule, ProblemRule)) else from_json(rule)


def read(kinds: type[Any] | tuple[type[Any], ...], record: Any, where: str) -> Any:
    """Return the rule or the signal, one of `kinds`, of a record that `where` names in messages."""
    if not isinstance(record, Mapping):
        raise ValueError(
            f"`{where}` must be an object with the name of a rule, got {shown(record)}"
        )
    label = next((key for key in (OLD, "rule", "signal") if key in record), None)
    if label is None:
        raise ValueError(f"`{where}` must have the name of a rule, got {shown(dict(record))}")
    kind = kind_of(record, label, where)
    if not issubclass(kind, kinds):
        raise ValueError(f"`{where}` must be of another kind, got {kind.__name__}")
    rest = {name: value for name, value in record.items() if name != label}
    if label != "signal":
        rest = {**UNRECORDED.get(name_of(kind), {}), **rest}
    return build(kind, rest, where, readers())


def kind_of(record: Mapping[str, Any], label: str, where: str) -> type[Any]:
    """Return the class that a record names under `label`."""
    name, known = record[label], kinds_of(label)
    if label == OLD:
        known = {**kinds_of("rule"), **SIGNALS}
    if isinstance(name, str):
        if OLD_CLASSES.get(name, name) in known:
            return known[OLD_CLASSES.get(name, name)]
        if places := [kind for kind in known.values() if place_of(kind) == name]:
            return places[0]
        if label == "rule" and is_users(name):
            return own_rule(name)[name]
    function = "register_signal" if label == "signal" else "register_rule"
    raise ValueError(
        f"`{join(where, label)}` must be registered here, got {shown(name)}; of your own, call "
        f"edgewise.wrappers.{function}(NAME, CLASS) first, for nothing that a record says is imported; "
        "the command line does so with --import MODULE"
    )


def is_users(name: str) -> bool:
    """Return whether a rule is of a module that the user typed, or of an installed package."""
    module, colon, _ = name.partition(":")
    if colon:
        return own_code.is_named(module)
    return name in own_code.installed(own_code.RULES)


def readers() -> Readers:
    """Return the readers of fields that are rules or signals themselves."""
    kinds: tuple[type[Any], ...] = (
        Rule,
        ProblemRule,
        Signal,
        *kinds_of("rule").values(),
        *SIGNALS.values(),
    )
    return {kind: partial(read, kind) for kind in kinds}
