"""Check the hyperparameters of an algorithm; a name means the same in all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from math import isfinite
from typing import Any, Literal, get_args, get_origin, get_type_hints

from edgewise.errors import unknown

Check = tuple[str, Callable[[Any], bool]]  # what a value must be, and whether it is
COUNT: Check = ("an integer of at least 1", lambda value: type(value) is int and value >= 1)
POSITIVE: Check = ("positive", lambda value: value > 0 and isfinite(value))
NOT_NEGATIVE: Check = ("at least 0", lambda value: value >= 0 and isfinite(value))
FRACTION: Check = ("in [0, 1]", lambda value: 0 <= value <= 1)
SWITCH: Check = ("true or false", lambda value: isinstance(value, bool))
CHECKS: dict[str, Check] = {
    "num_steps": COUNT,
    "num_epochs": COUNT,
    "num_minibatches": COUNT,
    "learning_rate": POSITIVE,
    "value_learning_rate": POSITIVE,
    "clip_eps": POSITIVE,
    "clip_eps_high": POSITIVE,
    "value_clip_eps": POSITIVE,
    "importance_cap": POSITIVE,
    "max_grad_norm": POSITIVE,
    "kl_coef": NOT_NEGATIVE,
    "value_coef": NOT_NEGATIVE,
    "discount": FRACTION,
    "gae_lambda": FRACTION,
    "standardize_tokens": SWITCH,
}


def check(config: Any) -> None:
    """Check the fields of `config`, a dataclass; None is allowed where a field is declared so.

    Raises:
        ValueError: If a field has a value that it cannot have.
    """
    hints = get_type_hints(type(config))
    for name in (field.name for field in fields(config)):
        value = getattr(config, name)
        if get_origin(hints[name]) is Literal and value not in get_args(hints[name]):
            raise ValueError(unknown(name, value, get_args(hints[name])))
        if name not in CHECKS or (value is None and type(None) in get_args(hints[name])):
            continue
        condition, holds = CHECKS[name]
        if not holds(value):
            raise ValueError(f"`{name}` must be {condition}, got {value}")
